"""Intervals of shares and means, and whether a difference between two models is one.

95 % intervals: Wilson's, or percentiles of a bootstrap over images, and over seeds where there are
several. The draws are the same at each call.
"""

from __future__ import annotations

import numpy as np

DRAWS = 2000
CELLS = 5_000_000  # numbers drawn at a time: 40 MB


def wilson(successes: float, n: int) -> list[float]:
    """Wilson's interval of a share, both ends in percent."""
    z2 = 1.959963984540054**2
    share = successes / n
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = np.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    return [100 * float(max(centre - half, 0.0)), 100 * float(min(centre + half, 1.0))]


def bootstrap(levels: np.ndarray, most: int) -> list[float]:
    """Bootstrap interval over images of the mean of their levels, both ends in percent of `most`.

    Args:
        levels: (images,) int, 0 … most.
    """
    counts = np.bincount(levels, minlength=most + 1)
    drawn = _drawn_sums(np.arange(most + 1), counts, np.random.default_rng(0))
    return [100 * end for end in _interval(drawn / (len(levels) * most))]


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
        The mean difference and the interval's lower and upper end, percent points, -100 … 100.

    Raises:
        ValueError: the shapes differ.
    """
    a, b = np.asarray(a, np.int8), np.asarray(b, np.int8)
    if a.shape != b.shape:
        raise ValueError(f"outcomes of {a.shape} and {b.shape}: give the same seeds and images")
    seeds, images = a.shape
    # Images that are alike in all seeds are of one kind.
    kinds, counts = np.unique(a - b, axis=1, return_counts=True)
    rng = np.random.default_rng(0)
    times = rng.multinomial(seeds, np.full(seeds, 1 / seeds), DRAWS)  # each seed is drawn
    gained = _drawn_sums(kinds.T, counts, rng)  # (draws, seeds): images that a has more than b
    percent = 100 / (seeds * images)
    low, high = _interval(percent * (times * gained).sum(1))
    return percent * float((kinds * counts).sum()), low, high


def _drawn_sums(kinds: np.ndarray, counts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Sums over images drawn with replacement, as many as there are: float (DRAWS, …).

    Drawing images is drawing how many there are of each kind.

    Args:
        kinds: (k, …) numbers, what an image of the kind adds to the sum.
        counts: (k,) int, images of the kind.
    """
    images, block = counts.sum(), max(1, CELLS // len(counts))
    sums = [
        rng.multinomial(images, counts / images, min(block, DRAWS - done)) @ kinds.astype(float)
        for done in range(0, DRAWS, block)
    ]
    return np.concatenate(sums)


def _interval(drawn: np.ndarray) -> tuple[float, float]:
    """The middle 95 % of what was drawn."""
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(low), float(high)
