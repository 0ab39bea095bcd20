"""isic export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from isic.commands.options import File
from isic.settings.declare import Setting


def export(
    format: Annotated[
        Literal["coco", "voc", "yolo", "onnx"],
        Setting("coco, voc or yolo: of predictions; onnx: of a model."),
    ],
    source: Annotated[Path, File("Folder that predict wrote, or the model.")],
    output: Annotated[
        Path, File("File (coco, onnx) or new folder (voc, yolo) to write.", writes=True)
    ],
    masks: Annotated[bool, Setting("coco: with masks, as RLE")] = True,
    only: Annotated[
        Path | None, File("reviewed.csv, saved from index.html: only its images of --state.")
    ] = None,
    state: Annotated[
        Literal["accepted", "rejected", "box-wrong"], Setting("which images of --only")
    ] = "accepted",
) -> None:
    """Write predictions as COCO, Pascal VOC or YOLO, or a model as ONNX.

    coco: one JSON file, boxes and RLE masks. voc: JPEGImages, Annotations, ImageSets. yolo: images,
    labels, data.yaml. Images are links, or copies where a tool would not read them as they are.
    CSV is what predict itself writes. onnx: the segmenter, images of any number and size in, its
    map out, checked against torch.
    """
    if format == "onnx":
        from isic.networks.files import load_model
        from isic.product.onnx import export_onnx

        difference = export_onnx(load_model(source), output)
        print(f"written: {output}, at most {difference:.1e} from torch")
        return
    from isic.product.annotated_folders import write_voc, write_yolo
    from isic.product.exports import write_coco
    from isic.product.predictions import read_predictions, reviewed

    predictions = read_predictions(source)
    if only:
        predictions = reviewed(predictions, only, state)
    if format == "coco":
        notes = write_coco(predictions, output, masks)
    else:
        notes = {"voc": write_voc, "yolo": write_yolo}[format](predictions, output)
    print(f"written: {output}, {len(predictions.images)} images, {len(predictions.boxes)} objects")
    for note in notes:
        print(f"{note}.")
