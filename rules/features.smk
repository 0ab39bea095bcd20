# Fused feature maps of the training images, kept in shards of classes.


rule features:
    input:
        index=rules.index.output.index,
        images=packed,
        network=rules.classifier.output.network,
    output:
        features="results/{dataset}/{arm}/features/{shard}.h5",
    log:
        "results/{dataset}/logs/{arm}/features/{shard}.log",
    benchmark:
        "results/{dataset}/benchmarks/{arm}/features/{shard}.tsv"
    conda:
        "../envs/isic.yaml"
    threads: 8
    resources:
        gpu=1,
    params:
        options=features_options,
        code=code("features"),
    shell:
        "isic features {input.index:q} {input.images:q} {input.network:q} {output.features:q}"
        " {params.options} 2>&1 | tee {log:q}"
