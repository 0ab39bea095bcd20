# One page on a run, and the target that makes all there is of a data set.
# `snakemake --report report.html results/birds/all` puts that into one file.


# What it reads is in the folder once its inputs are: every job's log and benchmark.
rule summary:
    input:
        tables=collect("results/{{dataset}}/table{table}.csv", table=[1, 2, 3, 4]),
        figures=collect(
            "results/{{dataset}}/figures/{figure}.png",
            figure=["similarity", "loss_curves", "localization", "similar_classes"],
        ),
    output:
        summary=report(
            "results/{dataset}/summary.html",
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
        options=summary_options,
        code=code("summary"),
    shell:
        "isic summary {params.folder:q} {output.summary:q} {params.options} 2>&1 | tee {log:q}"


rule everything:
    input:
        rules.summary.input,
        rules.summary.output.summary,
    output:
        touch("results/{dataset}/all"),
    params:
        deleted=deleted,
