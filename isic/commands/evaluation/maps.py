"""isic maps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

from isic.commands.arguments import ImagesFile, Index, Output
from isic.commands.options import File
from isic.commands.running import command_provenance
from isic.settings.declare import Setting
from isic.settings.kinds import Crop, Mirrored, Precision
from isic.settings.sections import Classifier, Features, Images


def maps(
    index: Index,
    images: ImagesFile,
    network: Annotated[Path, File("Classifier, recognizer or segmenter.")],
    output: Output,
    *,
    kind: Annotated[Literal["cam", "nmf", "segmenter"], Setting("of the maps")],
    directions: Annotated[
        list[Path] | None, File("For nmf: a shard of directions; repeat for each.")
    ] = None,
    crop: Crop = Images.crop,
    mirrored: Mirrored = Features.mirrored,
    precision: Precision = Classifier.precision,
) -> None:
    """Localisation maps of the test images, whole and centre crop.

    Units: a plain network's CAM is a share of the map's own maximum, a fused network's CAM and NMF
    a share of the map's own contrast, the segmenter's a probability.
    """
    from functools import partial

    import numpy as np

    from isic.data.index import class_ids, classes, evaluated, read_index
    from isic.data.pack import load_images
    from isic.localization.maps import cam, contrast, localisation_maps, nmf, of_maximum
    from isic.localization.maps import segmenter as segmenter_maps
    from isic.method.projection import read_directions
    from isic.networks.files import load_network
    from isic.networks.fusion import FusionNetwork
    from isic.storage.hdf5 import new_hdf5

    table = read_index(index)
    chosen = evaluated(table)
    pixels, labels = load_images(images, table, chosen), class_ids(table)[chosen]
    outputs = 1 if kind == "segmenter" else len(classes(table))
    model, _ = load_network(network, outputs=outputs, fused=kind != "cam")
    in_unit: Callable[[np.ndarray], np.ndarray]
    if not isinstance(model, FusionNetwork):
        units, function, in_unit = "maximum", cam(model, labels), of_maximum
    elif kind == "cam":
        units, function, in_unit = "contrast", cam(model, labels), contrast
    elif kind == "nmf":
        vectors, compress = read_directions(directions or [], outputs)
        units, function = "contrast", nmf(model, vectors, compress, labels)
        in_unit = partial(contrast, compress=compress)
    else:
        units, function, in_unit = "sigmoid", segmenter_maps(model), np.asarray
    attributes: dict[str, object] = dict(command_provenance())
    attributes |= {"resize": pixels.shape[1], "crop": crop, "units": units, "kind": kind}
    attributes |= {"relative": kind != "segmenter", "axes": "image, y, x"}
    with new_hdf5(output, attributes) as file:
        file["image_id"] = table["image_id"].to_numpy()[chosen].astype(object)
        for view in ("full", "crop"):
            values = localisation_maps(
                *(model, pixels, function),
                side=crop,
                view=view,
                mirrored=mirrored and units == "contrast",
                precision=precision,
            )
            file[view] = in_unit(values).clip(max=np.finfo(np.float16).max).astype(np.float16)
