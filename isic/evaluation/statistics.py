"""Whether a difference between two models is one: same images, same seeds, resampled together."""

from __future__ import annotations

import numpy as np

DRAWS = 2000
CELLS = 5_000_000  # numbers drawn at a time: 40 MB


def outcomes_text(hit: np.ndarray) -> str:
    """Outcomes (images,), true or false, as `1` and `0`, a character an image."""
    return (np.asarray(hit, np.uint8) + ord("0")).tobytes().decode("ascii")


def read_outcomes(text: str) -> np.ndarray:
    """Of `outcomes_text`, the outcomes: (images,) uint8, 0 or 1."""
    return np.frombuffer(text.encode("ascii"), np.uint8) - ord("0")


def paired_difference(a: np.ndarray, b: np.ndarray) -> tuple[float, float, float]:
    """How much more often `a` is right than `b`, and the 95 % interval of that.

    The interval's ends are percentiles of 2,000 draws of as many images and as many seeds as there
    are, both with replacement and the same for `a` and `b`: what other test images and other
    trainings would change. Of one seed only images are drawn, and another training may change more.

    With few seeds the interval is a little narrow in what seeds change for all images alike: of
    that variance it holds the share (seeds - 1) / seeds. It is wide in what a seed changes for
    single images, which counts up to three times (Owen, 2007: the pigeonhole bootstrap).

    Args:
        a: (seeds, images), 0 or 1: whether a model trained with this seed is right on this image.
        b: (seeds, images), of another model, row by row the same seeds, column by column the same
            images.

    Returns:
        The mean difference and the interval's lower and upper end, percent points, -100 … 100. The
        draws are the same at each call.

    Raises:
        ValueError: the shapes differ.
    """
    a, b = np.asarray(a, np.int8), np.asarray(b, np.int8)
    if a.shape != b.shape:
        raise ValueError(f"outcomes of {a.shape} and {b.shape}: give the same seeds and images")
    seeds, images = a.shape
    # Drawing images is drawing how many there are of each kind: alike in all seeds, they are one.
    kinds, counts = np.unique(a - b, axis=1, return_counts=True)
    rng = np.random.default_rng(0)
    times = rng.multinomial(seeds, np.full(seeds, 1 / seeds), DRAWS)  # each seed is drawn
    block = max(1, CELLS // len(counts))
    gained = [  # (draws, seeds): images that a has more than b
        rng.multinomial(images, counts / images, min(block, DRAWS - done)) @ kinds.T.astype(float)
        for done in range(0, DRAWS, block)
    ]
    percent = 100 / (seeds * images)
    drawn = percent * (times * np.concatenate(gained)).sum(1)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return percent * float((kinds * counts).sum()), float(low), float(high)
