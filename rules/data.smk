# From a source of images to an index, the true boxes, and the images themselves, decoded once.


rule birds:
    output:
        source=directory(Files.source),
    log:
        "results/{dataset}/logs/birds.log",
    benchmark:
        "results/{dataset}/benchmarks/birds.tsv"
    wildcard_constraints:
        dataset=where(lambda own: own.source.type == "birds"),
    conda:
        "../envs/isic.yaml"
    threads: 8
    params:
        options=job(jobs.source),
        code=code("birds"),
    shell:
        "isic birds {output.source:q} {params.options} 2>&1 | tee {log:q}"


# What is downloaded has a checksum, so the code that fetched it does not matter.
rule fetch:
    output:
        archive=Files.archive,
    log:
        "data/{archive}.log",
    benchmark:
        "data/{archive}.tsv"
    wildcard_constraints:
        archive=only(ARCHIVES),
    conda:
        "../envs/isic.yaml"
    params:
        url=archive_url,
        options=archive_options,
    shell:
        "isic fetch {params.url:q} {output.archive:q} {params.options} 2>&1 | tee {log:q}"


# Checked once more: an archive that was placed by hand must be whole, too.
rule unpack:
    input:
        archives=files(inputs.source_archives),
    output:
        source=directory(Files.source),
    log:
        "results/{dataset}/logs/unpack.log",
    benchmark:
        "results/{dataset}/benchmarks/unpack.tsv"
    wildcard_constraints:
        dataset=where(inputs.from_archives),
    conda:
        "../envs/isic.yaml"
    params:
        options=job(jobs.unpack),
        code=code("unpack"),
    shell:
        "isic unpack {input.archives:q} {output.source:q} {params.options} 2>&1 | tee {log:q}"


rule weights:
    output:
        weights=Files.weights,
    log:
        "results/weights/logs/{weights}.log",
    benchmark:
        "results/weights/benchmarks/{weights}.tsv"
    conda:
        "../envs/isic.yaml"
    shell:
        "isic fetch {wildcards.weights:q} {output.weights:q} 2>&1 | tee {log:q}"


use rule weights as timm_weights with:
    output:
        weights=Files.timm_weights,


# A checkpoint, and taken as `ancient`: what follows goes by the index's content alone (`index_digest`), so that an index
# that is made again with the same bytes makes nothing else again.
checkpoint index:
    input:
        root=ancient(files(inputs.source_root)),
        made=files(inputs.made_source),
    output:
        index=Files.index,
        origin=Files.origin,
    log:
        "results/{dataset}/logs/index.log",
    benchmark:
        "results/{dataset}/benchmarks/index.tsv"
    conda:
        "../envs/isic.yaml"
    threads: 8
    params:
        images=source_state(images_state),
        options=job(jobs.index),
        code=code("index"),
    shell:
        "isic index {input.root:q} {output.index:q} --origin {output.origin:q} {params.options}"
        " 2>&1 | tee {log:q}"


# Only scoring takes boxes and masks. What is wrong with them is said before anything is trained.
rule truth:
    input:
        index=ancient(indexed),
        root=ancient(files(inputs.source_root)),
        made=files(inputs.made_source),
    output:
        truth=Files.truth,
        masks=Files.true_masks,
    log:
        "results/{dataset}/logs/truth.log",
    benchmark:
        "results/{dataset}/benchmarks/truth.tsv"
    priority: 1
    conda:
        "../envs/isic.yaml"
    threads: 8
    params:
        index=index_digest,
        boxes=source_state(truth_state),
        masks=source_state(masks_state),
        options=job(jobs.truth),
        code=code("truth"),
    shell:
        "isic truth {input.index:q} {input.root:q} {output.truth:q} --masks {output.masks:q} {params.options}"
        " 2>&1 | tee {log:q}"


# The index holds a digest of every image, so the folder's own time says nothing more.
rule images:
    input:
        index=ancient(indexed),
        root=ancient(files(inputs.source_root)),
    output:
        images=Files.images,
    log:
        "results/{dataset}/logs/images~{resize}.log",
    benchmark:
        "results/{dataset}/benchmarks/images~{resize}.tsv"
    wildcard_constraints:
        dataset=where(lambda own: own.images.store == "pixels"),
    conda:
        "../envs/isic.yaml"
    threads: 8
    params:
        index=index_digest,
        options=job(jobs.images, "resize"),
        code=code("images"),
    shell:
        "isic images {input.index:q} {input.root:q} {output.images:q} {params.options}"
        " 2>&1 | tee {log:q}"


rule image_shard:
    input:
        index=ancient(indexed),
        root=ancient(files(inputs.source_root)),
    output:
        shard=Files.image_shard,
    log:
        "results/{dataset}/logs/images~{resize}/{shard}.log",
    benchmark:
        "results/{dataset}/benchmarks/images~{resize}/{shard}.tsv"
    conda:
        "../envs/isic.yaml"
    threads: 8
    params:
        index=index_digest,
        options=job(jobs.image_shard, "resize", "shard"),
        code=code("images"),
    shell:
        "isic images {input.index:q} {input.root:q} {output.shard:q} {params.options}"
        " 2>&1 | tee {log:q}"


rule join_shards:
    input:
        index=ancient(indexed),
        root=ancient(files(inputs.source_root)),
        join=files(inputs.image_shards, "resize"),
    output:
        images=Files.images,
    log:
        "results/{dataset}/logs/images~{resize}.log",
    benchmark:
        "results/{dataset}/benchmarks/images~{resize}.tsv"
    wildcard_constraints:
        dataset=where(lambda own: own.images.store == "jpeg"),
    conda:
        "../envs/isic.yaml"
    params:
        index=index_digest,
        files=file_options,
        code=code("images"),
    shell:
        "isic images {input.index:q} {input.root:q} {output.images:q} {params.files} 2>&1 | tee {log:q}"
