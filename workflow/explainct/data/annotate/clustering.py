"""Which annotations describe the same lesion: pylidc's default clustering, with k-d trees."""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from explainct.data.annotate.lidc_database import Annotation

MOST_READERS = 4
SHRINK = 0.9
SMALLEST_TOLERANCE = 0.1


def cluster_annotations(annotations: Sequence[Annotation], slice_thickness: float) -> list[tuple[Annotation, ...]]:
    """Group the annotations of one scan by lesion, exactly as `pylidc.Scan.cluster_annotations()` does.

    Two annotations are linked when their outlines come within a tolerance of each other; lesions are the connected
    groups. LIDC has four readers, so while a group is larger, the tolerance shrinks by a tenth, down to 0.1.

    pylidc compares the slice thickness in mm with distances in index units (pixels and slices). That is kept,
    since the published counts of LIDC lesions, the DUE paper's 2,625 among them, follow from it.

    Args:
        annotations: all annotations of a scan.
        slice_thickness: thickness of its slices in mm, the first tolerance.

    Returns:
        Lesions by ascending mean z; the annotations of each in the given order.
    """
    if not annotations:
        return []
    outlines = [_outline(annotation) for annotation in annotations]
    distances = _distances(outlines, slice_thickness)
    labels = _components(distances, slice_thickness)
    mean_k = np.array([outline[:, 0].mean() for outline in outlines])
    members = [np.flatnonzero(labels == label) for label in range(labels.max() + 1)]
    members.sort(key=lambda group: np.mean(mean_k[group]))
    return [tuple(annotations[index] for index in group) for group in members]


def _outline(annotation: Annotation) -> np.ndarray:
    """Return all outline points of an annotation, int [P, 3] as (k, i, j)."""
    points = np.concatenate([contour.points for contour in annotation.contours])
    k = np.repeat([contour.k for contour in annotation.contours], [len(c.points) for c in annotation.contours])
    return np.column_stack([k, points])


def _distances(outlines: list[np.ndarray], limit: float) -> np.ndarray:
    """Return the least distance between the outlines, float [N, N]; what lies beyond `limit` is infinite.

    Most neighbours share a voxel, which takes no search to find.
    """
    distances = np.where(_share_a_voxel(outlines), 0.0, np.inf)
    low = np.array([outline.min(axis=0) for outline in outlines])
    high = np.array([outline.max(axis=0) for outline in outlines])
    gaps = np.maximum(0, np.maximum(low[:, None] - high, low - high[:, None]))
    near = (np.linalg.norm(gaps, axis=-1) <= limit) & (distances > 0)
    for a, b in zip(*np.nonzero(np.triu(near)), strict=True):
        distances[a, b] = distances[b, a] = cKDTree(outlines[a]).query(outlines[b])[0].min()
    return distances


def _share_a_voxel(outlines: list[np.ndarray]) -> np.ndarray:
    """Return which outlines have a voxel in common, bool [N, N]."""
    lengths = [len(outline) for outline in outlines]
    points = np.concatenate(outlines)
    voxels = np.ravel_multi_index(tuple(points.T), tuple(points.max(axis=0) + 1))
    rows = np.repeat(np.arange(len(outlines)), lengths)
    _, columns = np.unique(voxels, return_inverse=True)
    holds = csr_array((np.ones(len(points), dtype=np.int64), (rows, columns)))
    return (holds @ holds.T).toarray() > 0


def _components(distances: np.ndarray, tolerance: float) -> np.ndarray:
    """Return the group of each annotation, int [N], at the largest tolerance that makes no group too large."""
    while True:
        labels = connected_components(distances <= tolerance, directed=False)[1]
        tolerance *= SHRINK
        if np.bincount(labels).max() <= MOST_READERS or tolerance < SMALLEST_TOLERANCE:
            return labels
