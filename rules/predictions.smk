# What people use: a look at the pseudo-masks, one model file, and boxes and masks of every image.


# Before the segmenter is trained: of the first seed's classifier, as the model is.
rule check:
    input:
        index=rules.index.output.index,
        images=packed,
        features=checked_features,
        directions=of_model(rules.directions.output.directions),
        masks=of_model(rules.masks.output.masks),
    output:
        page=report(
            "results/{dataset}/check.html",
            caption="../report/check.rst",
            category="Pseudo-masks",
            labels={"data set": "{dataset}"},
        ),
    log:
        "results/{dataset}/logs/check.log",
    benchmark:
        "results/{dataset}/benchmarks/check.tsv"
    conda:
        "../envs/isic.yaml"
    params:
        run=model_folder,
        code=code("check"),
    shell:
        "isic check {params.run:q} {output.page:q} 2>&1 | tee {log:q}"


rule model:
    input:
        index=rules.index.output.index,
        segmenter=of_model(rules.segmenter.output.network),
        recognizer=model_recognizer,
    output:
        model="results/{dataset}/model.safetensors",
    log:
        "results/{dataset}/logs/model.log",
    benchmark:
        "results/{dataset}/benchmarks/model.tsv"
    conda:
        "../envs/isic.yaml"
    params:
        options=model_options,
        code=code("model"),
    shell:
        "isic model {input.index:q} {input.segmenter:q} {output.model:q}"
        " --recognizer {input.recognizer:q} {params.options} 2>&1 | tee {log:q}"


rule predictions:
    input:
        model=rules.model.output.model,
        index=rules.index.output.index,
        root=ancient(source_root),
    output:
        boxes="results/{dataset}/predictions/boxes.csv",
        images="results/{dataset}/predictions/images.csv",
        masks=directory("results/{dataset}/predictions/masks"),
        overlays=directory("results/{dataset}/predictions/overlays"),
        about="results/{dataset}/predictions/predictions.json",
    log:
        "results/{dataset}/logs/predictions.log",
    benchmark:
        "results/{dataset}/benchmarks/predictions.tsv"
    conda:
        "../envs/isic.yaml"
    threads: 8
    resources:
        gpu=1,
    params:
        folder=subpath(output.boxes, parent=True),
        code=code("predict"),
    shell:
        "isic predict {input.model:q} {input.root:q} --index {input.index:q} --output {params.folder:q}"
        " 2>&1 | tee {log:q}"


# How much the confidence is worth, where true boxes tell.
rule risk_coverage:
    input:
        index=rules.index.output.index,
        truth=rules.index.output.truth,
        boxes=rules.predictions.output.boxes,
    output:
        table="results/{dataset}/risk_coverage.csv",
        figure=report(
            "results/{dataset}/figures/risk_coverage.png",
            caption="../report/risk_coverage.rst",
            category="Figures",
            labels={"data set": "{dataset}", "figure": "risk and coverage"},
        ),
    log:
        "results/{dataset}/logs/risk_coverage.log",
    benchmark:
        "results/{dataset}/benchmarks/risk_coverage.tsv"
    conda:
        "../envs/isic.yaml"
    params:
        code=code("risk-coverage"),
    shell:
        "isic risk-coverage {input:q} {output:q} 2>&1 | tee {log:q}"
