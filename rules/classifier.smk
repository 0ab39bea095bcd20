# The classifier on fused maps, trained with CE + λ·ICFS (3.2, 3.4).


rule classifier:
    input:
        index=ancient(indexed),
        images=files(inputs.packed),
        weights=weights("classifier"),
        similarity=files(inputs.classifier_similarity, "arm"),
    output:
        network=Files.classifier,
        curves=Files.curves,
    log:
        "results/{dataset}/logs/{arm}/classifier.log",
    benchmark:
        "results/{dataset}/benchmarks/{arm}/classifier.tsv"
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
        options=job(jobs.classifier, "arm"),
        code=code("classifier"),
    shell:
        "{resources.launch}isic classifier {input.index:q} {input.images:q} {params.files} {params.options}"
        " {output.network:q} {output.curves:q} --tensorboard {params.tensorboard:q} 2>&1 | tee {log:q}"
