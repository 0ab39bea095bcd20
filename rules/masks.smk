# Pseudo-masks: the training images' NMF maps, cut into object, background and neither (3.5).


rule masks:
    input:
        features=rules.features.output.features,
        directions=rules.directions.output.directions,
    output:
        masks="results/{dataset}/{arm}/masks/{shard}.h5",
    log:
        "results/{dataset}/logs/{arm}/masks/{shard}.log",
    benchmark:
        "results/{dataset}/benchmarks/{arm}/masks/{shard}.tsv"
    conda:
        "../envs/isic.yaml"
    params:
        options=masks_options,
        code=code("masks"),
    shell:
        "isic masks {input.features:q} {input.directions:q} {output.masks:q} {params.options}"
        " 2>&1 | tee {log:q}"
