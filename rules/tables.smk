# The paper's tables, measured rows beside published ones.


def table1_scores(own, dataset):
    return inputs.table_scores(own, dataset, 1)


def table1_options(wildcards):
    return jobs.table(wildcards.dataset, 1)


def ablation_options(wildcards):
    return jobs.table(wildcards.dataset, wildcards.table)


rule table1:
    input:
        trivial=Files.trivial,
        runs=files(table1_scores),
    output:
        table=report(
            Files.table1,
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
        code=code("table"),
    shell:
        "isic table 1 {input:q} {output.table:q} {params.options} 2>&1 | tee {log:q}"


rule ablation:
    input:
        runs=files(inputs.table_scores, "table"),
        baseline=files(inputs.baseline_scores, "table"),
    output:
        table=report(
            Files.table,
            caption="../report/ablation.rst",
            category="Tables",
            labels={"data set": "{dataset}", "table": "{table}"},
        ),
        seeds=Files.table_seeds,
    log:
        "results/{dataset}/logs/table{table}.log",
    benchmark:
        "results/{dataset}/benchmarks/table{table}.tsv"
    conda:
        "../envs/isic.yaml"
    params:
        files=file_options,
        options=ablation_options,
        code=code("table"),
    shell:
        "isic table {wildcards.table} {input.runs:q} {output.table:q} --seeds {output.seeds:q} {params.files}"
        " {params.options} 2>&1 | tee {log:q}"
