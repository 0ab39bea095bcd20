"""A file's record names the files that it was made of, given as NAME=PATH or not."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from isic.storage.hdf5 import new_hdf5

CURVES = pd.DataFrame({"epoch": [1, 2], "ce": [1.0, 0.5], "intra": [0.1, 0.2]})


@pytest.mark.usefixtures("run")
def test_figures_record_what_they_draw(isic) -> None:
    index = pd.read_csv("index.csv")
    columns = {}
    for label in ("CAM", "ISIC"):
        attributes = {"resize": 64, "crop": 64, "relative": True}
        with new_hdf5(f"{label}.h5", attributes) as file:
            file["image_id"] = index["image_id"].to_numpy(object)
            file["full"] = file["crop"] = np.ones((len(index), 2, 2), np.float16)
        boxes = index[["image_id"]].assign(x0=1, y0=1, x1=9, y1=9, score=0.5)
        boxes.to_csv(f"{label}.csv", index=False)
        CURVES.to_csv(f"{label}_curves.csv", index=False)
        columns[label] = (f"--maps {label}=./{label}.h5", f"--boxes {label}={label}.csv")
    words = " ".join(option for pair in columns.values() for option in pair)
    drawn = {
        f"figure localization index.csv images.h5 truth.csv OUT.png {words}": {
            *("index.csv", "images.h5", "truth.csv", "CAM.h5", "ISIC.h5", "CAM.csv", "ISIC.csv")
        },
        "figure loss-curves OUT.png --curves CAM=CAM_curves.csv --curves ISIC=ISIC_curves.csv": {
            *("CAM_curves.csv", "ISIC_curves.csv"),
        },
    }
    for command, files in drawn.items():
        assert isic(*command.split()).status == 0, command
        with open(".OUT.png.made.json", encoding="utf-8") as file:
            inputs = dict(json.loads(json.load(file)["inputs"]))
        assert inputs.keys() == files
        assert None not in inputs.values()  # each with its fingerprint
    uneven = "figure localization index.csv images.h5 truth.csv OUT.png --maps CAM=CAM.h5"
    assert isic(*uneven.split(), "--boxes", "ISIC=ISIC.csv").status == 1
