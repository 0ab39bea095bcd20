# From networks to maps of the test images, to boxes, to scores under each protocol.


rule maps:
    input:
        index=ancient(indexed),
        images=files(inputs.packed),
        network=files(inputs.map_network, "network", "kind"),
        directions=files(inputs.map_directions, "network", "kind"),
    output:
        maps=Files.maps,
    log:
        "results/{dataset}/logs/{network}_{kind}/maps.log",
    benchmark:
        "results/{dataset}/benchmarks/{network}_{kind}/maps.tsv"
    conda:
        "../envs/isic.yaml"
    threads: compute_threads
    resources:
        gpu=1,
    params:
        index=index_digest,
        files=file_options,
        options=job(jobs.maps, "network", "kind"),
        code=code("maps"),
    shell:
        "isic maps {input.index:q} {input.images:q} {input.network:q} {params.files} {params.options}"
        " {output.maps:q} 2>&1 | tee {log:q}"


rule boxes:
    input:
        index=ancient(indexed),
        maps=Files.maps,
    output:
        boxes=Files.boxes,
        crop_boxes=Files.crop_boxes,
    log:
        "results/{dataset}/logs/{network}_{kind}/boxes.log",
    benchmark:
        "results/{dataset}/benchmarks/{network}_{kind}/boxes.tsv"
    conda:
        "../envs/isic.yaml"
    params:
        index=index_digest,
        options=job(jobs.boxes, "network", "kind"),
        code=code("boxes"),
    shell:
        "isic boxes {input.index:q} {input.maps:q} {output.boxes:q} {output.crop_boxes:q}"
        " {params.options} 2>&1 | tee {log:q}"


rule scores:
    input:
        index=ancient(indexed),
        truth=Files.truth,
        true_masks=Files.true_masks,
        boxes=Files.boxes,
        crop_boxes=Files.crop_boxes,
        topk=Files.topk,
        maps=Files.maps,
    output:
        scores=Files.scores,
    log:
        "results/{dataset}/logs/{network}_{kind}/scores.log",
    benchmark:
        "results/{dataset}/benchmarks/{network}_{kind}/scores.tsv"
    conda:
        "../envs/isic.yaml"
    threads: 2
    params:
        index=index_digest,
        options=job(jobs.scores, "network", "kind"),
        code=code("scores"),
    shell:
        "isic scores {input.index:q} {input.truth:q} {input.topk:q} {output.scores:q} --boxes {input.boxes:q}"
        " --crop-boxes {input.crop_boxes:q} --maps {input.maps:q} --true-masks {input.true_masks:q}"
        " {params.options} 2>&1 | tee {log:q}"


rule trivial:
    input:
        index=ancient(indexed),
        truth=Files.truth,
        topk=Files.topk,
    output:
        scores=Files.trivial,
    log:
        "results/{dataset}/logs/trivial/scores.log",
    benchmark:
        "results/{dataset}/benchmarks/trivial/scores.tsv"
    conda:
        "../envs/isic.yaml"
    params:
        index=index_digest,
        options=job(jobs.view),
        code=code("scores"),
    shell:
        "isic scores {input.index:q} {input.truth:q} {input.topk:q} {output.scores:q} {params.options}"
        " 2>&1 | tee {log:q}"
