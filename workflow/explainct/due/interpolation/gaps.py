"""Describe gaps: target slices, and the four annotated slices around them, their context slices."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import pairwise

import numpy as np
import torch

from explainct.due.interpolation.slice_patches import LesionPatches

CONTEXT_SLICES = 4
"""Annotated slices that are looked at: two below the gap and two above it, in ascending z."""
BELOW, ABOVE = 1, 2
"""Places of the two context slices that bound the gap."""


@dataclass(frozen=True, eq=False)
class Gap:
    """Target slices between two annotated slices, and what is known around them.

    Attributes:
        lesion_id: name of the lesion.
        contexts: the four context slices, float32 [4, S, S] in [0, 1]; 0 where the lesion has no such slice.
        fields: their signed distance fields, float32 [4, S, S] in [-1, 1]; 0 where there is no slice.
        disagreement: share of readers minus contexts, float32 [4, S, S] in [-1, 1]; 0 where there is no slice.
        context_z: their positions in mm, float64 [4]; 0 where there is no slice.
        shown: which context slices the lesion has, bool [4].
        pixel_mm: size of a patch pixel in mm.
        z: positions of the target slices in mm, float64 [M], ascending, between the two inner context slices (beyond
            them where the published query times are asked).
        truth: the target slices where they are known, float32 [M, S, S] in [0, 1]; else None.
    """

    lesion_id: str
    contexts: np.ndarray
    fields: np.ndarray
    disagreement: np.ndarray
    context_z: np.ndarray
    shown: np.ndarray
    pixel_mm: float
    z: np.ndarray
    truth: np.ndarray | None

    @property
    def size(self) -> int:
        """Edge of the patches in pixels, S."""
        return self.contexts.shape[-1]

    @property
    def t(self) -> np.ndarray:
        """Relative positions of the target slices between the two inner context slices [M], strictly in (0, 1)."""
        low, high = self.context_z[BELOW], self.context_z[ABOVE]
        return (self.z - low) / (high - low)


@dataclass(frozen=True)
class Surroundings:
    """What is known around N target slices of one patch size.

    Attributes:
        fields: signed distance fields of the contexts [N, 4, S, S] in [-1, 1].
        disagreement: share of readers who outlined a pixel, minus the consensus [N, 4, S, S] in [-1, 1].
        context_z: their positions in mm [N, 4].
        shown: which of them are shown, bool [N, 4]; the others must not matter.
        z: position of each target slice in mm [N].
        pixel_mm: size of a patch pixel in mm [N].
    """

    fields: torch.Tensor
    disagreement: torch.Tensor
    context_z: torch.Tensor
    shown: torch.Tensor
    z: torch.Tensor
    pixel_mm: torch.Tensor

    def __len__(self) -> int:
        return len(self.z)

    def __getitem__(self, rows: torch.Tensor | slice) -> "Surroundings":
        """Return those of some target slices."""
        return Surroundings(*(getattr(self, field.name)[rows] for field in fields(self)))

    def to(self, device: torch.device) -> "Surroundings":
        """Return the same on `device`."""
        return Surroundings(*(getattr(self, field.name).to(device) for field in fields(self)))


def gap_between(
    lesion: LesionPatches, kept: Sequence[int], lower: int, z: np.ndarray, truth: np.ndarray | None = None
) -> Gap:
    """Return the gap above the annotated slice `kept[lower]`.

    Args:
        lesion: the lesion's patches.
        kept: numbers of the slices that may be seen, ascending.
        lower: place in `kept` of the slice below the gap.
        z: positions of the target slices in mm [M].
        truth: the target slices [M, S, S], where they are known.
    """
    places = lower + np.arange(CONTEXT_SLICES) - BELOW
    shown = (places >= 0) & (places < len(kept))
    slices = np.asarray(kept)[places.clip(0, len(kept) - 1)]
    mask = shown[:, None, None]  # [4, 1, 1]
    return Gap(
        lesion_id=lesion.lesion_id,
        contexts=lesion.patches[slices] * mask,
        fields=lesion.fields[slices] * mask,
        disagreement=lesion.disagreement[slices] * mask,
        context_z=lesion.z_mm[slices] * shown,
        shown=shown,
        pixel_mm=lesion.pixel_mm,
        z=z,
        truth=truth,
    )


def hold_out_gaps(patches: Sequence[LesionPatches], every: int) -> list[Gap]:
    """Return the gaps that open when only every `every`-th annotated slice of each lesion is kept.

    Slices 0, `every`, 2 `every`, ... are kept, those between are hidden and become the truth; slices after the last
    kept one are left out.

    Args:
        patches: lesions with all their annotated slices.
        every: step between kept slices, at least 2.
    """
    gaps = []
    for lesion in patches:
        kept = range(0, len(lesion.patches), every)
        for lower, (first, last) in enumerate(pairwise(kept)):
            hidden = slice(first + 1, last)
            gaps.append(gap_between(lesion, kept, lower, lesion.z_mm[hidden], lesion.patches[hidden]))
    return gaps


def surroundings(gaps: Sequence[Gap]) -> Surroundings:
    """Return what is known around all target slices of gaps of one patch size, gap after gap."""
    rows = np.repeat(np.arange(len(gaps)), [len(gap.z) for gap in gaps])  # [N], the gap of each target slice
    return Surroundings(
        fields=torch.from_numpy(np.stack([gap.fields for gap in gaps])[rows]),  # [G, 4, S, S] to [N, 4, S, S]
        disagreement=torch.from_numpy(np.stack([gap.disagreement for gap in gaps])[rows]),
        context_z=torch.from_numpy(np.stack([gap.context_z for gap in gaps])[rows]).float(),
        shown=torch.from_numpy(np.stack([gap.shown for gap in gaps])[rows]),
        z=torch.from_numpy(np.concatenate([gap.z for gap in gaps])).float(),
        pixel_mm=torch.tensor([gap.pixel_mm for gap in gaps], dtype=torch.float32)[torch.from_numpy(rows)],
    )


def by_size(gaps: Sequence[Gap]) -> dict[int, list[int]]:
    """Return the numbers of the gaps of each patch size, smallest size first."""
    numbers: dict[int, list[int]] = {}
    for number, gap in enumerate(gaps):
        numbers.setdefault(gap.size, []).append(number)
    return dict(sorted(numbers.items()))
