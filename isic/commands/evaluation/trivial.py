"""isic trivial."""

from __future__ import annotations

from isic.commands.arguments import Crop, Index, Output, Protocols, Resize, TopK, Truth


def trivial(
    index: Index,
    truth: Truth,
    topk: TopK,
    output: Output,
    protocols: Protocols = "crop,resize,original",
    resize: Resize = 256,
    crop: Crop = 224,
) -> None:
    """Score boxes that look at nothing: the whole image, centred boxes."""
    from isic.data.index import read_index, read_truth
    from isic.evaluation.scores import read_topk, score_trivial
    from isic.storage.tables import write_json

    result = score_trivial(
        read_index(index),
        read_truth(truth),
        read_topk(topk),
        protocols=protocols.split(","),
        resize=resize,
        crop=crop,
    )
    write_json(result, output)
