# Networks that name the class: the plain one, whose CAM is Table 1's first measured row, and one of its own (3.1).


rule plain:
    input:
        index=ancient(indexed),
        images=files(inputs.packed),
        weights=weights("classifier"),
    output:
        network=Files.plain,
        curves=Files.plain_curves,
    log:
        "results/{dataset}/logs/plain_seed~{seed}/recognizer.log",
    benchmark:
        "results/{dataset}/benchmarks/plain_seed~{seed}/recognizer.tsv"
    conda:
        "../envs/isic.yaml"
    threads: compute_threads
    resources:
        gpu=gpus,
        launch=launch,
    params:
        index=index_digest,
        tensorboard="results/{dataset}/tensorboard/plain_seed~{seed}",
        files=file_options,
        options=job(jobs.plain, "seed"),
        code=code("recognizer"),
    shell:
        "{resources.launch}isic recognizer {input.index:q} {input.images:q} {params.files} {params.options}"
        " {output.network:q} {output.curves:q} --tensorboard {params.tensorboard:q} 2>&1 | tee {log:q}"


rule recognizer:
    input:
        index=ancient(indexed),
        images=files(inputs.topk_images),
        weights=weights("recognizer"),
    output:
        network=Files.recognizer,
        curves=Files.recognizer_curves,
    log:
        "results/{dataset}/logs/recognizer/recognizer.log",
    benchmark:
        "results/{dataset}/benchmarks/recognizer/recognizer.tsv"
    conda:
        "../envs/isic.yaml"
    threads: compute_threads
    resources:
        gpu=gpus,
        launch=launch,
    params:
        index=index_digest,
        tensorboard="results/{dataset}/tensorboard/recognizer",
        files=file_options,
        options=job(jobs.recognizer),
        code=code("recognizer"),
    shell:
        "{resources.launch}isic recognizer {input.index:q} {input.images:q} {params.files} {params.options}"
        " {output.network:q} {output.curves:q} --tensorboard {params.tensorboard:q} 2>&1 | tee {log:q}"


rule topk:
    input:
        index=ancient(indexed),
        images=files(inputs.topk_images),
        network=files(inputs.topk_network),
    output:
        topk=Files.topk,
    log:
        "results/{dataset}/logs/topk.log",
    benchmark:
        "results/{dataset}/benchmarks/topk.tsv"
    conda:
        "../envs/isic.yaml"
    threads: compute_threads
    resources:
        gpu=1,
    params:
        index=index_digest,
        options=job(jobs.topk),
        code=code("topk"),
    shell:
        "isic topk {input.index:q} {input.images:q} {input.network:q} {output.topk:q}"
        " {params.options} 2>&1 | tee {log:q}"
