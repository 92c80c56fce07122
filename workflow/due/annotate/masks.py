"""Readers' outlines as voxel masks, and their consensus, by pylidc's pixel rule."""

from collections.abc import Sequence

import numpy as np
from matplotlib.path import Path as Polygon

from due.annotate.lidc import Annotation, Contour, Scan, nearest_slices
from due.volume import Box


def reader_masks(cluster: Sequence[Annotation], scan: Scan) -> tuple[np.ndarray, Box]:
    """Return each reader's mask over the union box of all readers' outline points.

    Masks and box are those of `pylidc.utils.consensus` without padding, with axes (k, i, j) instead of (i, j, k).
    Pixels on an outline are outside; exclusion outlines are cut out after all inclusion outlines were filled.

    Args:
        cluster: the annotations of one lesion.
        scan: gives the slices that k counts; one whose `z_mm` holds just a part of the slices is fine.

    Returns:
        Masks, uint8 [R, K, h, w] with values 0 and 1, and the box in indices (k, i, j) of `scan`.
    """
    ks = [nearest_slices(scan.z_mm, np.array([c.z_mm for c in annotation.contours])) for annotation in cluster]
    points = np.concatenate([contour.points for annotation in cluster for contour in annotation.contours])
    start = (int(min(k.min() for k in ks)), *points.min(axis=0).tolist())
    stop = (int(max(k.max() for k in ks)) + 1, *(points.max(axis=0) + 1).tolist())
    box = Box(start, stop)
    masks = np.zeros((len(cluster), *box.shape), dtype=np.uint8)
    for mask, annotation, k in zip(masks, cluster, ks, strict=True):
        # A stable sort: the database's order matters among the inclusion outlines of a slice.
        for contour, plane in sorted(zip(annotation.contours, k, strict=True), key=lambda pair: not pair[0].included):
            _draw(mask[plane - box.start[0]], contour, corner=box.start[1:])
    return masks, box


def consensus(masks: np.ndarray, level: float) -> np.ndarray:
    """Return the voxels that at least a share `level` of the readers include, uint8 [K, h, w].

    The share counts the readers who outlined the lesion: at 0.5 two of three, but one of two, so that two
    readers' consensus is their union.

    Args:
        masks: readers' masks [R, K, h, w] with values 0 and 1.
        level: share in [0, 1]; the DUE paper uses 0.5 (section 5.1).
    """
    return (masks.mean(axis=0) >= level).astype(np.uint8)


def _draw(plane: np.ndarray, contour: Contour, *, corner: tuple[int, int]) -> None:
    """Fill or cut out one outline in `plane` [h, w], whose first pixel is the scan's pixel `corner` (row, column)."""
    points = contour.points - corner
    low, high = points.min(axis=0), points.max(axis=0) + 1
    window = plane[low[0] : high[0], low[1] : high[1]]
    outline = points - low
    window[_enclosed(outline, window.shape)] = contour.included
    window[tuple(outline.T)] = 0


def _enclosed(outline: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return the pixels inside a polygon [P, 2] (row, column), closed if it is not, as bool [h, w]."""
    closed = outline if (outline[0] == outline[-1]).all() else np.vstack([outline, outline[:1]])
    pixels = np.indices(shape).reshape(2, -1).T
    return Polygon(closed, closed=True).contains_points(pixels).reshape(shape)
