# The paper's tables, measured rows beside published ones.


rule table1:
    input:
        trivial=rules.trivial.output.scores,
        runs=table1_scores,
    output:
        table=report(
            "results/{dataset}/table1.csv",
            caption="../report/table1.rst",
            category="Tables",
            labels={"data set": "{dataset}", "table": "1"},
        ),
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


rule ablation:
    input:
        runs=ablation_scores,
        baseline=ablation_baseline,
    output:
        table=report(
            "results/{dataset}/table{table}.csv",
            caption="../report/ablation.rst",
            category="Tables",
            labels={"data set": "{dataset}", "table": "{table}"},
        ),
        seeds="results/{dataset}/table{table}_seeds.csv",
    log:
        "results/{dataset}/logs/table{table}.log",
    benchmark:
        "results/{dataset}/benchmarks/table{table}.tsv"
    conda:
        "../envs/isic.yaml"
    params:
        files=file_options,
        options=ablation_options,
        code=code("ablation"),
    shell:
        "isic ablation {input.runs:q} {output:q} {params.files} {params.options} 2>&1 | tee {log:q}"
