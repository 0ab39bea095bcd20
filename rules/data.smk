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


rule index:
    input:
        root=files(inputs.source_root),
        contents=files(inputs.source_contents),
    output:
        index=Files.index,
        truth=Files.truth,
    log:
        "results/{dataset}/logs/index.log",
    benchmark:
        "results/{dataset}/benchmarks/index.tsv"
    conda:
        "../envs/isic.yaml"
    threads: 8
    params:
        options=job(jobs.index),
        code=code("index"),
    shell:
        "isic index {input.root:q} {output.index:q} {output.truth:q} {params.options}"
        " 2>&1 | tee {log:q}"


# The index holds a digest of every image, so the folder's own time says nothing more.
rule images:
    input:
        index=Files.index,
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
        options=job(jobs.images, "resize"),
        code=code("images"),
    shell:
        "isic images {input.index:q} {input.root:q} {output.images:q} {params.options}"
        " 2>&1 | tee {log:q}"


rule image_shard:
    input:
        index=Files.index,
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
        options=job(jobs.image_shard, "resize", "shard"),
        code=code("images"),
    shell:
        "isic images {input.index:q} {input.root:q} {output.shard:q} {params.options}"
        " 2>&1 | tee {log:q}"


rule join_shards:
    input:
        index=Files.index,
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
        files=file_options,
        code=code("images"),
    shell:
        "isic images {input.index:q} {input.root:q} {output.images:q} {params.files} 2>&1 | tee {log:q}"
