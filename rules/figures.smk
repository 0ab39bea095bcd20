# The paper's figures, drawn from this run.


rule figure_localization:
    input:
        index=rules.index.output.index,
        images=packed,
        truth=rules.index.output.truth,
        runs=figure_inputs,
    output:
        figure="results/{dataset}/figures/localization.png",
    log:
        "results/{dataset}/logs/figures/localization.log",
    benchmark:
        "results/{dataset}/benchmarks/figures/localization.tsv"
    conda:
        "../envs/isic.yaml"
    params:
        options=figure_options,
        code=code("figure-localization"),
    shell:
        "isic figure-localization {input.index:q} {input.images:q} {input.truth:q}"
        " {output.figure:q} {params.options} 2>&1 | tee {log:q}"
