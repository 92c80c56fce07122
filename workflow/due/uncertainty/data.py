"""Sampled variances as training data: read from files, padded, mirrored."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import h5py
import numpy as np
import torch

from due.errors import DueError
from due.interpolate.targets import Targets, padded, slots


@dataclass(frozen=True)
class Gaps:
    """Gaps with sampled variance, padded to M missing slices each.

    Attributes:
        contexts: the two annotated slices, probabilities [G, 2, S, S].
        context_z: their positions in mm [G, 2].
        target_z: positions of the missing slices in mm [G, M].
        pixel_mm: size of a frame pixel in mm [G].
        variance: sampled variance [G, M, S, S], in [0, 0.25].
        taken: which slices are real and not padding [G, M].
    """

    contexts: torch.Tensor
    context_z: torch.Tensor
    target_z: torch.Tensor
    pixel_mm: torch.Tensor
    variance: torch.Tensor
    taken: torch.Tensor

    def __len__(self) -> int:
        return len(self.pixel_mm)

    def take(self, rows: torch.Tensor, device: torch.device) -> "Gaps":
        """Return the gaps in `rows` [B] on `device`, padded to the most missing slices that one of them has."""
        most = int(self.taken[rows].sum(1).max())
        part = Gaps(*(getattr(self, field.name)[rows].to(device) for field in fields(self)))
        return replace(
            part, target_z=part.target_z[:, :most], variance=part.variance[:, :most], taken=part.taken[:, :most]
        )


def load_gaps(files: Sequence[Path]) -> Gaps:
    """Read the gaps of all variance files, in the order of the files' names.

    Raises:
        DueError: the files hold no gap.
    """
    parts = [_read(path) for path in sorted(files)]
    first = np.cumsum([0] + [len(part["gap_mm"]) for part in parts])
    content = {name: torch.cat([part[name] for part in parts]) for name in parts[0] if name != "gap"}
    gap = torch.cat([part["gap"] + int(start) for part, start in zip(parts, first, strict=False)])
    gaps = int(first[-1])
    if not gaps:
        raise DueError(
            f"No gap in {', '.join(str(path) for path in files)}, so no variance to learn from. "
            "Delete them and repeat the sampling."
        )
    targets = Targets(content["contexts"], content["gap_mm"], content["pixel_mm"], gap, content["t"])
    return Gaps(
        contexts=targets.contexts,
        context_z=targets.context_z,
        target_z=padded(targets.z, gap, gaps),
        pixel_mm=targets.pixel_mm,
        variance=padded(content["variance"], gap, gaps),
        taken=slots(gap, gaps)[1],
    )


def _read(path: Path) -> dict[str, torch.Tensor]:
    """Return the arrays of one variance file that training needs; numbers as float32, rows as int64."""
    names = ("contexts", "gap_mm", "pixel_mm", "t", "variance")
    with h5py.File(path) as file:
        content = {name: torch.from_numpy(file[name][:].astype(np.float32)) for name in names}
        return {**content, "gap": torch.from_numpy(file["gap"][:].astype(np.int64))}


def augmented(gaps: Gaps, generator: torch.Generator) -> Gaps:
    """Return gaps mirrored along rows, columns and z, and transposed, each at random with probability 1/2."""
    choices = torch.rand(4, len(gaps), generator=generator).to(gaps.pixel_mm.device) < 0.5
    contexts, variance = gaps.contexts, gaps.variance
    for chosen, axes in zip(choices[:2], ((-1,), (-2,)), strict=True):
        which = chosen[:, None, None, None]
        contexts = torch.where(which, contexts.flip(axes), contexts)
        variance = torch.where(which, variance.flip(axes), variance)
    which = choices[2][:, None, None, None]
    contexts = torch.where(which, contexts.mT, contexts)
    variance = torch.where(which, variance.mT, variance)
    sign = 1 - 2 * choices[3].to(gaps.pixel_mm.dtype)[:, None]
    return Gaps(contexts, sign * gaps.context_z, sign * gaps.target_z, gaps.pixel_mm, variance, gaps.taken)
