# The paper's figures, drawn from this run.


rule figure_similarity:
    input:
        similarity=Files.similarity,
    output:
        figure=report(
            "results/{dataset}/figures/similarity.png",
            caption="../report/similarity.rst",
            category="Figures",
            labels={"data set": "{dataset}", "figure": "4c: class similarity"},
        ),
    log:
        "results/{dataset}/logs/figures/similarity.log",
    benchmark:
        "results/{dataset}/benchmarks/figures/similarity.tsv"
    conda:
        "../envs/isic.yaml"
    params:
        options=job(jobs.gamma),
        code=code("figure similarity"),
    shell:
        "isic figure similarity {input.similarity:q} {output.figure:q} {params.options} 2>&1 | tee {log:q}"


rule figure_loss_curves:
    input:
        curves=files(inputs.curve_files),
    output:
        figure=report(
            "results/{dataset}/figures/loss_curves.png",
            caption="../report/loss_curves.rst",
            category="Figures",
            labels={"data set": "{dataset}", "figure": "4d, 4e: losses"},
        ),
    log:
        "results/{dataset}/logs/figures/loss_curves.log",
    benchmark:
        "results/{dataset}/benchmarks/figures/loss_curves.tsv"
    conda:
        "../envs/isic.yaml"
    params:
        options=named("curves", inputs.compared_curves),
        code=code("figure loss-curves"),
    shell:
        "isic figure loss-curves {output.figure:q} {params.options} 2>&1 | tee {log:q}"


rule figure_localization:
    input:
        index=ancient(indexed),
        images=files(inputs.packed),
        truth=Files.truth,
        runs=files(inputs.figure_files),
    output:
        figure=report(
            "results/{dataset}/figures/localization.png",
            caption="../report/localization.rst",
            category="Figures",
            labels={"data set": "{dataset}", "figure": "5: maps and boxes"},
        ),
    log:
        "results/{dataset}/logs/figures/localization.log",
    benchmark:
        "results/{dataset}/benchmarks/figures/localization.tsv"
    conda:
        "../envs/isic.yaml"
    params:
        index=index_digest,
        maps=named("maps", inputs.figure_maps),
        boxes=named("boxes", inputs.figure_boxes),
        code=code("figure localization"),
    shell:
        "isic figure localization {input.index:q} {input.images:q} {input.truth:q}"
        " {output.figure:q} {params.maps} {params.boxes} 2>&1 | tee {log:q}"


rule figure_similar_classes:
    input:
        index=ancient(indexed),
        images=files(inputs.packed),
        similarity=Files.similarity,
    output:
        figure=report(
            "results/{dataset}/figures/similar_classes.png",
            caption="../report/similar_classes.rst",
            category="Figures",
            labels={"data set": "{dataset}", "figure": "6: similar classes"},
        ),
    log:
        "results/{dataset}/logs/figures/similar_classes.log",
    benchmark:
        "results/{dataset}/benchmarks/figures/similar_classes.tsv"
    conda:
        "../envs/isic.yaml"
    params:
        index=index_digest,
        options=job(jobs.gamma),
        code=code("figure similar-classes"),
    shell:
        "isic figure similar-classes {input.index:q} {input.images:q} {input.similarity:q}"
        " {output.figure:q} {params.options} 2>&1 | tee {log:q}"
