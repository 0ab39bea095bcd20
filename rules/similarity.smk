# Which classes look alike (3.3).


rule similarity:
    input:
        index=ancient(indexed),
        images=files(inputs.packed),
        weights=weights("classifier"),
        classifier=files(inputs.similarity_classifier),
    output:
        similarity=Files.similarity,
    log:
        "results/{dataset}/logs/similarity.log",
    benchmark:
        "results/{dataset}/benchmarks/similarity.tsv"
    conda:
        "../envs/isic.yaml"
    threads: compute_threads
    resources:
        gpu=1,
    params:
        index=index_digest,
        files=file_options,
        options=job(jobs.similarity),
        code=code("similarity"),
    shell:
        "isic similarity {input.index:q} {input.images:q} {params.files} {params.options}"
        " {output.similarity:q} 2>&1 | tee {log:q}"
