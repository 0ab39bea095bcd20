# Fused feature maps of the training images, in shards of classes.


rule features:
    input:
        index=ancient(indexed),
        images=files(inputs.packed),
        network=Files.classifier,
    output:
        features=Files.features,
    log:
        "results/{dataset}/logs/{arm}/features/{shard}.log",
    benchmark:
        "results/{dataset}/benchmarks/{arm}/features/{shard}.tsv"
    wildcard_constraints:
        dataset=where(lambda own: own.features.on_disk is None),
    conda:
        "../envs/isic.yaml"
    threads: compute_threads
    resources:
        gpu=1,
    params:
        index=index_digest,
        options=job(jobs.features, "shard"),
        code=code("features"),
    shell:
        "isic features {input.index:q} {input.images:q} {input.network:q} {output.features:q}"
        " {params.options} 2>&1 | tee {log:q}"


# Where the maps of all classes outgrow the disk: a shard waits for the masks of an earlier one, whose maps are then
# deleted, so that no more than `features.on_disk` of them are there at a time. First of all that is ready: the
# network, on the GPU, does not wait for NMF and masks.
use rule features as passing_features with:
    input:
        index=ancient(indexed),
        images=files(inputs.packed),
        network=Files.classifier,
        before=ancient(files(inputs.earlier_masks, "arm", "shard")),
    output:
        features=temp(Files.features),
        record=temp("results/{dataset}/{arm}/features/.{shard}.h5.made.json"),
    wildcard_constraints:
        dataset=where(lambda own: own.features.on_disk is not None),
    priority: 1
