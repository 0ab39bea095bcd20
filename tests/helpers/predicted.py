"""Folders of predictions, as `isic predict` leaves them."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from isic.product.predict import save_mask
from isic.product.predictions import BOX_COLUMNS, IMAGE_COLUMNS
from isic.storage.files import write_json
from isic.storage.tables import write_csv

CLASSES = ["NA", "007", "a <b> & \"c\" 'd'", "Vögel, große"]


# Image, size, class, boxes (x0, y0, x1, y1), the last of them with a mask of its own shape.
IMAGES = {
    "a.jpg": ((60, 40), 0, [(5.25, 3.5, 30.75, 20.0), (40.0, 25.0, 60.0, 40.0)]),
    "b c.png": ((33, 50), 2, [(0.0, 0.0, 33.0, 50.0)]),
    "ü.jpg": ((20, 20), 3, []),
    "d.jpg": ((20, 10), 1, [(3.01, 2.99, 17.5, 9.99)]),
}


def make(root: Path, classes: list[str] = CLASSES, images: dict = IMAGES) -> Path:
    """A folder of predictions of these images, as `isic predict` leaves it."""
    folder = root / "predictions"
    rows, boxes = [], []
    for name, (size, label, found) in images.items():
        (root / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, (9, 99, 199)).save(root / "photos" / name, "PNG")
        shared = {"image_id": name, "class": classes[label] if classes else ""}
        shared |= {"width": size[0], "height": size[1]}
        numbered = np.zeros(size[::-1], np.uint8)
        for number, box in enumerate(found, 1):
            x0, y0, x1, y1 = np.rint(box).astype(int)
            numbered[y0:y1, x0:x1] = number
            numbered[y0, x0] = 0  # no rectangle
        for number, box in enumerate(found, 1):
            own = {"object": number, "confidence": 0.5 / number, "probability": 0.9}
            own["area"] = int((numbered == number).sum())
            boxes.append(shared | own | dict(zip(("x0", "y0", "x1", "y1"), box, strict=True)))
        mask = f"masks/{name}.png"
        save_mask(numbered, folder / mask)
        for kind in ("overlays", "previews"):
            picture = folder / kind / f"{name}.jpg"
            picture.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", size, (9, 99, 199)).save(picture)
        drawn = f"overlays/{name}.jpg"
        rows.append(shared | {"objects": len(found), "mask": mask, "overlay": drawn})
    rows.append({"image_id": "broken.jpg", "problem": "cannot be read"})
    table = pd.DataFrame(rows, columns=IMAGE_COLUMNS)
    whole = ["width", "height", "objects"]
    write_csv(table.astype(dict.fromkeys(whole, "Int64")), folder / "images.csv")
    write_csv(pd.DataFrame(boxes, columns=BOX_COLUMNS), folder / "boxes.csv")
    write_json({"root": "../photos", "classes": classes}, folder / "predictions.json")
    return folder
