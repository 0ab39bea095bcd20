"""isic topk."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from isic.commands.arguments import ImagesFile, Index, Output
from isic.commands.options import File
from isic.settings.declare import Setting
from isic.settings.kinds import Crop, Precision
from isic.settings.sections import Plain, Recognizer


def topk(
    index: Index,
    images: ImagesFile,
    recognizer: Annotated[Path, File("recognizer.safetensors.")],
    output: Output,
    k: Annotated[int, Setting("how many classes an image", least=1)] = 5,
    crop: Crop = Recognizer.crop,
    precision: Precision = Plain.precision,
) -> None:
    """Name the k best classes of each test image."""
    import numpy as np
    import pandas as pd

    from isic.data.index import classes, evaluated, read_index
    from isic.data.pack import load_images
    from isic.method.recognizer import best_classes
    from isic.networks.files import load_network
    from isic.storage.tables import write_csv

    table = read_index(index)
    names = np.array(classes(table), dtype=object)
    chosen = evaluated(table)
    pixels = load_images(images, table, chosen)
    best, probabilities = best_classes(
        load_network(recognizer, outputs=len(names))[0],
        pixels,
        min(k, len(names)),
        crop=crop,
        precision=precision,
    )
    columns = {"image_id": table["image_id"].to_numpy()[chosen]}
    columns |= {f"class{i + 1}": names[best[:, i]] for i in range(best.shape[1])}
    columns |= {f"p{i + 1}": probabilities[:, i].round(6) for i in range(best.shape[1])}
    write_csv(pd.DataFrame(columns), output)
