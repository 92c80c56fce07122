"""Where blocks lie: the lesion's box with a margin, and its 26 neighbours."""

from itertools import product

import numpy as np
import pandas as pd

from explainct.runtime.volume import Box

OFFSETS = tuple(offset for offset in product((-1, 0, 1), repeat=3) if any(offset))


KEPT = "kept_"
"""What the columns of a lesion's box begin with that no slice dropped by `annotate.keep_every` sets."""


def lesion_box(lesion: pd.Series, prefix: str = "") -> Box:
    """Return a box of a row of `lesions.parquet` or `samples.parquet`, in scan indices.

    Args:
        lesion: the row.
        prefix: what the names of the box's columns begin with, such as `KEPT`.
    """
    start, stop = (tuple(int(lesion[f"{prefix}{axis}_{end}"]) for axis in "kij") for end in ("start", "stop"))
    return Box(start, stop)


def box_columns(box: Box, prefix: str = "") -> dict[str, int]:
    """Return the columns that hold a box in these tables, `k_start` to `j_stop`, their names begun with `prefix`."""
    starts = {f"{prefix}{axis}_start": start for axis, start in zip("kij", box.start, strict=True)}
    return starts | {f"{prefix}{axis}_stop": stop for axis, stop in zip("kij", box.stop, strict=True)}


def block_box(
    lesion: Box, spacing: tuple[float, float, float], margin_mm: float, scan_shape: tuple[int, int, int]
) -> Box:
    """Return the block of a lesion: its box with a margin on each side, cut at the borders of the scan.

    Args:
        lesion: the box around the readers' contours, in scan indices.
        spacing: voxel size (z, y, x) in mm.
        margin_mm: margin in mm, rounded up to whole voxels; 0 is the published choice.
        scan_shape: voxels of the scan [D, H, W].

    >>> block_box(Box((2, 10, 10), (4, 20, 20)), spacing=(2.5, 1, 1), margin_mm=5, scan_shape=(30, 24, 512))
    Box(start=(0, 5, 5), stop=(6, 24, 25))
    """
    margin = np.ceil(margin_mm / np.asarray(spacing) - 1e-6).astype(int)
    start = np.maximum(np.subtract(lesion.start, margin), 0)
    stop = np.minimum(np.add(lesion.stop, margin), scan_shape)
    return Box(tuple(start.tolist()), tuple(stop.tolist()))


def neighbours(block: Box, scan_shape: tuple[int, int, int]) -> dict[int, Box]:
    """Return the boxes of equal size around `block` that lie wholly in the scan, by their number from 0 to 25.

    With margin 0 these are the paper's negative samples (DUE, section 5.1): 68,160 for its 2,625 nodules.

    >>> len(neighbours(Box((2, 2, 2), (4, 4, 4)), scan_shape=(9, 9, 9)))
    26
    >>> neighbours(Box((0, 0, 0), (4, 4, 4)), scan_shape=(4, 4, 8))
    {13: Box(start=(0, 0, 4), stop=(4, 4, 8))}
    """
    shifted = (block.shifted(tuple(np.multiply(offset, block.shape).tolist())) for offset in OFFSETS)
    return {number: box for number, box in enumerate(shifted) if box.inside(scan_shape)}


def covering(boxes: list[Box]) -> Box:
    """Return the smallest box that covers all `boxes`."""
    start = np.min([box.start for box in boxes], axis=0)
    stop = np.max([box.stop for box in boxes], axis=0)
    return Box(tuple(start.tolist()), tuple(stop.tolist()))
