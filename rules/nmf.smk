# Rank-1 NMF: the direction that the images of a class share (3.5).


rule directions:
    input:
        features=Files.features,
    output:
        directions=Files.directions,
    log:
        "results/{dataset}/logs/{arm}/directions/{shard}.log",
    benchmark:
        "results/{dataset}/benchmarks/{arm}/directions/{shard}.tsv"
    conda:
        "../envs/isic.yaml"
    params:
        options=job(jobs.directions),
        code=code("directions"),
    shell:
        "isic directions {input.features:q} {output.directions:q} {params.options}"
        " 2>&1 | tee {log:q}"
