"""A trained model, applied to new images: boxes, masks, confidence, class.

    from isic import Localizer

    localizer = Localizer.load("model.safetensors")
    for image in localizer(["a.jpg", "b.jpg"]):
        print(image.boxes, image.confidence)

Images are decoded and resized in threads, on a GPU while the network works on those before.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from isic.data.batches import normalised
from isic.data.encoded import prefetch
from isic.errors import InputError
from isic.localization.objects import Objects, find_objects, pixel_mask, refined
from isic.networks.files import Model, load_model
from isic.networks.fusion import logits
from isic.process import cores
from isic.product.opening import Source, opened, several
from isic.training.devices import place
from isic.training.inference import autocast

BATCH = 32  # images
_process: int | None = None  # which used torch here before


@dataclass(frozen=True, eq=False)
class Localization:
    """What was found in one image, the largest object first.

    Attributes:
        width, height: of the upright image, pixels.
        class_name: the most probable class, or None without a recognizer.
        probability: of that class, 0 … 1, or None.
        notes: what of the file was left out or scaled, see `isic.data.image.decode_small`.
    """

    width: int
    height: int
    class_name: str | None
    probability: float | None
    _map: np.ndarray  # (h, w), the segmenter's sigmoid: small, and all else follows from it
    _options: dict[str, Any]  # of find_objects; a refined mask is among them
    notes: tuple[str, ...] = ()

    @property
    def boxes(self) -> np.ndarray:
        """(k, 4) float64: x0, y0, x1, y1 in pixels of the upright image, x1 and y1 exclusive."""
        return self._summary[0]

    @property
    def confidence(self) -> np.ndarray:
        """(k,) float64 in 0 … 1: the higher, the more to be trusted. No probability."""
        return self._summary[1]

    def masks(self) -> list[np.ndarray]:
        """Of each object (height, width) bool, in the upright image's own pixels."""
        return list(self.each_mask())

    def each_mask(self) -> Iterator[np.ndarray]:
        """`masks`, one after the other: each is as large as the image."""
        objects = self._objects()
        for i in range(len(objects.boxes)):
            yield pixel_mask(objects, i, (self.width, self.height))

    def __len__(self) -> int:
        """How many objects were found."""
        return len(self.boxes)

    def __repr__(self) -> str:
        return (
            f"Localization({self.width} x {self.height}, class_name={self.class_name!r}, "
            f"boxes={self.boxes.round(1).tolist()}, confidence={self.confidence.round(3).tolist()})"
        )

    @cached_property
    def _summary(self) -> tuple[np.ndarray, np.ndarray]:
        """All that is kept of the objects: the view's arrays are 100 times as large."""
        objects = self._objects()
        return objects.boxes, objects.confidence

    def _objects(self) -> Objects:
        return find_objects(self._map, size=(self.width, self.height), **self._options)


class _Seen(NamedTuple):
    """An image as the networks see it."""

    size: tuple[int, int]  # width and height of the image itself
    whole: np.ndarray  # (s, s, 3) uint8, for the segmenter
    centre: np.ndarray | None  # (c, c, 3) uint8, for the recognizer
    notes: tuple[str, ...]


class Localizer:
    """Puts boxes and masks on the objects in images.

    Args:
        model: see `Localizer.load`.
        device: where the networks run; None takes torch's current GPU, else the CPU. No GPU is
            held against others, as the commands do.

    Raises:
        InputError: a setting of the model cannot be met.
    """

    def __init__(self, model: Model, device: torch.device | str | None = None) -> None:
        _after_a_fork()
        self.model = model
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        for network in (model.segmenter, model.recognizer):
            if network is not None:
                place(network, self.device)

    @classmethod
    def load(
        cls, path: str | os.PathLike[str], device: torch.device | str | None = None
    ) -> Localizer:
        """Read a model file: results/DATASET/model.safetensors. Nothing is unpickled.

        Raises:
            InputError: the file is missing, damaged, or no model.
        """
        _after_a_fork()
        return cls(load_model(Path(path)), device)

    def __call__(
        self,
        images: Source | Iterable[Source],
        *,
        all_objects: bool = False,
        min_area: float = 0.0,
        refine: bool = False,
        classes: bool = True,
    ) -> list[Localization]:
        """Localise the objects of images; `stream` is for more than memory should hold.

        Args:
            images: files by name, their bytes, files opened with 'rb', Pillow images, or arrays
                (h, w, 3) uint8 RGB; or one of them.
            all_objects: every object, else only the largest of each image.
            min_area: least area of an object as a share of its image, 0 … 1.
            refine: end boxes and masks where the image's colours change (GrabCut).
            classes: name each image's class, if the model has a recognizer.

        Returns:
            One `Localization` an image, in order.

        Raises:
            InputError: an image cannot be read; the message names it.
        """
        results = []
        for found in self.stream(
            images, all_objects=all_objects, min_area=min_area, refine=refine, classes=classes
        ):
            if isinstance(found, InputError):
                raise found
            results.append(found)
        return results

    def stream(
        self,
        images: Source | Iterable[Source],
        *,
        all_objects: bool = False,
        min_area: float = 0.0,
        refine: bool = False,
        classes: bool = True,
        batch_size: int = BATCH,
    ) -> Iterator[Localization | InputError]:
        """As `__call__`, one after the other; for an image that cannot be read, its error."""
        options = {
            "threshold": self.model.settings["threshold"],
            "side": self.model.settings["crop"],
            "all_objects": all_objects,
            "min_area": min_area,
        }
        named = classes and self.model.recognizer is not None

        def prepare(source: Source) -> _Seen | InputError:
            try:
                return self._seen(source, named)
            except InputError as error:
                return error

        def refine_one(found: Localization, seen: _Seen) -> Localization:
            return replace(found, _options=options | {"mask": refined(found._map, seen.whole)})

        with ThreadPoolExecutor(cores()) as pool:
            sources = iter(several(images))
            batches = iter(lambda: list(islice(sources, batch_size)), [])

            def decoded(batch: list[Source]) -> list[_Seen | InputError]:
                return list(pool.map(prepare, batch))

            # Not ahead of a network on the CPU: it uses all cores, and threads beside it delay it
            # by more than they do.
            on_cpu = self.device.type == "cpu"
            for batch in map(decoded, batches) if on_cpu else prefetch(decoded, batches):
                readable = [seen for seen in batch if isinstance(seen, _Seen)]
                found = list(self._localized(readable, named, options)) if readable else []
                if refine:
                    found = list(pool.map(refine_one, found, readable))
                list(pool.map(len, found))  # looks for the objects, in threads
                localized = iter(found)
                for seen in batch:
                    yield next(localized) if isinstance(seen, _Seen) else seen

    def _localized(
        self, batch: Sequence[_Seen], named: bool, options: dict[str, Any]
    ) -> Iterator[Localization]:
        maps = self.maps(np.stack([seen.whole for seen in batch]))
        names: list[str | None] = [None] * len(batch)
        probabilities: list[float | None] = [None] * len(batch)
        if named:
            views = np.stack([seen.centre for seen in batch if seen.centre is not None])
            best, sure = self._named(views)
            names = [self.model.classes[number] for number in best.tolist()]
            probabilities = sure.tolist()
        for seen, map_, name, probability in zip(batch, maps, names, probabilities, strict=True):
            yield Localization(*seen.size, name, probability, map_, options, seen.notes)

    @torch.inference_mode()
    def maps(self, images: np.ndarray) -> np.ndarray:
        """The segmenter's maps: (n, s, s, 3) uint8 RGB → (n, h, w) float32 in 0 … 1."""
        with autocast(self.device, self.model.settings["precision"]):
            outputs = self.model.segmenter(self._tensor(images))[1]
        return torch.sigmoid(outputs[:, 0].float()).cpu().numpy()

    @torch.inference_mode()
    def _named(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Best class (n,) int64 and its probability (n,) float32 of centre crops."""
        network = self.model.recognizer
        assert network is not None
        with autocast(self.device, self.model.settings["recognizer"]["precision"]):
            outputs = network(self._tensor(images))[1]
        probability, best = logits(outputs).softmax(1).max(1)
        return best.cpu().numpy(), probability.cpu().numpy()

    def _tensor(self, images: np.ndarray) -> Tensor:
        _after_a_fork()
        if self.device.type == "cuda" and not torch.cuda.is_initialized():
            raise InputError(
                "a Localizer on a GPU cannot be used in a process forked from the one that loaded "
                "it. Load it in the worker, or start workers by 'spawn'."
            )
        return normalised(torch.from_numpy(images).to(self.device))

    def _seen(self, source: Source, named: bool) -> _Seen:
        """Decode and resize an image as the networks were trained on: by way of R² pixels."""
        own = self.model.settings
        sides = {own["resize"], *([own["recognizer"]["resize"]] if named else [])}
        picture, size, notes = opened(source, max(sides))
        squares = {side: _resized(picture, side) for side in sides}
        whole = np.asarray(_resized(squares[own["resize"]], own["crop"]))
        if not named:
            return _Seen(size, whole, None, notes)
        resize, crop = own["recognizer"]["resize"], own["recognizer"]["crop"]
        margin = (resize - crop) // 2
        box = (margin, margin, margin + crop, margin + crop)
        return _Seen(size, whole, np.asarray(squares[resize].crop(box)), notes)


def _after_a_fork() -> None:
    """Compute on one thread where the process was forked from one that had used torch.

    torch's threads do not survive the fork, and work that is shared out among them waits for ever.
    """
    global _process
    if _process not in (None, os.getpid()):
        torch.set_num_threads(1)
    _process = os.getpid()


def _resized(image: Image.Image, side: int) -> Image.Image:
    return image.resize((side, side), Image.Resampling.BILINEAR)
