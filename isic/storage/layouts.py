"""Every file of a run, and what it holds: paths, data sets of HDF5 files, columns of CSV files.

Paths have Snakemake's wildcards: `dataset`; `arm`, `network` and `kind` (`isic.settings.runs`);
`resize`, in pixels; `shard`, its number.
"""

from __future__ import annotations

from collections.abc import Mapping

# What HDF5 artifacts hold: of each data set its kind and its axes, of which those of one name have
# one length; and attributes, `@name`.
Layout = Mapping[str, str]

IMAGES: Layout = {"images": "uint8 image row column channel", "image_id": "text image"}

JPEGS: Layout = {
    "offset": "int image",
    "size": "int image",
    "image_id": "text image",
    "@resize": "pixels",
}

JOINED: Layout = {**JPEGS, "shard": "int image", "@shards": "paths"}

SIMILARITY: Layout = {"similarity": "float class class", "class": "text class"}

FEATURES: Layout = {
    "features": "float image y x channel",
    "label": "int image",
    "image_id": "text image",
}

DIRECTIONS: Layout = {
    "direction": "float class channel",
    "label": "int class",
    "@compress": "exponent",
}

MASKS: Layout = {
    "mask": "uint8 image row column",
    "object_share": "float image",
    "sure": "float image",
    "image_id": "text image",
}

TRUE_MASKS: Layout = {
    "png": "uint8 byte",
    "size": "int image",
    "image_id": "text image",
}

MAPS: Layout = {
    "full": "float image y x",
    "crop": "float image y' x'",
    "image_id": "text image",
    "@resize": "pixels",
    "@crop": "pixels",
    "@relative": "truth value",
}


class Files:
    """The files that the rules make, and that others find in a run's folder."""

    archive = "data/{archive}"
    weights = "results/weights/{weights}.pth"
    timm_weights = "results/weights/{weights}.safetensors"
    source = "results/{dataset}/source"
    index = "results/{dataset}/index.csv"
    origin = "results/{dataset}/origin.json"
    truth = "results/{dataset}/truth.csv"
    true_masks = "results/{dataset}/true_masks.h5"
    images = "results/{dataset}/images~{resize}.h5"
    image_shard = "results/{dataset}/images~{resize}/{shard}.h5"
    similarity = "results/{dataset}/similarity.h5"
    classifier = "results/{dataset}/{arm}/classifier.safetensors"
    curves = "results/{dataset}/{arm}/curves.csv"
    features = "results/{dataset}/{arm}/features/{shard}.h5"
    directions = "results/{dataset}/{arm}/directions/{shard}.h5"
    masks = "results/{dataset}/{arm}/masks/{shard}.h5"
    segmenter = "results/{dataset}/{arm}/segmenter.safetensors"
    segmenter_curves = "results/{dataset}/{arm}/segmenter_curves.csv"
    plain = "results/{dataset}/plain_seed~{seed}/recognizer.safetensors"
    plain_curves = "results/{dataset}/plain_seed~{seed}/curves.csv"
    recognizer = "results/{dataset}/recognizer/recognizer.safetensors"
    recognizer_curves = "results/{dataset}/recognizer/curves.csv"
    topk = "results/{dataset}/topk.csv"
    run = "results/{dataset}/{run}"
    maps = "results/{dataset}/{network}_{kind}/maps.h5"
    boxes = "results/{dataset}/{network}_{kind}/boxes.csv"
    crop_boxes = "results/{dataset}/{network}_{kind}/crop_boxes.csv"
    scores = "results/{dataset}/{network}_{kind}/scores.json"
    trivial = "results/{dataset}/trivial/scores.json"
    table1 = "results/{dataset}/table1.csv"
    table = "results/{dataset}/table{table}.csv"
    table_seeds = "results/{dataset}/table{table}_seeds.csv"
    figure = "results/{dataset}/figures/{figure}.png"
    summary = "results/{dataset}/summary.html"
    everything = "results/{dataset}/all"
    check = "results/{dataset}/check.html"
    model = "results/{dataset}/model.safetensors"
    predictions = "results/{dataset}/predictions"
    risk_coverage = "results/{dataset}/risk_coverage.csv"


FIGURES = ("similarity", "loss_curves", "localization", "similar_classes")  # of the paper
