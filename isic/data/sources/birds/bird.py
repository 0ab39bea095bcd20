"""Paints the bird of a class in its pose."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from isic.data.sources.birds.canvas import coverage, mix, noise, relief, shade, step, turn
from isic.data.sources.birds.looks import Look, plumage_colours
from isic.data.sources.birds.pose import Pose, Wing, draw_pose


class Layer:
    """What shapes are painted on: colours float32 (h, w, 3) and coverage float32 (h, w).

    Args:
        shape: h, w.
        scale: pixels of the trunk's length.
        light: unit x, y that it comes from.
    """

    def __init__(self, shape: tuple[int, int], scale: float, light: np.ndarray) -> None:
        self.shape, self.scale, self.light = shape, scale, light
        self.colour = np.zeros((*shape, 3), np.float32)
        self.cover = np.zeros(shape, np.float32)

    def paint(self, cover: np.ndarray, over: ArrayLike, bulge: float = 0.0) -> None:
        """Paint colours `over` where `cover` is; `bulge` in units of the trunk rounds the shape."""
        over = np.broadcast_to(np.asarray(over, np.float32), self.colour.shape)
        if bulge:
            sigma = max(0.8, bulge * self.scale)
            over = over * (0.86 + 0.42 * relief(cover, sigma, self.light))[..., None]
        self.colour = mix(self.colour, over, cover)
        self.cover = self.cover + (1 - self.cover) * cover

    def mark(self, colour: ArrayLike, alpha: np.ndarray) -> None:
        """Tint what is painted already."""
        self.colour = mix(self.colour, colour, alpha)


def paint_bird(
    rng: np.random.Generator, look: Look, width: int, height: int, light: np.ndarray
) -> tuple[tuple[int, int, int, int], np.ndarray, np.ndarray, np.ndarray | None]:
    """Draw the bird of a class somewhere in a `width` × `height` image.

    Returns its window (x0, y0, x1, y1), colours float32 (h, w, 3) and coverage float32 (h, w) in
    that window, and the point (x, y) it stands on, or None in flight.
    """
    pose = draw_pose(rng, look, width, height)
    x0, y0, x1, y1 = pose.window
    shape, scale = (y1 - y0, x1 - x0), pose.scale
    down = noise(rng, shape, (scale * 0.035, scale * 0.035), 2) * 0.045 + 1  # feather texture
    thin = max(0.6, 0.014 * scale)
    layer = Layer(shape, scale, light)

    if pose.flight:
        _paint_wing(layer, pose, look, pose.wings[0], 0.72 * down)
    else:
        layer.paint(coverage(shape, lines=pose.limbs), look.plumage.legs)
    for feathers in (pose.tail[:2], pose.tail[2:4], pose.tail[4:]):
        colour = np.array(look.plumage.tail, np.float32) * down[..., None]
        layer.paint(coverage(shape, feathers), colour, 0.02)
        rims = coverage(shape, lines=[(np.concatenate([f, f[:1]]), thin) for f in feathers])
        layer.mark(shade(look.plumage.tail, 0.6), 0.55 * rims * (layer.cover > 0.5))
    if look.head.crest:
        colour = np.array(look.head.crown, np.float32) * down[..., None]
        layer.paint(coverage(shape, [pose.crest]), colour, 0.03)
    colour = np.clip(_trunk_colours(pose, look, down) * down[..., None], 0, 255)
    layer.paint(coverage(shape, discs=pose.trunk), colour, 0.13)
    _paint_wing(layer, pose, look, pose.wings[-1], down)
    layer.paint(coverage(shape, [pose.bill]), look.head.beak, 0.04)
    line = coverage(shape, lines=[(pose.gape, thin)])
    layer.mark(shade(look.head.beak, 0.45), 0.7 * line * (layer.cover > 0.5))
    (x, y), r = pose.eye, look.body.head * scale
    for radius, tone, shift in (
        (0.25, (250, 246, 236), 0),
        (0.2, (16, 12, 14), 0),
        (0.07, (255, 255, 255), 0.07),
    ):
        disc = (x + shift * r * light[0], y + shift * r * light[1], max(0.45, radius * r))
        layer.mark(tone, coverage(shape, discs=[disc]))
    return pose.window, np.clip(layer.colour, 0, 255), layer.cover, pose.feet


def _trunk_colours(pose: Pose, look: Look, down: np.ndarray) -> np.ndarray:
    """Colours float32 (h, w, 3) of trunk and head, without their light; `down` (h, w)."""
    u, v = np.moveaxis(pose.trunk_points, -1, 0)
    x, y = np.moveaxis(pose.head_points, -1, 0)
    head = look.head
    fill = plumage_colours(u, v, look.plumage, look.pattern)
    ragged = 0.05 * (down - 1) / 0.045
    cap = step(1.08 + ragged - np.hypot(x + 0.1, (y - 0.12) * 0.9), 0.14)  # the head's own part
    fill = mix(fill, head.cheek, cap)
    bib = step(y - 0.30 - 0.25 * x + ragged, 0.12)
    bib = bib * step(1.5 - np.hypot(x - 0.35, y - 0.5), 0.14)
    fill = mix(fill, head.throat, bib * step(x + 0.55, 0.2))
    fill = mix(fill, head.crown, cap * step(-0.28 - 0.22 * x - y + ragged, 0.1))
    band = np.abs(y + 0.12 - 0.06 * x) - 0.17
    return mix(fill, head.stripe, cap * step(-band, 0.1))


def _paint_wing(layer: Layer, pose: Pose, look: Look, wing: Wing, down: np.ndarray) -> None:
    """Paint a wing with its bars, coverts and primaries; `down` (h, w) is its light."""
    points = turn(pose.trunk_points - wing.root.astype(np.float32), -wing.angle)
    a, b = np.moveaxis(points, -1, 0)  # along the wing, across it
    a, b = a / -float(wing.size[0]), b / float(wing.size[1])
    fill = np.broadcast_to(np.array(look.plumage.wing, np.float32), layer.colour.shape)
    fill = mix(fill, look.plumage.back, 0.75 * step(0.30 - a + 0.3 * b, 0.14))
    for bar in range(look.wing_bars):
        amount = step(0.028 - np.abs(a - 0.34 - 0.16 * bar + 0.25 * b), 0.03)
        fill = mix(fill, look.plumage.mark, 0.9 * amount)
    row = np.floor(a / 0.075)
    scallop = np.abs(b / 0.1 + 0.5 * (row % 2) - np.round(b / 0.1 + 0.5 * (row % 2)))
    coverts = step(np.abs(a / 0.075 - row - 0.55 - scallop) * -1 + 0.12, 0.2)
    coverts = coverts * step(0.34 - a, 0.08)
    primaries = step(np.sin(2 * np.pi * (b * 2 / (1.25 - a.clip(0, 1))) / 0.19) - 0.62, 0.5)
    primaries = primaries * step(a - 0.4, 0.1)
    fill = fill * (1 - 0.3 * np.maximum(coverts, primaries))[..., None]
    layer.paint(coverage(layer.shape, [wing.outline]), fill * down[..., None], 0.05)
