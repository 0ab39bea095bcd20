# What people use: a look at the pseudo-masks, one model file, and boxes and masks of every image.


# Before the segmenter is trained: of the first seed's classifier, as the model is.
rule check:
    input:
        index=ancient(indexed),
        images=files(inputs.packed),
        features=files(inputs.checked_features),
        directions=of_model(Files.directions),
        masks=of_model(Files.masks),
    output:
        page=report(
            Files.check,
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
        index=index_digest,
        run=files(inputs.model_folder),
        options=job(jobs.computing),
        code=code("check"),
    shell:
        "isic check {params.run:q} --output {output.page:q} {params.options} 2>&1 | tee {log:q}"


rule model:
    input:
        index=ancient(indexed),
        segmenter=of_model(Files.segmenter),
        recognizer=files(inputs.model_recognizer),
    output:
        model=Files.model,
    log:
        "results/{dataset}/logs/model.log",
    benchmark:
        "results/{dataset}/benchmarks/model.tsv"
    conda:
        "../envs/isic.yaml"
    params:
        index=index_digest,
        options=job(jobs.model),
        code=code("model"),
    shell:
        "isic model {input.index:q} {input.segmenter:q} {output.model:q}"
        " --recognizer {input.recognizer:q} {params.options} 2>&1 | tee {log:q}"


rule predictions:
    input:
        model=Files.model,
        index=ancient(indexed),
        root=ancient(files(inputs.source_root)),
    output:
        boxes=f"{Files.predictions}/boxes.csv",
        images=f"{Files.predictions}/images.csv",
        masks=directory(f"{Files.predictions}/masks"),
        overlays=directory(f"{Files.predictions}/overlays"),
        previews=directory(f"{Files.predictions}/previews"),
        page=f"{Files.predictions}/index.html",
        about=f"{Files.predictions}/predictions.json",
    log:
        "results/{dataset}/logs/predictions.log",
    benchmark:
        "results/{dataset}/benchmarks/predictions.tsv"
    conda:
        "../envs/isic.yaml"
    threads: lambda wildcards: max(8, compute_threads(wildcards))
    resources:
        gpu=1,
    params:
        index=index_digest,
        folder=subpath(output.boxes, parent=True),
        options=job(jobs.computing),
        code=code("predict"),
    shell:
        "isic predict {input.model:q} {input.root:q} --index {input.index:q} --output {params.folder:q}"
        " {params.options} 2>&1 | tee {log:q}"


# How much the confidence is worth, where true boxes tell.
rule risk_coverage:
    input:
        index=ancient(indexed),
        truth=Files.truth,
        boxes=f"{Files.predictions}/boxes.csv",
    output:
        table=Files.risk_coverage,
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
        index=index_digest,
        code=code("figure risk-coverage"),
    shell:
        "isic figure risk-coverage {input:q} {output:q} 2>&1 | tee {log:q}"
