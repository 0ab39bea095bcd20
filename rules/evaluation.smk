# From networks to maps of the test images, to boxes, to scores under each protocol.


rule maps:
    input:
        index=rules.index.output.index,
        images=packed,
        network=map_network,
        directions=map_directions,
    output:
        maps="results/{dataset}/{network}_{kind}/maps.h5",
    log:
        "results/{dataset}/logs/{network}_{kind}/maps.log",
    benchmark:
        "results/{dataset}/benchmarks/{network}_{kind}/maps.tsv"
    conda:
        "../envs/isic.yaml"
    threads: 4
    resources:
        gpu=1,
    params:
        files=file_options,
        options=map_options,
        code=code("maps"),
    shell:
        "isic maps {input.index:q} {input.images:q} {input.network:q} {params.files} {params.options}"
        " {output.maps:q} 2>&1 | tee {log:q}"


rule boxes:
    input:
        index=rules.index.output.index,
        maps=rules.maps.output.maps,
    output:
        boxes="results/{dataset}/{network}_{kind}/boxes.csv",
        crop_boxes="results/{dataset}/{network}_{kind}/crop_boxes.csv",
    log:
        "results/{dataset}/logs/{network}_{kind}/boxes.log",
    benchmark:
        "results/{dataset}/benchmarks/{network}_{kind}/boxes.tsv"
    conda:
        "../envs/isic.yaml"
    params:
        options=boxes_options,
        code=code("boxes"),
    shell:
        "isic boxes {input.index:q} {input.maps:q} {output.boxes:q} {output.crop_boxes:q}"
        " {params.options} 2>&1 | tee {log:q}"


rule scores:
    input:
        index=rules.index.output.index,
        truth=rules.index.output.truth,
        boxes=rules.boxes.output.boxes,
        crop_boxes=rules.boxes.output.crop_boxes,
        topk=rules.topk.output.topk,
        maps=rules.maps.output.maps,
    output:
        scores="results/{dataset}/{network}_{kind}/scores.json",
    log:
        "results/{dataset}/logs/{network}_{kind}/scores.log",
    benchmark:
        "results/{dataset}/benchmarks/{network}_{kind}/scores.tsv"
    conda:
        "../envs/isic.yaml"
    params:
        options=scores_options,
        code=code("scores"),
    shell:
        "isic scores {input:q} {output.scores:q} {params.options} 2>&1 | tee {log:q}"


rule trivial:
    input:
        index=rules.index.output.index,
        truth=rules.index.output.truth,
        topk=rules.topk.output.topk,
    output:
        scores="results/{dataset}/trivial/scores.json",
    log:
        "results/{dataset}/logs/trivial/scores.log",
    benchmark:
        "results/{dataset}/benchmarks/trivial/scores.tsv"
    conda:
        "../envs/isic.yaml"
    params:
        options=view_options,
        code=code("trivial"),
    shell:
        "isic trivial {input:q} {output.scores:q} {params.options} 2>&1 | tee {log:q}"
