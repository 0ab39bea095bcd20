# Fused feature maps of the training images, in shards of classes.


rule features:
    input:
        index=rules.index.output.index,
        images=packed,
        network=rules.classifier.output.network,
    output:
        features="results/{dataset}/{arm}/features/{shard}.h5",
    log:
        "results/{dataset}/logs/{arm}/features/{shard}.log",
    benchmark:
        "results/{dataset}/benchmarks/{arm}/features/{shard}.tsv"
    wildcard_constraints:
        dataset=features_on_disk("all"),
    conda:
        "../envs/isic.yaml"
    threads: 4
    resources:
        gpu=1,
    params:
        options=features_options,
        code=code("features"),
    shell:
        "isic features {input.index:q} {input.images:q} {input.network:q} {output.features:q}"
        " {params.options} 2>&1 | tee {log:q}"


# Where the maps of all classes outgrow the disk: a shard waits for the masks of an earlier one, whose maps are then
# deleted, so that no more than `features.on_disk` of them are there at a time. First of all that is ready: the
# network, on the GPU, does not wait for NMF and masks.
use rule features as passing_features with:
    input:
        index=rules.index.output.index,
        images=packed,
        network=rules.classifier.output.network,
        before=ancient(earlier_masks),
    output:
        features=temp("results/{dataset}/{arm}/features/{shard}.h5"),
        record=temp("results/{dataset}/{arm}/features/.{shard}.h5.made.json"),
    wildcard_constraints:
        dataset=features_on_disk("some"),
    priority: 1
