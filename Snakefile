# ISIC: from images with class labels to boxes, masks and the paper's tables. README.md says how to run it.

import sys

from snakemake.utils import min_version

min_version("9.20")

if set("{}") & set(str(workflow.basedir)):
    sys.exit(
        f"isic: {workflow.basedir}: Snakemake takes braces for wildcards. Rename the folder."
    )


configfile: f"{workflow.basedir}/config.yaml"


report: "report/workflow.rst"


include: "rules/common.smk"
include: "rules/data.smk"
include: "rules/similarity.smk"
include: "rules/classifier.smk"
include: "rules/features.smk"
include: "rules/nmf.smk"
include: "rules/masks.smk"
include: "rules/segmenter.smk"
include: "rules/recognizer.smk"
include: "rules/evaluation.smk"
include: "rules/tables.smk"
include: "rules/figures.smk"
include: "rules/predictions.smk"
include: "rules/report.smk"


# In place of Snakemake's own lock, which outlives a killed Snakemake and would have to be removed by hand.
onstart:
    or_exit(lock, ".snakemake/isic.lock")


# Where Snakemake itself runs, not in a cluster's job: what needs the network.
localrules:
    fetch,
    weights,
    timm_weights,


# The quickest look at what ISIC does: Table 1 and a picture of the generated set.
rule demo:
    default_target: True
    input:
        "results/birds/table1.csv",
        "results/birds/figures/localization.png",


# All tables, all figures and the summary of the generated set.
rule all:
    input:
        "results/birds/all",
