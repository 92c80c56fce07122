"""Gaps between two annotated slices: with known slices inside, for teaching and for scoring."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch

from due.interpolate.frames import LesionFrames


@dataclass(frozen=True, eq=False)
class Gap:
    """Two slices with the known slices between them.

    Attributes:
        lesion_id: name of the lesion.
        contexts: the slice below and the slice above, float32 [2, S, S] in [0, 1].
        gap_mm: distance between the contexts in mm.
        pixel_mm: in-plane distance between pixels in mm.
        t: relative position of each slice in the gap, float32 [M], strictly in (0, 1), ascending.
        truth: the slices in the gap, float32 [M, S, S] in [0, 1].
    """

    lesion_id: str
    contexts: np.ndarray
    gap_mm: float
    pixel_mm: float
    t: np.ndarray
    truth: np.ndarray


class Batch(NamedTuple):
    """Training examples: B slices to predict and what is known of each.

    Attributes:
        target: the slice between, float32 [B, S, S] in [0, 1].
        contexts: the two slices around it, float32 [B, 2, S, S] in [0, 1].
        t: its relative position, float32 [B], strictly in (0, 1).
        gap_mm: distance between the contexts, float32 [B] in mm.
        pixel_mm: in-plane distance between pixels, float32 [B] in mm.
    """

    target: torch.Tensor
    contexts: torch.Tensor
    t: torch.Tensor
    gap_mm: torch.Tensor
    pixel_mm: torch.Tensor

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on `device`."""
        return Batch(*(tensor.to(device) for tensor in self))


class GapDataset:
    """Training triplets: slices i < j < l of a lesion's annotated slices, at most `max_gap` slices from i to l.

    Patients are drawn with equal chances, then a lesion, the length of the pair, the pair, and the slice between.
    Lesions with fewer than three annotated slices teach nothing and are left out.

    Args:
        frames: the lesions that may teach.
        max_gap: longest distance between the two contexts in slices, at least 2.
    """

    def __init__(self, frames: Sequence[LesionFrames], max_gap: int) -> None:
        self.max_gap = max_gap
        self._by_patient: dict[str, list[LesionFrames]] = {}
        for lesion in frames:
            if len(lesion.frames) > 2:
                self._by_patient.setdefault(lesion.patient_id, []).append(lesion)
        self._patients = sorted(self._by_patient)

    @property
    def lesions(self) -> list[LesionFrames]:
        """The lesions that teach, by patient."""
        return [lesion for patient in self._patients for lesion in self._by_patient[patient]]

    def __len__(self) -> int:
        """Number of different triplets."""
        return sum(
            (len(lesion.frames) - length) * (length - 1)
            for lesion in self.lesions
            for length in range(2, self._longest(lesion) + 1)
        )

    def _longest(self, lesion: LesionFrames) -> int:
        return min(self.max_gap, len(lesion.frames) - 1)

    def batch(self, size: int, generator: np.random.Generator) -> Batch:
        """Draw `size` triplets, each flipped, transposed and reversed at random."""
        examples = [self._example(generator) for _ in range(size)]
        columns = zip(*examples, strict=True)
        return Batch(*(torch.from_numpy(np.stack(column).astype(np.float32)) for column in columns))

    def _example(self, generator: np.random.Generator) -> tuple[np.ndarray | float, ...]:
        """Draw one triplet: target [S, S], contexts [2, S, S], t, gap in mm, pixel in mm."""
        candidates = self._by_patient[self._patients[generator.integers(len(self._patients))]]
        lesion = candidates[generator.integers(len(candidates))]
        length = int(generator.integers(2, self._longest(lesion) + 1))
        first = int(generator.integers(len(lesion.frames) - length))
        gap = _gap(lesion, first, first + length)
        inside = int(generator.integers(length - 1))
        target, contexts = augment(gap.truth[inside], gap.contexts, generator)
        t = float(gap.t[inside])
        # Nothing distinguishes up from down, so a reversed pair is an example as good.
        if generator.random() < 0.5:
            contexts, t = contexts[::-1], 1 - t
        return target, contexts, t, gap.gap_mm, gap.pixel_mm


def augment(target: np.ndarray, contexts: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return target [S, S] and contexts [2, S, S] in one of the eight orientations of a square, drawn at random."""
    stack = np.concatenate([target[None], contexts])
    flip_rows, flip_columns, transpose = generator.random(3) < 0.5
    if flip_rows:
        stack = stack[:, ::-1]
    if flip_columns:
        stack = stack[:, :, ::-1]
    if transpose:
        stack = stack.swapaxes(1, 2)
    return stack[0], stack[1:]


def hold_out_gaps(frames: Sequence[LesionFrames], every: int) -> list[Gap]:
    """Return the gaps that open when only every `every`-th annotated slice of each lesion is kept.

    Slices 0, `every`, 2 `every`, ... are kept, those between are hidden and become the truth; slices after the last
    kept one are left out.

    Args:
        frames: lesions with all their annotated slices.
        every: step between kept slices, at least 2.
    """
    return [
        _gap(lesion, first, last) for lesion in frames for first, last in pairwise(range(0, len(lesion.frames), every))
    ]


def _gap(lesion: LesionFrames, first: int, last: int) -> Gap:
    """Return the gap between two annotated slices, given by their numbers among the annotated ones."""
    inside = slice(first + 1, last)
    z = lesion.z_mm
    return Gap(
        lesion_id=lesion.lesion_id,
        contexts=lesion.frames[[first, last]],
        gap_mm=float(z[last] - z[first]),
        pixel_mm=lesion.pixel_mm,
        t=((z[inside] - z[first]) / (z[last] - z[first])).astype(np.float32),
        truth=lesion.frames[inside],
    )
