"""Fill the gaps between a lesion's annotated slices, by a model that was shipped or by signed distances."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch

from explainct.data.annotate.formats.outlines import Outlines
from explainct.data.ingest.user_scan import Scan
from explainct.due.interpolation.classical import signed_distance
from explainct.due.interpolation.gaps import Gap, gap_between
from explainct.due.interpolation.hidden_slices import PAD
from explainct.due.interpolation.slice_patches import LesionPatches, choose_place, from_patches, to_patches
from explainct.due.uncertainty.fill_gaps import Filler
from explainct.runtime.volume import Box

LARGEST_PATCH = 112
"""Largest edge of a patch in pixels, as the shipped models were trained; larger lesions are shrunk for them."""

INSIDE = 0.5
"""Probability from which on a voxel counts as lesion."""


@dataclass(frozen=True, eq=False)
class Missing:
    """Slices of one lesion to be filled, between two of its annotated ones.

    Attributes:
        kept: numbers of the annotated slices that may be seen, ascending.
        lower: place in `kept` of the slice below.
        slices: slices of the scan, int [M].
        z_mm: their positions in mm [M].
    """

    kept: tuple[int, ...]
    lower: int
    slices: np.ndarray
    z_mm: np.ndarray


@dataclass(frozen=True, eq=False)
class Lesion:
    """A lesion's annotated slices on a box of the scan with a margin in which filled slices may grow.

    Attributes:
        outlines: what was read.
        box: from the first to the last annotated slice.
        known: what is outlined, bool [A, h, w] over the box.
        z_mm: positions of the annotated slices in mm [A].
        all_z_mm: positions of all slices of the box in mm [K].
        spacing: size (y, x) of a pixel in mm.
    """

    outlines: Outlines
    box: Box
    known: np.ndarray
    z_mm: np.ndarray
    all_z_mm: np.ndarray
    spacing: tuple[float, float]

    @property
    def annotated(self) -> np.ndarray:
        """Numbers of the annotated slices in the box [A]."""
        return self.outlines.slices - self.box.start[0]

    def gaps(self) -> list[Missing]:
        """Return what lies between neighbouring annotated slices, where anything does."""
        kept = tuple(range(len(self.known)))
        places = (np.arange(below + 1, above) for below, above in pairwise(self.annotated))
        return [
            Missing(kept, lower, slices, self.all_z_mm[slices]) for lower, slices in enumerate(places) if len(slices)
        ]

    def hidden(self) -> list[Missing]:
        """Return each outlined slice between two others as if it were missing."""
        inner = [a for a in range(1, len(self.known) - 1) if self.known[a].any()]
        kept = {a: tuple(b for b in range(len(self.known)) if b != a) for a in inner}
        return [Missing(kept[a], a - 1, self.annotated[[a]], self.z_mm[[a]]) for a in inner]


def lesion_on(outlines: Outlines, scan: Scan) -> Lesion:
    """Return a lesion's annotated slices with a margin of 4 pixels, cut at the edges of the scan."""
    tight = outlines.box
    grown = Box(
        (tight.start[0], tight.start[1] - PAD, tight.start[2] - PAD),
        (tight.stop[0], tight.stop[1] + PAD, tight.stop[2] + PAD),
    )
    box = grown.overlap(Box((0, 0, 0), scan.shape))
    before = (tight.start[1] - box.start[1], tight.start[2] - box.start[2])
    after = (box.stop[1] - tight.stop[1], box.stop[2] - tight.stop[2])
    known = np.pad(outlines.masks, ((0, 0), (before[0], after[0]), (before[1], after[1])))
    z_mm = scan.z_mm[box.slices[0]]
    _, y, x = scan.geometry.spacing.tolist()
    return Lesion(outlines, box, known, scan.z_mm[outlines.slices], z_mm, (y, x))


def fill_by_model(
    lesions: Sequence[Lesion], missing: Sequence[Sequence[Missing]], filler: Filler, generator: torch.Generator
) -> list[list[tuple[np.ndarray, np.ndarray]]]:
    """Return mean and variance [M, h, w] over each lesion's box of its missing slices, all lesions in few passes.

    Args:
        lesions: the lesions.
        missing: what is to be filled, by lesion.
        filler: the model, see `load_filler`.
        generator: random stream of the model.
    """
    patches = [_patches(lesion) for lesion in lesions]
    gaps: list[Gap] = [
        gap_between(patch, one.kept, one.lower, one.z_mm)
        for patch, parts in zip(patches, missing, strict=True)
        for one in parts
    ]
    answers = iter(filler(gaps, generator) if gaps else [])
    filled = []
    for lesion, patch, parts in zip(lesions, patches, missing, strict=True):
        lines = tuple(np.arange(size) for size in lesion.known.shape[1:])
        own = [next(answers) for _ in parts]
        filled.append([tuple(from_patches(part, patch.place, *lines) for part in one[:2]) for one in own])
    return filled


def fill_by_distance(lesion: Lesion, missing: Missing, *, bias: float) -> np.ndarray:
    """Return missing slices [M, h, w] in [0, 1] by blended signed distances, on the pixels of the scan.

    Args:
        lesion: the lesion.
        missing: what is to be filled.
        bias: how far outlines are moved outwards, in pixels.
    """
    pair = [missing.kept[missing.lower], missing.kept[missing.lower + 1]]
    below, above = lesion.z_mm[pair]
    # Rounded, or slices half-way would be decided by rounding errors of their positions.
    t = np.round((missing.z_mm - below) / (above - below), 3)
    return signed_distance(lesion.known[pair].astype(np.float32), t, bias=bias)


def _patches(lesion: Lesion) -> LesionPatches:
    """Return the annotated slices as patches around their outlines, as the models see them."""
    rows, columns = (np.flatnonzero(lesion.known.any((0, axis))) for axis in (2, 1))
    (top, bottom), (left, right) = ((int(line[0]), int(line[-1]) + 1) for line in (rows, columns))
    place, size = choose_place((bottom - top, right - left), lesion.spacing, LARGEST_PATCH)
    place = replace(place, first_row=place.first_row + top, first_column=place.first_column + left)
    patches = to_patches(lesion.known, place, size)
    pixel_mm = place.row_step * lesion.spacing[0]
    one_reader = np.zeros_like(patches)
    return LesionPatches(lesion.outlines.lesion, patches, lesion.z_mm, pixel_mm, "", place, one_reader)
