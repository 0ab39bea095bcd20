"""How a bird stands or flies in an image: where its parts lie.

Trunk coordinates u, v: the bird looks right, v goes downwards, and the trunk is one unit long.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from isic.data.sources.birds.canvas import curve, turn
from isic.data.sources.birds.looks import Look

WING = (
    (0, 0.02), (0.06, -0.13), (0.33, -0.19), (0.7, -0.12), (1, 0), (0.78, 0.1), (0.5, 0.19),
    (0.2, 0.2), (0.04, 0.13),
)  # fmt: skip
BILL_SHAPES = {  # in units of the head's radius, from the base of the beak
    "cone": ((0, -0.38), (0.45, -0.22), (0.85, 0.08), (0.4, 0.26), (0, 0.36)),
    "dagger": ((0, -0.24), (0.8, -0.1), (1.65, 0.06), (0.8, 0.16), (0, 0.24)),
    "hook": ((0, -0.4), (0.5, -0.42), (0.95, -0.08), (0.88, 0.46), (0.6, 0.16), (0, 0.34)),
    "sickle": (
        (0, -0.26),
        (0.7, -0.2),
        (1.25, 0.14),
        (1.55, 0.62),
        (1.05, 0.3),
        (0.6, 0.1),
        (0, 0.2),
    ),
}


@dataclass(frozen=True)
class Wing:
    """A wing: its outline, and where it hangs in trunk coordinates."""

    outline: np.ndarray  # (n, 2), pixels of the window
    root: np.ndarray
    angle: float
    size: np.ndarray  # length, breadth


@dataclass(frozen=True)
class Pose:
    """A bird's parts in its window of the image: points (n, 2) in pixels of the window."""

    window: tuple[int, int, int, int]  # x0, y0, x1, y1 in the image
    scale: float  # pixels of the trunk's length
    trunk: np.ndarray  # (n, 3) discs x, y, radius, from the tail to the skull
    tail: list[np.ndarray]  # 5 feathers, the outer ones first
    wings: list[Wing]  # the far one first, where both are seen
    limbs: list[tuple[np.ndarray, float]]  # lines of legs and toes with their width; none in flight
    bill: np.ndarray
    gape: np.ndarray  # a line
    crest: np.ndarray
    eye: np.ndarray  # (2,)
    feet: np.ndarray | None  # (2,) in the image, where it stands; None in flight
    trunk_points: np.ndarray  # float32 (h, w, 2), the pixels in trunk coordinates
    head_points: np.ndarray  # float32 (h, w, 2), the same in the head's, in units of its radius

    @property
    def flight(self) -> bool:
        return self.feet is None


def draw_pose(rng: np.random.Generator, look: Look, width: int, height: int) -> Pose:
    """A pose, size and place of the bird of a class in a `width` × `height` image, at random."""
    body, head = look.body, look.head
    flight = rng.random() < 0.07
    side = -1 if rng.random() < 0.5 else 1
    tilt = (0.4 if flight else 1.0) * body.posture + rng.uniform(-14, 18)
    nod = -0.75 * tilt + rng.uniform(-16, 18)
    droop = rng.uniform(-8, 10)
    reach = np.array([rng.uniform(-0.03, 0.05), rng.uniform(-0.05, 0.03)])

    r = body.head
    skull = np.array([0.43, -0.25]) + (0.25 * body.neck, -0.9 * body.neck) + reach
    p = body.plump
    spine = curve(
        [
            (-0.52, 0.05, 0.07),
            (-0.34, 0.04, 0.16 * p),
            (-0.06, 0.03, 0.27 * p),
            (0.20, 0.01, 0.275 * p),
            (0.36 + 0.1 * body.neck, -0.13 - 0.45 * body.neck, 0.9 * r - 0.1 * body.neck),
            (*skull, r),
        ],
        10,
        closed=False,
    )
    rump = np.array([-0.46, 0.05])
    tail = []
    for k in (-1.0, 1.0, -0.5, 0.5, 0.0):
        angle, long = droop + k * body.spread / 2, body.tail * (1 + body.fork * abs(k))
        tail.append(_feather(rump, angle, long + 0.1, 0.13 if body.tail < 0.6 else 0.11))
    shoulder = np.array([0.24, -0.08])
    outline = curve(WING) * (-1, 1)
    folds = [(-4 + rng.uniform(-4, 4), 1.0, 0.85)]
    if flight:
        lift = rng.uniform(40, 95)
        folds = [(-lift - rng.uniform(15, 35), 1.1, 1.25), (-lift, 1.25, 1.35)]
    wings = [
        (angle, np.array([body.wing * long + 0.22, 0.75 * broad])) for angle, long, broad in folds
    ]

    def head_frame(points: np.ndarray) -> np.ndarray:
        return skull + turn(points * r, nod)

    bill = head_frame(np.array(BILL_SHAPES[head.bill]) + (0.82, 0.12))
    gape = head_frame(
        np.array([(0.82, 0.14), (0.82 + 0.6 * np.ptp(BILL_SHAPES[head.bill], 0)[0], 0.2)])
    )
    crest = head_frame(
        curve(
            [
                (0.35, -0.8),
                (-0.1, -1.0),
                (-0.75, -1.0 - 0.5 * head.crest),
                (-1.2 - 0.2 * head.crest, -0.85 - 0.9 * head.crest),
                (-0.85, -0.45),
                (-0.5, 0.1),
                (0.3, 0.0),
            ]
        )
    )
    eye = head_frame(np.array([(0.32, -0.14)]))

    # To the image: turn, mirror, then fit to a drawn size and place.
    def posed(points: np.ndarray) -> np.ndarray:
        return turn(points, tilt) * (side, 1)

    trunk = np.column_stack([posed(spine[:, :2]), spine[:, 2]])
    hips = posed(np.array([(-0.02, 0.2 * p), (0.08, 0.22 * p)]))
    stride = np.array([-0.05, 0.06]) * side
    legs = [
        np.array([hip, hip + (dx, 0.08 + body.leg)]) for hip, dx in zip(hips, stride, strict=True)
    ]
    quills = [posed(f) for f in tail]
    vanes = [posed(shoulder + turn(outline * size, angle)) for angle, size in wings]
    bill, gape, crest, eye = (posed(x) for x in (bill, gape, crest, eye))
    ends = [trunk[:, :2] - trunk[:, 2:], trunk[:, :2] + trunk[:, 2:], bill, *quills, *vanes]
    ends += [crest] * (head.crest > 0) + ([] if flight else legs)
    low, high = (f(np.concatenate(ends), axis=0) for f in (np.min, np.max))
    extent = high - low
    share = rng.uniform(0.50, 0.84)  # of the image's side, along the bird's longer extent
    scale = float(min(share * np.array([width, height]) / extent))
    room = np.array([width, height]) - extent * scale
    at = rng.beta(0.75, 0.75, 2) * room
    x0, y0 = np.maximum(np.floor(at).astype(int) - 3, 0)
    x1, y1 = np.minimum(np.ceil(at + extent * scale).astype(int) + 3, (width, height))
    offset = at - low * scale - (x0, y0)

    def placed(points: np.ndarray) -> np.ndarray:
        return points * scale + offset

    toes = np.array([(-0.07, 0.012), (0, -0.012), (0.09, 0.012)]) * (side, 1)
    limbs = [(placed(leg), max(1.1, 0.03 * scale)) for leg in legs]
    limbs += [(placed(leg[1] + toes), max(1.0, 0.024 * scale)) for leg in legs]
    grid = np.stack(np.meshgrid(np.arange(x1 - x0) + 0.5, np.arange(y1 - y0) + 0.5), -1)
    uv = turn((grid - offset) / scale * (side, 1), -tilt).astype(np.float32)
    return Pose(
        window=(int(x0), int(y0), int(x1), int(y1)),
        scale=scale,
        trunk=np.column_stack([placed(trunk[:, :2]), trunk[:, 2] * scale]),
        tail=[placed(quill) for quill in quills],
        wings=[
            Wing(placed(vane), shoulder, angle, size)
            for vane, (angle, size) in zip(vanes, wings, strict=True)
        ],
        limbs=[] if flight else limbs,
        bill=placed(bill),
        gape=placed(gape),
        crest=placed(crest),
        eye=placed(eye)[0],
        feet=None if flight else placed(np.mean([leg[1] for leg in legs], axis=0)) + (x0, y0),
        trunk_points=uv,
        head_points=turn((uv - skull.astype(np.float32)) / r, -nod),
    )


def _feather(base: np.ndarray, angle: float, length: float, width: float) -> np.ndarray:
    """A tail or flight feather that points to the left of `base`, raised by `angle`."""
    half = np.array([(0, 0.3), (0.6, 0.55), (0.92, 0.5), (1, 0.15)]) * (-length, width)
    return base + turn(np.concatenate([half, half[::-1] * (1, -1)]), -angle)
