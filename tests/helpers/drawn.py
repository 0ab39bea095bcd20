"""Figures as they are drawn: their bytes, their texts, and whether anything is cut off."""

import io

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from isic.localization.boxes import iou

SIDE = 32


def png(figure):
    file = io.BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()


def drawn(figure):
    """(height, width) bool: where the figure differs from an empty one of its size."""
    empty = Figure(figure.get_size_inches(), dpi=figure.dpi, facecolor="white")
    pixels = []
    for each in (figure, empty):
        canvas = FigureCanvasAgg(each)
        canvas.draw()
        pixels.append(np.asarray(canvas.buffer_rgba()))
    return (pixels[0] != pixels[1]).any(2)


def all_texts(figure):
    """Every text of a figure, also those of scales and legends."""
    yield from figure.texts
    for axes in figure.axes:
        yield from (axes.title, axes.xaxis.label, axes.yaxis.label, *axes.texts)
        yield from axes.get_legend().get_texts() if axes.get_legend() else []
        for axis in (axes.xaxis, axes.yaxis) if axes.axison else ():
            low, high = sorted(axis.get_view_interval())
            labels = zip(axis.get_ticklocs(), axis.get_ticklabels(), strict=True)
            yield from (label for place, label in labels if low <= place <= high)


def check_drawn(figure):
    """Something is drawn in every axes, nothing reaches the edge, no two texts overlap."""
    where = drawn(figure)
    assert figure.axes
    for axes in figure.axes:
        x0, y0, x1, y1 = axes.get_position().extents * np.tile(where.shape[::-1], 2)
        inside = where[len(where) - round(y1) : len(where) - round(y0), round(x0) : round(x1)]
        assert inside[2:-2, 2:-2].any()  # not the frame alone
    for edge in (where[0], where[-1], where[:, 0], where[:, -1]):
        assert not edge.any()
    written = [text for text in all_texts(figure) if text.get_text()]
    boxes = np.array([text.get_window_extent().extents for text in written])
    assert boxes.min() > 0
    assert (boxes[:, 2:] < where.shape[::-1]).all()
    boxes += [0.5, 0.5, -0.5, -0.5]  # pixels
    overlaps = np.argwhere(np.triu(iou(boxes[:, None], boxes), 1) > 0)
    assert [(written[i].get_text(), written[j].get_text()) for i, j in overlaps] == []


def texts(figure):
    inside = [text for axes in figure.axes for text in (axes.title, *axes.texts)]
    return [text.get_text() for text in (*inside, *figure.texts) if text.get_text()]


def prose(figure):
    """All that is written, lines joined."""
    return " ".join(" ".join(texts(figure)).split())
