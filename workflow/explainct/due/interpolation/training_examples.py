"""List the training examples of the learned interpolators: annotated slices that are hidden and must be filled in."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch

from explainct.due.interpolation.gaps import BELOW, CONTEXT_SLICES, Surroundings
from explainct.due.interpolation.slice_patches import LesionPatches

REFERENCE_EDGE = 32
"""Edge in pixels of the patches that the setting `batch_size` counts; batches of larger patches are smaller."""
SMALLEST_BATCH = 4
FEWEST_SLICES = 3
"""Annotated slices that a lesion must have to teach: one to hide, and one on each side."""


class Batch(NamedTuple):
    """Training examples of one patch size.

    Attributes:
        target: the hidden slices [B, S, S] in [0, 1].
        around: what is known of them.
    """

    target: torch.Tensor
    around: Surroundings

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on `device`."""
        return Batch(self.target.to(device), self.around.to(device))


@dataclass(frozen=True)
class _Group:
    """All examples of one size: slices by their number in `patches`, `fields`, `disagreement` [n, S, S]; -1: none."""

    patches: torch.Tensor
    fields: torch.Tensor
    disagreement: torch.Tensor
    hidden: torch.Tensor
    context_slices: torch.Tensor
    context_z: torch.Tensor
    z: torch.Tensor
    pixel_mm: torch.Tensor

    def batch(self, rows: torch.Tensor) -> Batch:
        """Return the examples in `rows` [B]."""
        context_slices = self.context_slices[rows]  # [B, 4]
        shown = context_slices >= 0
        fields, disagreement = (
            # [n, S, S] by [B, 4] to [B, 4, S, S]
            values[context_slices.clamp(min=0)] * shown[:, :, None, None]
            for values in (self.fields, self.disagreement)
        )
        around = Surroundings(fields, disagreement, self.context_z[rows], shown, self.z[rows], self.pixel_mm[rows])
        return Batch(self.patches[self.hidden[rows]], around)


class Examples:
    """Every slice that is hidden when every d-th annotated slice of a lesion is kept, d = 2, ..., `max_gap`.

    Slices are kept from the lowest and from the highest one on. All examples are drawn with equal chances, each batch
    from one patch size. Lesions with fewer than three annotated slices teach nothing and are left out.

    Args:
        patches: the lesions that may teach.
        max_gap: longest distance between kept slices in slices, at least 2.
    """

    def __init__(self, patches: Sequence[LesionPatches], max_gap: int) -> None:
        self.lesions = [lesion for lesion in patches if len(lesion.patches) >= FEWEST_SLICES]
        sizes = sorted({lesion.size for lesion in self.lesions})
        self._groups = {
            size: _group([lesion for lesion in self.lesions if lesion.size == size], max_gap) for size in sizes
        }

    def __len__(self) -> int:
        """Number of different examples."""
        return sum(len(group.z) for group in self._groups.values())

    def digest(self) -> str:
        """Return a hash of all slices and their places, so that a checkpoint of others is not gone on from."""
        content = hashlib.sha256()
        for group in self._groups.values():
            for field in fields(group):
                values = getattr(group, field.name)
                content.update(f"{field.name} {tuple(values.shape)}".encode() + values.numpy().tobytes())
        return content.hexdigest()

    def batch(self, count: int, generator: np.random.Generator) -> Batch:
        """Draw as many examples of one size as have the pixels of `count` patches of 32 x 32, at least 4."""
        sizes = list(self._groups)
        counts = np.array([max(count * REFERENCE_EDGE**2 // size**2, SMALLEST_BATCH) for size in sizes])
        # Sizes are drawn so that an example's chance does not depend on its size.
        chances = np.array([len(self._groups[size].z) for size in sizes]) / counts
        which = int(generator.choice(len(sizes), p=chances / chances.sum()))
        group = self._groups[sizes[which]]
        return group.batch(torch.from_numpy(generator.integers(len(group.z), size=int(counts[which]))))


def _group(lesions: Sequence[LesionPatches], max_gap: int) -> _Group:
    """Return the examples of lesions of one patch size."""
    hidden, context_slices, context_z, z, pixel_mm = [], [], [], [], []
    first = 0
    for lesion in lesions:
        for number, around in _hidden_slices(len(lesion.patches), max_gap):
            here = np.array(around)
            hidden.append(first + number)
            context_slices.append(np.where(here >= 0, first + here, -1))
            context_z.append(np.where(here >= 0, lesion.z_mm[here], 0))
            z.append(lesion.z_mm[number])
            pixel_mm.append(lesion.pixel_mm)
        first += len(lesion.patches)
    return _Group(
        patches=torch.from_numpy(np.concatenate([lesion.patches for lesion in lesions])),  # [A, S, S] to [n, S, S]
        fields=torch.from_numpy(np.concatenate([lesion.fields for lesion in lesions])),
        disagreement=torch.from_numpy(np.concatenate([lesion.disagreement for lesion in lesions])),
        hidden=torch.tensor(hidden),
        context_slices=torch.from_numpy(np.stack(context_slices)),  # [E, 4], E examples
        context_z=torch.from_numpy(np.stack(context_z)).float(),
        z=torch.tensor(z, dtype=torch.float32),
        pixel_mm=torch.tensor(pixel_mm, dtype=torch.float32),
    )


def _hidden_slices(count: int, max_gap: int) -> list[tuple[int, tuple[int, ...]]]:
    """Return all ways to hide a slice of `count`: its number, and those of its four context slices, or -1."""
    found = []
    for every in range(2, min(max_gap, count - 1) + 1):
        upwards = list(range(0, count, every))
        downwards = sorted(count - 1 - number for number in upwards)
        # The same choice of slices is one example.
        for kept in {tuple(upwards), tuple(downwards)}:
            padded = [-1, *kept, -1]
            for lower, (below, above) in enumerate(pairwise(kept)):
                around = tuple(padded[lower + 1 - BELOW : lower + 1 - BELOW + CONTEXT_SLICES])
                found += [(number, around) for number in range(below + 1, above)]
    return sorted(found)
