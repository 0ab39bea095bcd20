# Pseudo-masks: the training images' NMF maps by two thresholds: object, background, undecided (3.5).


rule masks:
    input:
        index=ancient(indexed),
        images=files(inputs.packed),
        features=Files.features,
        directions=Files.directions,
    output:
        masks=Files.masks,
    log:
        "results/{dataset}/logs/{arm}/masks/{shard}.log",
    benchmark:
        "results/{dataset}/benchmarks/{arm}/masks/{shard}.tsv"
    conda:
        "../envs/isic.yaml"
    threads: compute_threads
    params:
        index=index_digest,
        options=job(jobs.masks),
        code=code("masks"),
    shell:
        "isic masks {input.index:q} {input.images:q} {input.features:q} {input.directions:q} {output.masks:q}"
        " {params.options} 2>&1 | tee {log:q}"
