# The paper's tables, measured rows beside published ones.


rule table1:
    input:
        trivial=Files.trivial,
        runs=files(inputs.table1_scores),
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
        options=job(jobs.table1, "dataset"),
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
        options=job(jobs.table, "dataset", "table"),
        code=code("table"),
    shell:
        "isic table {wildcards.table} {input.runs:q} {output.table:q} --seeds {output.seeds:q} {params.files}"
        " {params.options} 2>&1 | tee {log:q}"
