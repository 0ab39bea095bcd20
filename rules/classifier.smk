# The classifier on fused maps, trained with CE + λ·ICFS (3.2, 3.4).


rule classifier:
    input:
        index=rules.index.output.index,
        images=packed,
        weights=weights("classifier"),
        similarity=classifier_similarity,
    output:
        network="results/{dataset}/{arm}/classifier.safetensors",
        curves="results/{dataset}/{arm}/curves.csv",
    log:
        "results/{dataset}/logs/{arm}/classifier.log",
    benchmark:
        "results/{dataset}/benchmarks/{arm}/classifier.tsv"
    conda:
        "../envs/isic.yaml"
    threads: 4
    resources:
        gpu=gpus,
        launch=launch,
    params:
        tensorboard="results/{dataset}/tensorboard/{arm}",
        files=file_options,
        options=classifier_options,
        code=code("classifier"),
    shell:
        "{resources.launch}isic classifier {input.index:q} {input.images:q} {params.files} {params.options}"
        " {output.network:q} {output.curves:q} --tensorboard {params.tensorboard:q} 2>&1 | tee {log:q}"
