"""One image: a scene, a bird in it, the perch, what hangs before the bird, the light."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from isic.data.sources.birds.bird import paint_bird
from isic.data.sources.birds.canvas import mix, shade, turn
from isic.data.sources.birds.looks import Look
from isic.data.sources.birds.scene import LEAVES, draw_branch, draw_leaf, scene


def render(
    sequence: np.random.SeedSequence, look: Look, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draw one image of a class.

    Returns the image uint8 (h, w, 3), RGB, whose longer side is `size` pixels, and the mask bool
    (h, w) of what is visible of the bird.
    """
    frame, backdrop, bird, front = (np.random.default_rng(s) for s in sequence.spawn(4))
    shorter = round(size / frame.uniform(1.0, 1.5))
    width, height = (size, shorter) if frame.random() < 0.7 else (shorter, size)
    slant = frame.uniform(-0.9, 0.9)
    light = np.array([np.sin(slant), -np.cos(slant)], np.float32)
    brightness, contrast, warmth = frame.uniform((0.8, 0.85, -0.06), (1.15, 1.1, 0.06)).tolist()

    canvas = scene(backdrop, width, height, light)
    window, colour, cover, feet = paint_bird(bird, look, width, height, light)
    if feet is not None and front.random() < 0.75:  # a perch
        way = np.array([size * front.uniform(0.4, 1.2), size * front.normal(0, 0.08)])
        broad = size * front.uniform(0.02, 0.045)
        path = (
            feet + np.linspace(-0.5, 0.5, 5)[:, None] * way + front.normal(0, 0.012, (5, 2)) * size
        )
        path[2] = feet + (0, broad * 0.42)
        draw_branch(ImageDraw.Draw(canvas), front, path * 3, broad * 3, front.poisson(3))
    image = np.asarray(canvas.reduce(3), np.float32)
    x0, y0, x1, y1 = window
    alpha = np.zeros((height, width), np.float32)
    alpha[y0:y1, x0:x1] = cover
    image[y0:y1, x0:x1] = mix(image[y0:y1, x0:x1], colour, cover)

    if front.random() < 0.3:  # a twig or a leaf before the bird
        veil = Image.new("RGBA", (width * 3, height * 3))
        draw = ImageDraw.Draw(veil)
        aim = (front.uniform(x0, x1), front.uniform(y0, y1))
        if front.random() < 0.6:
            way = size * front.uniform(0.25, 0.6) * turn(np.array([1.0, 0]), front.uniform(0, 360))
            path = (
                aim
                + np.linspace(-0.5, 0.5, 4)[:, None] * way
                + front.normal(0, 0.01, (4, 2)) * size
            )
            draw_branch(
                draw, front, path * 3, size * front.uniform(0.01, 0.022) * 3, front.poisson(3)
            )
        else:
            tint = shade(LEAVES[front.integers(len(LEAVES))], front.uniform(0.8, 1.3))
            draw_leaf(
                draw,
                np.array(aim) * 3,
                size * front.uniform(0.1, 0.22) * 3,
                front.uniform(0, 360),
                tint,
            )
        colour, cover = np.split(np.asarray(veil.reduce(3), np.float32), [3], axis=-1)
        image = mix(image, colour, cover[..., 0] / 255)
        alpha *= 1 - cover[..., 0] / 255

    image = (image - 128) * contrast + 128
    image *= brightness * (1 + np.array([warmth, 0, -warmth], np.float32))
    image += 2 * frame.standard_normal((height, width, 1), dtype=np.float32)
    return np.clip(image + 0.5, 0, 255).astype(np.uint8), alpha >= 0.5
