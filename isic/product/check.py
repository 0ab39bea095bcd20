"""Contact sheets of a run's pseudo-masks, before the segmenter is trained on them (Section 3.5)."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd
from matplotlib import colormaps
from PIL import Image
from scipy import ndimage

from isic.data.index import class_ids, classes, read_index
from isic.data.pack import load_images
from isic.errors import InputError
from isic.evaluation.trust import class_table, likeness
from isic.localization.interpolation import upsample
from isic.localization.maps import contrast
from isic.method.masks import BACKGROUND, OBJECT, pseudo_mask, read_masks
from isic.method.projection import compressed, project, read_directions
from isic.settings.sections import Masks
from isic.storage.hdf5 import open_hdf5, strings
from isic.storage.layouts import DIRECTIONS, FEATURES, MASKS

KINDS = ("best", "typical", "worst")
TILE = 168  # longer side of a picture, pixels
MOVED = (-0.1, -0.05, 0.0, 0.05, 0.1)  # both thresholds, to see what others would give


def check_page(run: Path, examples: int) -> tuple[str, list[str]]:
    """The page of a run's pseudo-masks, HTML with its pictures in it, and its warnings.

    Args:
        run: `results/DATASET/ARM`, with masks/ and directions/, beside the data set's index.csv
            and images; where features/ is there, an image of each class is shown at several
            thresholds.
        examples: images a class of each kind: best, typical, worst.

    Raises:
        InputError: a file is missing or belongs to another run.
    """
    shards = sorted((run / "masks").glob("*.h5"), key=lambda path: (len(path.stem), path.stem))
    if not shards:
        raise InputError(
            f"{run}: has no masks/*.h5. Give a run with pseudo-masks, "
            "results/DATASET/lambda~1.0_gamma~0.3_seed~0, or make them: isic masks."
        )
    ids, shares, sure, settings = _mask_facts(shards)
    index = read_index(run.parent / "index.csv")
    table = index.set_index("image_id", drop=False)
    if unknown := set(ids) - set(table.index):
        raise InputError(
            f"{shards[0].parent}: image {min(unknown)} is not in {run.parent / 'index.csv'}. "
            "Make the masks again from this index."
        )
    names = classes(table)
    places = table.index.get_indexer(pd.Index(ids))
    labels = class_ids(table)[places]
    if bare := sorted(set(range(len(names))) - set(labels.tolist())):
        raise InputError(
            f"{run / 'masks'}: no masks of classes {bare[:10]}. "
            "Make the masks of each shard: isic masks."
        )
    directions, _ = read_directions(sorted((run / "directions").glob("*.h5")), len(names))
    facts = class_table(names, labels, shares, likeness(directions))
    masks = read_masks(shards, ids)
    images = load_images(run.parent / f"images~{masks.shape[1]}.h5", index)
    sheets = []
    for number, name in enumerate(names):
        rows = np.flatnonzero(labels == number)
        rows = rows[np.argsort(-sure[rows], kind="stable")]
        kinds = _kinds(rows, examples)
        shown = list(dict.fromkeys(row for chosen in kinds.values() for row in chosen))
        pictures = {row: images[int(places[row])] for row in shown}
        strips = []
        for kind, chosen in kinds.items():
            tiles = [
                _tile(
                    masked(pictures[row], masks[row]),
                    table.loc[ids[row]],
                    f"{shares[row]:.0%} object, sure {sure[row]:.2f}",
                )
                for row in chosen
            ]
            strips.append({"name": kind, "tiles": tiles})
        middle = kinds["typical"][0] if kinds["typical"] else rows[0]
        tried = _at_thresholds(
            run, shards, ids[middle], directions[number], settings, pictures[middle]
        )
        if tried is not None:
            heat, others = tried
            row = table.loc[ids[middle]]
            tiles = [_tile(heated(pictures[middle], heat), row, "its map")]
            tiles += [
                _tile(masked(pictures[middle], mask), row, f"above {threshold:.2f}", used)
                for threshold, mask, used in others
            ]
            strips.append({"name": "one image at several thresholds", "tiles": tiles})
        sheets.append({"name": name, "strips": strips, **facts.iloc[number].to_dict()})
    warnings = [f"class {sheet['name']}: {text}" for sheet in sheets for text in sheet["warnings"]]
    page = resources.files("isic.product").joinpath("check.html").read_text(encoding="utf-8")
    templates = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    text = templates.from_string(page).render(
        title=f"{run.resolve().parent.name}: {run.resolve().name}",
        sheets=sheets,
        warnings=warnings,
        settings=settings,
        masks=len(ids),
        empty=float((shares == 0).mean()),
        share=float(np.median(shares)),
        thresholds=any(len(sheet["strips"]) > len(KINDS) for sheet in sheets),
    )
    return text, warnings


def masked(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """A picture of a pseudo-mask: object bright and outlined, left out grey, background dark.

    Args:
        image: (R, R, 3) uint8.
        mask: (R, R) uint8 of 1, 0, 255.

    Returns:
        (R, R, 3) uint8.
    """
    grey = np.repeat(image.mean(2, keepdims=True), 3, 2)
    shown = 0.55 * grey + 70
    shown = np.where((mask == BACKGROUND)[..., None], 0.3 * grey, shown)
    object_ = mask == OBJECT
    shown = np.where(object_[..., None], image, shown)
    rim = ndimage.binary_dilation(object_, iterations=max(1, len(mask) // 100)) & ~object_
    return np.where(rim[..., None], (255, 140, 0), shown).astype(np.uint8)


def heated(image: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """A map (R, R) ≥ 0 over its picture (R, R, 3) uint8."""
    scaled = heat / heat.max() if heat.max() > 0 else heat
    colours = colormaps["inferno"](scaled)[..., :3] * 255
    return (0.35 * image + 0.65 * colours).astype(np.uint8)


def _kinds(rows: np.ndarray, examples: int) -> dict[str, list[int]]:
    """Rows in falling order of sureness: the first, the middle and the last, none twice."""
    n = len(rows)
    best = rows[: min(examples, n)]
    worst = rows[max(len(best), n - examples) :][::-1]
    left = rows[len(best) : n - len(worst)]
    start = max(0, (len(left) - examples) // 2)
    typical = left[start : start + examples]
    return dict(zip(KINDS, (best.tolist(), typical.tolist(), worst.tolist()), strict=True))


def _mask_facts(
    shards: Sequence[Path],
) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
    """Image ids (n,), object shares (n,), sureness (n,) and the settings of all shards."""
    ids, shares, sure, settings = [], [], [], {}
    for path in shards:
        with open_hdf5(path, MASKS) as file:
            ids.append(strings(file["image_id"]))
            shares.append(file["object_share"][:])
            sure.append(file["sure"][:])
            settings = json.loads(file.attrs.get("settings", "{}"))
    return np.concatenate(ids), np.concatenate(shares), np.concatenate(sure), settings


def _at_thresholds(
    run: Path,
    shards: Sequence[Path],
    image_id: str,
    direction: np.ndarray,
    settings: dict[str, Any],
    image: np.ndarray,
) -> tuple[np.ndarray, list[tuple[float, np.ndarray, bool]]] | None:
    """One image's map (R, R), and masks at several thresholds with whether it is the one in use.

    None where the feature maps are gone (`features.on_disk`) or the thresholds unknown.
    """
    for shard in shards:
        path = run / "features" / shard.name
        if not path.is_file() or "foreground" not in settings:
            continue
        directions = run / "directions" / shard.name
        with open_hdf5(path, FEATURES) as file, open_hdf5(directions, DIRECTIONS) as found:
            ids = strings(file["image_id"])
            place = np.flatnonzero(ids == image_id)
            if not len(place):
                continue
            compress = float(found.attrs["compress"])
            own = compressed(file["features"][int(place[0])], compress)
        map_ = contrast(project(own, direction)[None], compress)[0]
        masks = []
        for moved in MOVED:
            high, low = (settings[name] + moved for name in ("foreground", "background"))
            tried = Masks(foreground=high, background=low, undecided=settings["undecided"])
            masks.append((high, pseudo_mask(map_, image, tried), moved == 0))
        return upsample(map_[None], image.shape[:2])[0], masks
    return None


def _tile(picture: np.ndarray, image: Any, caption: str, used: bool = False) -> dict[str, Any]:
    """A picture in its own aspect, as the page shows it."""
    scale = TILE / max(image["width"], image["height"])
    size = max(1, round(image["width"] * scale)), max(1, round(image["height"] * scale))
    file = io.BytesIO()
    Image.fromarray(picture).resize(size).save(file, "WEBP", quality=75)
    data = base64.b64encode(file.getvalue()).decode("ascii")
    return {
        "source": f"data:image/webp;base64,{data}",
        "width": size[0],
        "height": size[1],
        "name": image["image_id"],
        "caption": caption,
        "used": used,
    }
