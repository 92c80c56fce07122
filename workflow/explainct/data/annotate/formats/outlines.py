"""What a reader outlined of one lesion on the slices of a scan: the form that all annotation formats are read into."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import binary_fill_holes, label

from explainct.runtime.volume import Box

NEIGHBOURS = np.ones((3, 3), bool)
"""Pixels that touch at a corner belong to one outline."""


@dataclass(frozen=True, eq=False)
class Outlines:
    """The annotated slices of one lesion; a slice that is not listed is unknown, one without a pixel is known empty.

    Attributes:
        lesion: name of the lesion, as the file has it.
        slices: annotated slices, int [A], ascending indices of the scan.
        masks: what is outlined on them, bool [A, h, w].
        corner: row and column of the scan at which the masks begin.
        key: what the file calls it: number of the ROI or segment, value of the label map, or name.
    """

    lesion: str
    slices: np.ndarray
    masks: np.ndarray
    corner: tuple[int, int]
    key: Any = None

    @property
    def box(self) -> Box:
        """The smallest box of the scan from the first to the last annotated slice that holds all masks."""
        h, w = self.masks.shape[1:]
        row, column = self.corner
        return Box((int(self.slices[0]), row, column), (int(self.slices[-1]) + 1, row + h, column + w))


@dataclass(frozen=True, eq=False)
class Annotation:
    """What one file holds.

    Attributes:
        path: the file.
        format: `rtstruct`, `seg`, `nifti`, `nrrd` or `csv`.
        outlines: its lesions, in the order of the file; several parts may have one `key`.
        notes: what was passed over or decided, a sentence each.
    """

    path: Path
    format: str
    outlines: list[Outlines]
    notes: list[str] = field(default_factory=list)


def gather(lesion: str, planes: Mapping[int, np.ndarray], key: Any = None) -> Outlines | None:
    """Return the outlines of a lesion from whole slices; None where none of them holds a pixel.

    Empty slices before the first and after the last outlined one say nothing of what lies between outlines, and are
    left out.

    Args:
        lesion: its name.
        planes: masks, bool [H, W], by slice of the scan.
        key: what the file calls it.
    """
    filled = sorted(k for k, plane in planes.items() if plane.any())
    if not filled:
        return None
    slices = np.array([k for k in sorted(planes) if filled[0] <= k <= filled[-1]])
    footprint = np.logical_or.reduce([planes[k] for k in filled])  # [H, W]
    rows, columns = (np.flatnonzero(footprint.any(axis)) for axis in (1, 0))
    window = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    masks = np.stack([planes[k][window] for k in slices])
    return Outlines(lesion, slices, masks, (int(rows[0]), int(columns[0])), key)


def only_slices(outlines: Outlines, wanted: Sequence[int]) -> Outlines | None:
    """Return the outlines on the slices that were annotated by the user's word: a listed slice without a mask is empty.

    Args:
        outlines: what the file holds.
        wanted: annotated slices, in indices of the scan.
    """
    empty = np.zeros(outlines.masks.shape[1:], bool)
    masks = dict(zip(outlines.slices.tolist(), outlines.masks, strict=True))
    found = gather(outlines.lesion, {k: masks.get(k, empty) for k in wanted}, outlines.key)
    if found is None:
        return None
    row, column = outlines.corner
    return replace(found, corner=(row + found.corner[0], column + found.corner[1]))


def split_lesions(outlines: Outlines) -> list[Outlines]:
    """Return the lesions that one name holds, the one with the lowest first slice first.

    Outlines of one slice are apart where they do not touch and none lies in a hole of the other; those of neighbouring
    annotated slices belong together where they overlap, holes included. A lesion has the annotated slices from its
    first outline to its last.
    """
    labels = [label(binary_fill_holes(mask), NEIGHBOURS)[0] for mask in outlines.masks]
    group = {(a, part): (a, part) for a, plane in enumerate(labels) for part in range(1, plane.max() + 1)}

    def root(node: tuple[int, int]) -> tuple[int, int]:
        """Return the representative of an outline's lesion."""
        while group[node] != node:
            node = group[node]
        return node

    for a, (below, above) in enumerate(pairwise(labels)):
        both = (below > 0) & (above > 0)
        for one, other in np.unique(np.stack([below[both], above[both]], axis=1), axis=0).tolist():
            first, second = sorted((root((a, one)), root((a + 1, other))))
            group[second] = first
    lesions: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for node in group:
        lesions.setdefault(root(node), []).append(node)
    if len(lesions) == 1:
        return [outlines]
    return [_part(outlines, labels, nodes, number) for number, nodes in enumerate(lesions.values(), start=1)]


def _part(outlines: Outlines, labels: Sequence[np.ndarray], nodes: Sequence[tuple[int, int]], number: int) -> Outlines:
    """Return one of several lesions of a name, with a number behind the name."""
    first, last = min(a for a, _ in nodes), max(a for a, _ in nodes)
    planes = {
        int(outlines.slices[a]): np.isin(labels[a], [part for at, part in nodes if at == a]) & outlines.masks[a]
        for a in range(first, last + 1)
    }
    part = gather(f"{outlines.lesion} {number}", planes, outlines.key)
    row, column = outlines.corner
    return replace(part, corner=(row + part.corner[0], column + part.corner[1]))
