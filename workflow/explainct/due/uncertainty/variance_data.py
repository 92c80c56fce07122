"""Prepare sampled variances as training data: read from files, padded, turned and mirrored, with contexts hidden."""

from dataclasses import dataclass, fields, replace
from pathlib import Path

import h5py
import numpy as np
import torch

from explainct.due.interpolation.ragged_targets import padded, places_of
from explainct.due.uncertainty.z_encoding import outline_fields
from explainct.errors import UserError

BRACKETING = slice(1, 3)
"""The context slices next to the target slices, below and above."""

HIDDEN = (0.2, 0.05, 0.05, 0.2)
"""Probability that a context is hidden in training, by context slice."""


@dataclass(frozen=True)
class Gaps:
    """Gaps with sampled variance whose patches have one size, padded to M target slices each.

    Attributes:
        contexts: the four context slices of each gap, z ascending, share of readers [G, 4, S, S].
        context_z: their positions in mm [G, 4].
        shown: which context slices are shown, bool [G, 4]; the others are 0.
        target_z: positions of the target slices in mm [G, M].
        pixel_mm: size of a patch pixel in mm [G].
        mean: sampled mean [G, M, S, S], in [0, 1].
        variance: sampled variance [G, M, S, S], in [0, 0.25].
        taken: which target slices are real and not padding, bool [G, M].
        fields: `outline_fields` of their consensus [G, 4, S, S].
    """

    contexts: torch.Tensor
    context_z: torch.Tensor
    shown: torch.Tensor
    target_z: torch.Tensor
    pixel_mm: torch.Tensor
    mean: torch.Tensor
    variance: torch.Tensor
    taken: torch.Tensor
    fields: torch.Tensor

    def __len__(self) -> int:
        return len(self.pixel_mm)

    @property
    def size(self) -> int:
        """Edge S of the patches in pixels."""
        return self.contexts.shape[-1]

    def take(self, rows: torch.Tensor, device: torch.device) -> "Gaps":
        """Return the gaps in `rows` [B] on `device`, padded to the most target slices that one of them has."""
        most = int(self.taken[rows].sum(1).max())
        part = Gaps(*(getattr(self, field.name)[rows].to(device) for field in fields(self)))
        cut = {name: getattr(part, name)[:, :most] for name in ("target_z", "mean", "variance", "taken")}
        return replace(part, **cut)


def load_gaps(path: Path) -> list[Gaps]:
    """Read the gaps of a variance file: one `Gaps` per patch size, ascending.

    Raises:
        UserError: the file holds no gap.
    """
    with h5py.File(path) as file:
        parts = {int(size): _read(group) for size, group in file.items()}
    if not parts:
        raise UserError(
            f"No gap in {path}, so no variance to learn from. Delete it and run the workflow again to sample anew."
        )
    return [parts[size] for size in sorted(parts)]


def _read(group: h5py.Group) -> Gaps:
    """Return the gaps of one patch size."""
    kinds = {"shown": bool, "gap": np.int64}
    names = ("contexts", "disagreement", "context_z", "shown", "pixel_mm", "gap", "z", "mean", "variance")
    content = {name: torch.from_numpy(group[name][:].astype(kinds.get(name, np.float32))) for name in names}
    gap, gaps = content["gap"], len(content["pixel_mm"])
    return Gaps(
        contexts=content["contexts"] + content["disagreement"],
        **{name: content[name] for name in ("context_z", "shown", "pixel_mm")},
        target_z=padded(content["z"], gap, gaps),  # [N] to [G, M]
        mean=padded(content["mean"], gap, gaps),  # [N, S, S] to [G, M, S, S]
        variance=padded(content["variance"], gap, gaps),
        taken=places_of(gap, gaps)[1],
        fields=outline_fields(content["contexts"]),
    )


def turned(gaps: Gaps, generator: torch.Generator) -> Gaps:
    """Return gaps mirrored along rows, columns and z, and transposed, each at random with probability 1/2."""
    choices = torch.rand(4, len(gaps), generator=generator).to(gaps.pixel_mm.device) < 0.5
    patches = {name: getattr(gaps, name) for name in ("contexts", "fields", "mean", "variance")}
    for chosen, turn in zip(choices, (_flip_columns, _flip_rows, _transpose), strict=False):
        which = chosen[:, None, None, None]  # [G, 1, 1, 1]
        patches = {name: torch.where(which, turn(values), values) for name, values in patches.items()}
    which = choices[3]
    for name in ("contexts", "fields"):
        patches[name] = torch.where(which[:, None, None, None], patches[name].flip(1), patches[name])
    row = which[:, None]  # [G, 1]
    return replace(
        gaps,
        **patches,
        context_z=torch.where(row, -gaps.context_z.flip(1), gaps.context_z),
        shown=torch.where(row, gaps.shown.flip(1), gaps.shown),
        target_z=torch.where(row, -gaps.target_z, gaps.target_z),
    )


def _flip_columns(patches: torch.Tensor) -> torch.Tensor:
    return patches.flip(-1)


def _flip_rows(patches: torch.Tensor) -> torch.Tensor:
    return patches.flip(-2)


def _transpose(patches: torch.Tensor) -> torch.Tensor:
    return patches.mT


def partly_hidden(shown: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Return `shown` [B, 4] with contexts hidden at random, further ones more often (`HIDDEN`), never all of a gap."""
    chance = torch.rand(shown.shape, generator=generator).to(shown.device)
    left = shown & (chance >= torch.tensor(HIDDEN, device=shown.device))
    return torch.where(left.any(1, keepdim=True), left, shown)
