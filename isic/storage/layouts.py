"""What the files of a run hold."""

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
