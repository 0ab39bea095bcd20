# From a source of images to an index, the true boxes, and the images themselves, decoded once.


rule birds:
    output:
        source=directory("results/{dataset}/source"),
    log:
        "results/{dataset}/logs/birds.log",
    benchmark:
        "results/{dataset}/benchmarks/birds.tsv"
    wildcard_constraints:
        dataset=only(GENERATED),
    conda:
        "../envs/isic.yaml"
    params:
        options=birds_options,
        code=code("birds"),
    shell:
        "isic birds {output.source:q} {params.options} 2>&1 | tee {log:q}"


# What is downloaded has a checksum, so the code that fetched it does not matter.
rule fetch:
    output:
        archive="data/{archive}",
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


# `isic fetch` only checks an archive that is there: one placed by hand must be whole, too.
rule unpack:
    input:
        archive=source_archive,
    output:
        source=directory("results/{dataset}/source"),
    log:
        "results/{dataset}/logs/unpack.log",
    benchmark:
        "results/{dataset}/benchmarks/unpack.tsv"
    wildcard_constraints:
        dataset=only(UNPACKED),
    conda:
        "../envs/isic.yaml"
    params:
        url=source_url,
        options=source_options,
        code=code("unpack"),
    shell:
        "(isic fetch {params.url:q} {input.archive:q} {params.options}"
        " && isic unpack {input.archive:q} {output.source:q}) 2>&1 | tee {log:q}"


rule weights:
    output:
        weights="results/weights/{weights}.pth",
    log:
        "results/weights/logs/{weights}.log",
    benchmark:
        "results/weights/benchmarks/{weights}.tsv"
    conda:
        "../envs/isic.yaml"
    shell:
        "isic weights {wildcards.weights:q} {output.weights:q} 2>&1 | tee {log:q}"


rule index:
    input:
        root=source_root,
        contents=source_contents,
    output:
        index="results/{dataset}/index.csv",
        truth="results/{dataset}/truth.csv",
    log:
        "results/{dataset}/logs/index.log",
    benchmark:
        "results/{dataset}/benchmarks/index.tsv"
    conda:
        "../envs/isic.yaml"
    threads: 8
    params:
        options=index_options,
        code=code("index"),
    shell:
        "isic index {input.root:q} {output.index:q} {output.truth:q} {params.options}"
        " 2>&1 | tee {log:q}"


# The index holds a digest of every image, so the folder's own time says nothing more.
rule images:
    input:
        index=rules.index.output.index,
        root=ancient(source_root),
    output:
        images="results/{dataset}/images~{resize}.h5",
    log:
        "results/{dataset}/logs/images~{resize}.log",
    benchmark:
        "results/{dataset}/benchmarks/images~{resize}.tsv"
    wildcard_constraints:
        dataset=stored_as("pixels"),
    conda:
        "../envs/isic.yaml"
    threads: 8
    params:
        options=images_options,
        code=code("images"),
    shell:
        "isic images {input.index:q} {input.root:q} {output.images:q} {params.options}"
        " 2>&1 | tee {log:q}"


rule image_shard:
    input:
        index=rules.index.output.index,
        root=ancient(source_root),
    output:
        shard="results/{dataset}/images~{resize}/{shard}.h5",
    log:
        "results/{dataset}/logs/images~{resize}/{shard}.log",
    benchmark:
        "results/{dataset}/benchmarks/images~{resize}/{shard}.tsv"
    conda:
        "../envs/isic.yaml"
    threads: 8
    params:
        options=image_shard_options,
        code=code("image-shard"),
    shell:
        "isic image-shard {input.index:q} {input.root:q} {output.shard:q} {params.options}"
        " 2>&1 | tee {log:q}"


rule join_shards:
    input:
        shards=image_shards,
    output:
        images="results/{dataset}/images~{resize}.h5",
    log:
        "results/{dataset}/logs/images~{resize}.log",
    benchmark:
        "results/{dataset}/benchmarks/images~{resize}.tsv"
    wildcard_constraints:
        dataset=stored_as("jpeg"),
    conda:
        "../envs/isic.yaml"
    params:
        code=code("join-shards"),
    shell:
        "isic join-shards {input.shards:q} {output.images:q} 2>&1 | tee {log:q}"
