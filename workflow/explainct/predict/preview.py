"""Draw filled lesions on the scan, from the files that were written: outlined slices, filled ones, and how sure."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from explainct.data.annotate.formats.outlines import Outlines
from explainct.data.ingest.user_scan import Scan
from explainct.predict.choose import FilledLesion
from explainct.report.plot_style import RC, save_figure
from explainct.runtime.volume import Box

MOST_LESIONS, MOST_SLICES = 8, 8
AROUND = 12
"""Pixels of the scan that are shown around a lesion."""

OUTLINED, FILLED = "#2f8f4e", "#d9822b"
NOTE = "Research use. Not for clinical use."


def draw_preview(filled: Sequence[FilledLesion], written: Sequence[Outlines], scan: Scan, path: Path) -> None:
    """Draw up to 8 lesions, the least certain first, with up to 8 slices of each, the least certain among them.

    Args:
        filled: the lesions.
        written: for each, what the written file holds under its name.
        scan: the scan.
        path: the picture to write.
    """
    order = sorted(range(len(filled)), key=lambda number: -_doubt(filled[number]))[:MOST_LESIONS]
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(1.55 * MOST_SLICES, 1.9 * len(order) + 0.6), layout="constrained")
        grid = figure.subplots(len(order), MOST_SLICES, squeeze=False)
        for axes, number in zip(grid, order, strict=True):
            _draw_lesion(axes, filled[number], written[number], scan)
        figure.suptitle(f"{NOTE} Green: outlined. Orange: filled. u: uncertainty of the slice.")
        save_figure(figure, path)


def _doubt(one: FilledLesion) -> float:
    """Return the uncertainty of a lesion's least certain slice; -1 where nothing was filled."""
    return max((score for _, score in one.uncertain_slices()), default=-1.0)


def _draw_lesion(row: Sequence[Axes], one: FilledLesion, written: Outlines, scan: Scan) -> None:
    """Draw the slices of one lesion."""
    box = one.lesion.box
    wide = Box((box.start[0], *(s - AROUND for s in box.start[1:])), (box.stop[0], *(s + AROUND for s in box.stop[1:])))
    shown = wide.overlap(Box((0, 0, 0), scan.shape))
    scores = dict(one.uncertain_slices())
    slices = _chosen(one, list(scores))
    for axes in row:
        axes.axis("off")
    boxes = [Box((k, *shown.start[1:]), (k + 1, *shown.stop[1:])) for k in slices]
    images = [scan.read(here)[0] for here in boxes]
    low, high = np.percentile(images, (1, 99))
    step = scan.geometry.spacing
    for axes, k, here, image in zip(row, slices, boxes, images, strict=False):
        axes.imshow(image, cmap="gray", vmin=low, vmax=max(high, low + 1), aspect=step[1] / step[2])
        mask = _in_box(written, here)
        if mask.any() and not mask.all():
            axes.contour(mask, levels=[0.5], colors=FILLED if k in scores else OUTLINED, linewidths=1)
        axes.set_title(f"{k + 1}: u {scores[k]:.2f}" if k in scores else f"{k + 1}: outlined", fontsize=8)
    row[0].text(0, -0.12, one.lesion.outlines.lesion, transform=row[0].transAxes, fontsize=8)


def _chosen(one: FilledLesion, by_doubt: Sequence[int]) -> list[int]:
    """Return the slices to show: evenly from the first to the last, and the least certain one, ascending."""
    first, last = one.lesion.box.start[0], one.lesion.box.stop[0] - 1
    even = np.unique(np.rint(np.linspace(first, last, MOST_SLICES - 1)).astype(int)).tolist()
    return sorted({*even, *by_doubt[:1]})


def _in_box(written: Outlines, box: Box) -> np.ndarray:
    """Return the mask [h, w] of the written file on one slice of a box."""
    mask = np.zeros(box.shape[1:], bool)
    k = box.start[0]
    if k in written.slices:
        common = written.box.overlap(box)
        of_slice = written.masks[written.slices.tolist().index(k)]
        mask[common.seen_from(box).slices[1:]] = of_slice[common.seen_from(written.box).slices[1:]]
    return mask
