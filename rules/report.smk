# One page on a run, and the target that makes all there is of a data set.
# `snakemake --report report.html results/birds/all` puts that into one file.


# What it reads is in the folder once its inputs are: every job's log and benchmark.
rule summary:
    input:
        tables=[
            Files.table1,
            *collect(Files.table, table=[2, 3, 4], allow_missing=True),
        ],
        figures=collect(Files.figure, figure=FIGURES, allow_missing=True),
    output:
        summary=report(
            Files.summary,
            caption="../report/summary.rst",
            category="Summary",
            labels={"data set": "{dataset}"},
        ),
    log:
        "results/{dataset}/logs/summary.log",
    benchmark:
        "results/{dataset}/benchmarks/summary.tsv"
    conda:
        "../envs/isic.yaml"
    params:
        folder=subpath(output.summary, parent=True),
        options=job(jobs.summary),
        code=code("summary"),
    shell:
        "isic summary {params.folder:q} {output.summary:q} {params.options} 2>&1 | tee {log:q}"


rule everything:
    input:
        rules.summary.input,
        rules.summary.output.summary,
    output:
        touch(Files.everything),
    params:
        deleted=deleted,
