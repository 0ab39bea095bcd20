# The class-agnostic segmenter, trained on the pseudo-masks (3.6).


rule segmenter:
    input:
        index=rules.index.output.index,
        images=packed,
        weights=weights("segmenter"),
        masks=shards(rules.masks.output.masks),
    output:
        network="results/{dataset}/{arm}/segmenter.safetensors",
        curves="results/{dataset}/{arm}/segmenter_curves.csv",
    log:
        "results/{dataset}/logs/{arm}/segmenter.log",
    benchmark:
        "results/{dataset}/benchmarks/{arm}/segmenter.tsv"
    conda:
        "../envs/isic.yaml"
    threads: 4
    resources:
        gpu=gpus,
        launch=launch,
    params:
        tensorboard="results/{dataset}/tensorboard/{arm}",
        files=file_options,
        options=segmenter_options,
        code=code("segmenter"),
    shell:
        "{resources.launch}isic segmenter {input.index:q} {input.images:q} {params.files} {params.options}"
        " {output.network:q} {output.curves:q} --tensorboard {params.tensorboard:q} 2>&1 | tee {log:q}"
