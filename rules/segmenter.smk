# The class-agnostic segmenter, trained on the pseudo-masks (3.6).


rule segmenter:
    input:
        index=ancient(indexed),
        images=files(inputs.packed),
        weights=weights("segmenter"),
        masks=shards(Files.masks),
    output:
        network=Files.segmenter,
        curves=Files.segmenter_curves,
    log:
        "results/{dataset}/logs/{arm}/segmenter.log",
    benchmark:
        "results/{dataset}/benchmarks/{arm}/segmenter.tsv"
    conda:
        "../envs/isic.yaml"
    threads: compute_threads
    resources:
        gpu=gpus,
        launch=launch,
    params:
        index=index_digest,
        tensorboard="results/{dataset}/tensorboard/{arm}",
        files=file_options,
        options=job(jobs.segmenter, "arm"),
        code=code("segmenter"),
    shell:
        "{resources.launch}isic segmenter {input.index:q} {input.images:q} {params.files} {params.options}"
        " {output.network:q} {output.curves:q} --tensorboard {params.tensorboard:q} 2>&1 | tee {log:q}"
