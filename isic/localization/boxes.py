"""Boxes from maps, the views an image is seen in, and the overlap of boxes.

Section 3.1 of the paper (mask → box) and `docs/protocol.md`. A box is x0, y0, x1, y1 with x1 and y1
exclusive: its width is x1 - x0. Outside this module boxes are in pixels of the original image.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import h5py
import numpy as np
import pandas as pd
from scipy import ndimage

from isic.data.index import evaluated
from isic.errors import InputError, listed
from isic.localization.interpolation import upsample
from isic.storage.hdf5 import check_layout, open_hdf5, strings
from isic.storage.layouts import MAPS
from isic.storage.tables import read_csv

CORNERS = ["x0", "y0", "x1", "y1"]
WITHIN_MASK = np.zeros((3, 3, 3), int)  # what connects: pixels of one mask, also at corners
WITHIN_MASK[1] = 1
BATCH = 16  # maps upsampled at a time: 16 × 256² float32 are 4 MB


@dataclass(frozen=True)
class View:
    """What a network sees: the image squared to `resize`², then its centre `crop`² if given."""

    resize: int
    crop: int | None = None

    @property
    def side(self) -> int:
        """Side of the view in pixels."""
        return self.crop or self.resize

    @property
    def margin(self) -> int:
        """Pixels of the resized image left of the view, and above it."""
        return (self.resize - self.side) // 2


def to_view(boxes: np.ndarray, sizes: np.ndarray, view: View) -> np.ndarray:
    """Boxes of original images as the view shows them, clipped to it.

    Args:
        boxes: (n, 4) float, original pixels.
        sizes: (n, 2) width and height of each box's image, original pixels.

    Returns:
        (n, 4) float64 in pixels of the view, 0 … `view.side`. A box outside the view has no area.
    """
    scale = np.tile(view.resize / np.asarray(sizes, float), (1, 2))
    return np.clip(boxes * scale - view.margin, 0, view.side)


def from_view(boxes: np.ndarray, sizes: np.ndarray, view: View) -> np.ndarray:
    """Boxes of a view in pixels of the original images, (n, 4) float64: undoes `to_view`."""
    sizes = np.tile(np.asarray(sizes, float), (1, 2))
    return np.clip((boxes + view.margin) / (view.resize / sizes), 0, sizes)


def iou(boxes_a: np.ndarray, boxes_b: np.ndarray, plus_one: bool = False) -> np.ndarray:
    """Intersection over union of boxes, broadcast over the leading axes.

    Args:
        boxes_a, boxes_b: (…, 4) x0, y0, x1, y1.
        plus_one: widths are x1 - x0 + 1, as wsolevaluation counts its inclusive integer corners.

    Returns:
        (…) float64 in 0 … 1; 0 where neither box has an area.

    Raises:
        ValueError: a corner is not finite, or x1 < x0 or y1 < y0.
    """
    a, b = np.asarray(boxes_a, float), np.asarray(boxes_b, float)
    for boxes in (a, b):
        if not (np.isfinite(boxes).all() and (boxes[..., 2:] >= boxes[..., :2]).all()):
            raise ValueError("not a box: corners must be finite, with x0 <= x1 and y0 <= y1")
    overlap = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]) + plus_one
    shared = overlap.clip(min=0).prod(-1)
    areas = [(boxes[..., 2:] - boxes[..., :2] + plus_one).prod(-1) for boxes in (a, b)]
    union = areas[0] + areas[1] - shared
    return np.divide(shared, union, out=np.zeros_like(union), where=union > 0)


class Components(NamedTuple):
    """Components of a stack of masks, in order of mask, then of first pixel."""

    labels: np.ndarray  # (n, h, w) int32, 0 where clear, c + 1 in component c
    mask: np.ndarray  # (k,) int64, the mask it lies in
    boxes: np.ndarray  # (k, 4) float64, exclusive
    area: np.ndarray  # (k,) int64, pixels

    def largest(self) -> np.ndarray:
        """Of each mask that has any, the index of its largest component, the first of equals."""
        order = np.lexsort((-self.area, self.mask))
        return order[np.unique(self.mask[order], return_index=True)[1]]


def components(masks: np.ndarray) -> Components:
    """The 8-connected components of all masks (n, h, w) bool at once."""
    labels, count = ndimage.label(masks, WITHIN_MASK)
    found = ndimage.find_objects(labels)
    places = [(z.start, x.start, y.start, x.stop, y.stop) for z, y, x in found]
    corners = np.array(places, int).reshape(count, 5)
    area = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    return Components(labels, corners[:, 0], corners[:, 1:].astype(float), area)


class Boxes(NamedTuple):
    """Boxes of a stack of maps, in order of map."""

    map: np.ndarray  # (k,) int64, the map it was found in
    boxes: np.ndarray  # (k, 4) float64, pixels of the view
    score: np.ndarray  # (k,) float64, mean of the map in the component


def boxes_from_maps(
    maps: np.ndarray,
    threshold: float,
    size: tuple[int, int],
    all_components: bool = False,
) -> Boxes:
    """Box what is above the threshold in maps (n, h, w), in pixels of a view of `size` = (H, W).

    Each map is resized to `size`, and the largest 8-connected component of what is `> threshold`
    boxed; all of them with `all_components`. A map nowhere above it gives none.

    Raises:
        InputError: a value is negative or not finite.
    """
    full = upsample(maps, size)
    found = components(full > np.float32(threshold))
    mean = np.bincount(found.labels.ravel(), full.ravel(), len(found.area) + 1)[1:] / found.area
    chosen = slice(None) if all_components else found.largest()
    return Boxes(found.mask[chosen], found.boxes[chosen], mean[chosen])


class Maps(NamedTuple):
    """An open maps.h5."""

    file: h5py.File
    rows: np.ndarray  # (n,) for each map, the place of its image
    relative: bool  # a map's scale tells nothing between images
    views: dict[str, View]  # `full` and `crop`

    def batches(self, name: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Places of the images (b,) and the maps of the view (b, h, w) float16, in turn."""
        for first in range(0, len(self.rows), BATCH):
            part = slice(first, first + BATCH)
            yield self.rows[part], self.file[name][part]


def read_maps(file: h5py.File, image_id: pd.Index) -> Maps:
    """Check an open maps.h5 against the images it should hold, in whatever order.

    Raises:
        InputError: its layout is another, or the images are others.
    """
    check_layout(file, MAPS)
    rows = image_id.get_indexer(pd.Index(strings(file["image_id"])))
    if not np.array_equal(np.sort(rows), np.arange(len(image_id))):
        raise InputError(
            f"{file.filename}: its images are not the {len(image_id)} test images of the index; "
            "make it again with `isic maps` from this index"
        )
    resize, crop = int(file.attrs["resize"]), int(file.attrs["crop"])
    views = {"full": View(resize), "crop": View(resize, crop)}
    return Maps(file, rows, bool(file.attrs["relative"]), views)


def read_boxes(path: str | os.PathLike[str], measure: str = "score") -> pd.DataFrame:
    """Read boxes.csv: image_id as str; x0, y0, x1, y1 (original pixels) and `measure` as float64.

    Raises:
        InputError: the file is missing or another, or a box is none.
    """
    columns = [*CORNERS, measure]
    table = read_csv(path, ["image_id", *columns], dict.fromkeys(columns, float))
    wrong = (table["x1"] < table["x0"]) | (table["y1"] < table["y0"])
    if wrong.any():
        places = [f"line {row + 2}: {table['image_id'][row]}" for row in np.flatnonzero(wrong)]
        faults = listed({"the box ends before it begins": places}, len(table))
        raise InputError(f"{path}: {faults}. Correct or remove these rows.")
    return table


def extract(
    index: pd.DataFrame, maps_file: str | os.PathLike[str], threshold: float
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Boxes of the evaluated images from their maps: of the full view, and of the centre crop.

    Args:
        index: the index table; its test rows count, or all where there is none.
        maps_file: maps.h5.
        threshold: in the unit of the maps.

    Returns:
        Two tables `image_id, x0, y0, x1, y1, score` in original pixels, in the order of the
        index. An image whose map is zero, or nowhere above the threshold, has no row.

    Raises:
        InputError: the maps do not fit the index, or hold negative or non-finite values.
    """
    images = index.iloc[evaluated(index)]
    with open_hdf5(maps_file) as file:
        maps = read_maps(file, pd.Index(images["image_id"]))
        full, crop = (_extract(maps, name, images, threshold) for name in ("full", "crop"))
    return full, crop


def _extract(maps: Maps, name: str, images: pd.DataFrame, threshold: float) -> pd.DataFrame:
    view = maps.views[name]
    sizes = images[["width", "height"]].to_numpy(float)
    tables = []
    for rows, batch in maps.batches(name):
        try:
            found = boxes_from_maps(batch, threshold, (view.side, view.side))
        except InputError as error:
            raise InputError(
                f"{maps.file.filename}, `{name}`, from row {rows[0]}: {error}"
            ) from None
        rows = rows[found.map]
        table = pd.DataFrame(from_view(found.boxes, sizes[rows], view), rows, CORNERS)
        tables.append(table.assign(score=found.score))
    table = pd.concat(tables).sort_index()
    table.insert(0, "image_id", images["image_id"].to_numpy()[table.index])
    return table.reset_index(drop=True)
