# The paper's tables, measured rows beside published ones.


rule table1:
    input:
        trivial=rules.trivial.output.scores,
        runs=table1_scores,
    output:
        table="results/{dataset}/table1.csv",
    log:
        "results/{dataset}/logs/table1.log",
    benchmark:
        "results/{dataset}/benchmarks/table1.tsv"
    conda:
        "../envs/isic.yaml"
    params:
        options=table1_options,
        code=code("table1"),
    shell:
        "isic table1 {input:q} {output.table:q} {params.options} 2>&1 | tee {log:q}"
