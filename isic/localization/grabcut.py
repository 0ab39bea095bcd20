"""Masks that end where an image's colours change: GrabCut (Rother et al., SIGGRAPH 2004)."""

from __future__ import annotations

import cv2
import numpy as np

ROUNDS = 3  # of colour models and cut; more change little

cv2.setNumThreads(1)  # images are what goes in parallel, and sums stay in one order


def grabcut(image: np.ndarray, map_: np.ndarray, *, above: float, below: float) -> np.ndarray:
    """What is object in an image, by a map where that is sure and by colours where it is not.

    Args:
        image: (h, w, 3) uint8, RGB.
        map_: (h, w) float.
        above: what is above is surely object.
        below: what is below is surely background. In between, pixels start on the side of the
            nearer threshold.

    Returns:
        (h, w) bool. Where the map leaves no pixel to one side, that of the middle threshold.
    """
    middle = map_ > (above + below) / 2
    if middle.all() or not middle.any():
        return middle
    labels = np.where(middle, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[map_ > above] = cv2.GC_FGD
    labels[map_ < below] = cv2.GC_BGD
    cv2.setRNGSeed(0)  # of the colour models' start; each thread has its own
    models = np.zeros((1, 65)), np.zeros((1, 65))  # that cv2 fills
    bgr, whole = np.ascontiguousarray(image[..., ::-1]), (0, 0, *labels.shape[::-1])
    cv2.grabCut(bgr, labels, whole, *models, ROUNDS, cv2.GC_INIT_WITH_MASK)
    return (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
