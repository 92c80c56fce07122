"""From the contours of a slice to its mask, and back: a pixel is inside where its centre is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from skimage.measure import find_contours


@dataclass(frozen=True, eq=False)
class Drawn:
    """The mask that the contours of one slice make together.

    Attributes:
        mask: bool [H, W].
        united: number of contours that overlap others in part, of which the union was taken.
        repeated: number of contours that cover just the pixels of another one, of which one counts.
        lost: number of contours without a pixel centre inside, which hold nothing.
    """

    mask: np.ndarray
    united: int = 0
    repeated: int = 0
    lost: int = 0


def fill_polygon(points: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return the pixels whose centres a polygon holds, bool [H, W], by the even-odd rule.

    An edge owns its lower end and not its upper one, so a path that is walked forth and back, as the cut of a keyhole
    is, holds nothing, and of two polygons that share an edge only one holds a centre on it.

    Args:
        points: corners (row, column) in pixels [N, 2]; the last one is joined to the first.
        shape: number of rows and columns.

    >>> fill_polygon(np.array([[0.5, 0.5], [0.5, 2.5], [1.5, 2.5], [1.5, 0.5]]), (3, 4)).astype(int).tolist()
    [[0, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    """
    crossings = np.zeros((shape[0], shape[1] + 1), np.int32)
    for start, stop in zip(points, np.roll(points, -1, axis=0), strict=True):
        # The same numbers whatever way an edge is walked, so that forth and back cancel exactly.
        (low, left), (high, right) = sorted((start.tolist(), stop.tolist()))
        first, last = max(int(np.ceil(low)), 0), min(int(np.ceil(high)), shape[0])
        if first >= last:
            continue
        rows = np.arange(first, last)
        at = left + (rows - low) * ((right - left) / (high - low))
        np.add.at(crossings, (rows, np.clip(np.ceil(at), 0, shape[1]).astype(int)), 1)
    return crossings[:, :-1].cumsum(axis=1) % 2 == 1


def draw_contours(masks: Sequence[np.ndarray], *, exclusive: bool = False) -> Drawn:
    """Return the mask of all contours of a slice: a nested contour is a hole, one in a hole is filled again, and so on.

    Contours that overlap in part are no holes: of them the union is taken. Contours of the same pixels count once.

    Args:
        masks: the pixels that each contour holds alone, bool [H, W].
        exclusive: pixels that an even number of contours holds are outside, whatever their shapes (DICOM's
            CLOSEDPLANAR_XOR).
    """
    held = [mask for mask in masks if mask.any()]
    lost = len(masks) - len(held)
    if exclusive and held:
        return Drawn(np.logical_xor.reduce(held), lost=lost)
    distinct: list[np.ndarray] = []
    for mask in held:
        if not any(np.array_equal(mask, other) for other in distinct):
            distinct.append(mask)
    shapes, united = _united(distinct)
    drawn = np.zeros_like(masks[0]) if masks else np.zeros((0, 0), bool)
    for shape in sorted(shapes, key=np.count_nonzero, reverse=True):
        depth = sum(_inside(shape, other) for other in shapes if other is not shape)
        drawn = drawn & ~shape if depth % 2 else drawn | shape
    return Drawn(drawn, united=united, repeated=len(held) - len(distinct), lost=lost)


def _united(masks: Sequence[np.ndarray]) -> tuple[list[np.ndarray], int]:
    """Return masks of which none overlaps another in part, and how many were united."""
    shapes: list[tuple[np.ndarray, int]] = []
    for mask in masks:
        shape, count = mask, 1
        while partial := [one for one in shapes if _overlap_in_part(one[0], shape)]:
            shapes = [one for one in shapes if not any(one is other for other in partial)]
            shape = np.logical_or.reduce([shape, *(one for one, _ in partial)])
            count += sum(number for _, number in partial)
        shapes.append((shape, count))
    return [shape for shape, _ in shapes], sum(count for _, count in shapes if count > 1)


def _inside(one: np.ndarray, other: np.ndarray) -> bool:
    return not (one & ~other).any()


def _overlap_in_part(one: np.ndarray, other: np.ndarray) -> bool:
    return bool((one & other).any()) and not _inside(one, other) and not _inside(other, one)


def trace(mask: np.ndarray) -> list[np.ndarray]:
    """Return contours (row, column) [N, 2] whose pixel centres are just those of a mask [H, W]: a keyhole per part.

    Contours run half-way between pixels. A hole is joined to its outline by a cut that is walked forth and back, so
    that readers that fill every contour, and those that take nested ones for holes, see the same pixels.
    """
    loops = [loop[:-1] for loop in find_contours(np.pad(mask.astype(np.float32), 1), 0.5, fully_connected="low")]
    loops = [loop - 1 for loop in loops]  # the padding
    outer = [loop for loop in loops if _area(loop) > 0]
    holes = [loop for loop in loops if _area(loop) < 0]
    parts: dict[int, list[np.ndarray]] = {number: [] for number in range(len(outer))}
    filled = [fill_polygon(loop, mask.shape) for loop in outer]
    for hole in holes:
        inner = fill_polygon(hole, mask.shape)
        around = [number for number, one in enumerate(filled) if _inside(inner, one)]
        parts[min(around, key=lambda number: np.count_nonzero(filled[number]))].append(hole)
    return [_keyhole(outer[number], inner) for number, inner in parts.items()]


def _area(loop: np.ndarray) -> float:
    """Return the signed area of a loop in pixels; skimage walks around high values in one sense, holes in the other."""
    row, column = loop.T
    return float(np.dot(np.roll(row, -1), column) - np.dot(row, np.roll(column, -1))) / 2


def _keyhole(outline: np.ndarray, holes: Sequence[np.ndarray]) -> np.ndarray:
    """Join holes to an outline by cuts between near corners, the nearest hole first.

    A cut leads from a corner between two rows to one between two columns: such a line meets no pixel centre, about
    which readers would differ.
    """
    left = list(holes)
    while left:
        gaps = [_gaps(outline, hole) for hole in left]  # [N, M] each
        number = int(np.argmin([gap.min() for gap in gaps]))
        at, start = np.unravel_index(gaps[number].argmin(), gaps[number].shape)
        hole = np.roll(left.pop(number), -start, axis=0)
        outline = np.concatenate([outline[: at + 1], hole, hole[:1], outline[at:]])
    return outline


def _gaps(outline: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """Return the squared lengths [N, M] of the cuts between two loops, infinite for those that may meet a centre."""
    between_rows = [loop[:, 0] % 1 != 0 for loop in (outline, hole)]
    lengths = ((outline[:, None] - hole[None]) ** 2).sum(2)
    return np.where(between_rows[0][:, None] != between_rows[1][None], lengths, np.inf)
