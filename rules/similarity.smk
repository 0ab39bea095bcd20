# Which classes look alike (3.3).


rule similarity:
    input:
        index=rules.index.output.index,
        images=packed,
        weights=similarity_weights,
        classifier=similarity_classifier,
    output:
        similarity="results/{dataset}/similarity.h5",
    log:
        "results/{dataset}/logs/similarity.log",
    benchmark:
        "results/{dataset}/benchmarks/similarity.tsv"
    conda:
        "../envs/isic.yaml"
    threads: 4
    resources:
        gpu=1,
    params:
        files=file_options,
        options=similarity_options,
        code=code("similarity"),
    shell:
        "isic similarity {input.index:q} {input.images:q} {params.files} {params.options}"
        " {output.similarity:q} 2>&1 | tee {log:q}"
