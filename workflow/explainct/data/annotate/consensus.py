"""Readers' outlines as voxel masks, and their consensus, by pylidc's pixel rule."""

from collections.abc import Sequence

import numpy as np

from explainct.data.annotate.lidc_database import Annotation, Contour, Scan, nearest_slices
from explainct.runtime.volume import Box


def reader_masks(cluster: Sequence[Annotation], scan: Scan) -> tuple[np.ndarray, Box]:
    """Return each reader's mask over the union box of all readers' outline points.

    Masks and box are those of `pylidc.utils.consensus` without padding, with axes (k, i, j) instead of (i, j, k).
    Pixels on an outline are outside; exclusion outlines are cut out after all inclusion outlines were filled.

    Args:
        cluster: the annotations of one lesion.
        scan: gives the slices that k counts; one whose `z_mm` holds just a part of the slices is fine.

    Returns:
        Masks, uint8 [R, K, h, w] with values 0 and 1, and the box in indices (k, i, j) of `scan`.

    >>> outline = np.array([[5, 5], [5, 6], [5, 7], [5, 8], [6, 8], [7, 8], [7, 7], [7, 6], [7, 5], [6, 5]])
    >>> contour = Contour(z_mm=2.0, included=True, points=outline, file_name="", k=1)
    >>> scan = Scan(1, "P1", "1.2", "1.3", 2.0, 1.0, z_mm=np.array([0.0, 2.0, 4.0]))
    >>> masks, box = reader_masks([Annotation(1, 1, {}, (contour,))], scan)
    >>> masks[0, 0]
    array([[0, 0, 0, 0],
           [0, 1, 1, 0],
           [0, 0, 0, 0]], dtype=uint8)
    >>> box
    Box(start=(1, 5, 5), stop=(2, 8, 9))
    """
    owned = [(reader, contour) for reader, annotation in enumerate(cluster) for contour in annotation.contours]
    # A stable sort: the database's order matters among the inclusion outlines of a slice.
    owned.sort(key=lambda pair: not pair[1].included)
    contours = [contour for _, contour in owned]
    k, box = _slices_of(contours, scan), outline_box(cluster, scan)
    masks = np.zeros((len(cluster), *box.shape), dtype=np.uint8)
    corner = np.array(box.start[1:])
    _draw(masks, contours, np.array([reader for reader, _ in owned]), k - box.start[0], corner=corner)
    return masks, box


def outline_box(cluster: Sequence[Annotation], scan: Scan, *, without: Sequence[int] = ()) -> Box:
    """Return the union box of all readers' outline points, in indices (k, i, j) of `scan`.

    Args:
        cluster: the annotations of one lesion.
        scan: gives the slices that k counts, as for `reader_masks`.
        without: slices k whose outlines do not count; not all that are outlined.
    """
    contours = [contour for annotation in cluster for contour in annotation.contours]
    k = _slices_of(contours, scan)
    counts = ~np.isin(k, without)
    points = np.concatenate([contour.points for contour, one in zip(contours, counts, strict=True) if one])
    start = (int(k[counts].min()), *points.min(axis=0).tolist())
    stop = (int(k[counts].max()), *points.max(axis=0).tolist())
    return Box(start, tuple(np.add(stop, 1).tolist()))


def _slices_of(contours: Sequence[Contour], scan: Scan) -> np.ndarray:
    """Return the slice of a scan on which each outline lies [C]."""
    return nearest_slices(scan.z_mm, np.array([contour.z_mm for contour in contours]))


def consensus(masks: np.ndarray, level: float) -> np.ndarray:
    """Return the voxels that at least a share `level` of the readers include, uint8 [K, h, w].

    The share counts the readers who outlined the lesion: at 0.5 two of three, but one of two, so that two
    readers' consensus is their union.

    Args:
        masks: readers' masks [R, K, h, w] with values 0 and 1.
        level: share in [0, 1]; the DUE paper uses 0.5 (section 5.1).

    >>> three_readers = np.array([[1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0]]).reshape(3, 1, 1, 4)
    >>> consensus(three_readers, 0.5).tolist()
    [[[1, 1, 0, 0]]]
    """
    return (masks.mean(axis=0) >= level).astype(np.uint8)


def _draw(
    masks: np.ndarray, contours: Sequence[Contour], reader: np.ndarray, plane: np.ndarray, *, corner: np.ndarray
) -> None:
    """Fill or cut out all outlines in `masks` [R, K, h, w], whose first pixel is the scan's pixel `corner`.

    Outlines on different planes cannot touch, so the first outlines of all planes are drawn at once, then the second
    ones of the few planes that have several.

    Args:
        masks: changed in place.
        contours: the outlines [C] in drawing order.
        reader: index into `masks` of each outline's reader [C].
        plane: index into `masks` of each outline's slice [C].
        corner: pixel (row, column).
    """
    lengths = np.array([len(contour.points) for contour in contours])
    points = np.concatenate([contour.points for contour in contours]) - corner
    owner = np.repeat(np.arange(len(contours)), lengths)
    following = np.arange(1, len(points) + 1)
    stops = np.cumsum(lengths)
    following[stops - 1] = stops - lengths  # an outline ends where it began
    shape = (len(contours), *masks.shape[2:])
    inside = _enclosed(owner, points, points[following], shape)
    drawn = np.zeros(shape, dtype=bool)
    drawn[owner, points[:, 0], points[:, 1]] = True
    included = np.array([contour.included for contour in contours])
    turn = _turns(reader * masks.shape[1] + plane)
    for number in range(turn.max() + 1):
        now = np.flatnonzero(turn == number)
        target = masks[reader[now], plane[now]]
        filled = np.where(inside[now], included[now, None, None], target)
        masks[reader[now], plane[now]] = np.where(drawn[now], 0, filled)


def _turns(groups: np.ndarray) -> np.ndarray:
    """Return how many earlier elements of `groups` [C] equal each element, [C]."""
    order = np.argsort(groups, kind="stable")
    first = np.searchsorted(groups[order], groups[order])
    turns = np.empty(len(groups), dtype=int)
    turns[order] = np.arange(len(groups)) - first
    return turns


def _enclosed(owner: np.ndarray, start: np.ndarray, stop: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Return the pixels inside each polygon by the even-odd rule, bool [C, h, w].

    A pixel is inside if an odd number of edges crosses its column below it. Pixels that lie on an edge count like
    matplotlib's `contains_points`, which pylidc uses, counts them: only edges that run to higher columns include them.

    Args:
        owner: polygon of each edge [E].
        start: first point of each edge, integer [E, 2] as (row, column).
        stop: last point of each edge [E, 2].
        shape: number of polygons, and height and width of their plane.
    """
    width = stop[:, 1] - start[:, 1]
    rows = stop[:, 0] - start[:, 0]
    # An edge crosses the columns (low, high]; one crossing each, most edges have one or none.
    count = np.abs(width)
    edge = np.repeat(np.arange(len(width)), count)
    step = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count)
    column = np.minimum(start[:, 1], stop[:, 1])[edge] + 1 + step
    up = width[edge] > 0
    rise = rows[edge] * (column - start[edge, 1])
    # The last row that lies above the crossing, or on it for edges that run to higher columns.
    last = start[edge, 0] + np.where(up, rise // np.where(up, width[edge], 1), -(-rise // width[edge]) - 1)
    valid = last >= 0
    flat = np.ravel_multi_index((owner[edge[valid]], last[valid], column[valid]), shape)
    crossings = np.bincount(flat, minlength=int(np.prod(shape))).reshape(shape)
    return (np.cumsum(crossings[:, ::-1], axis=1)[:, ::-1] % 2).astype(bool)
