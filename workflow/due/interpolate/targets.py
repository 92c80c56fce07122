"""Missing slices of several gaps in one flat list, and the same list padded to one row per gap."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Targets:
    """The missing slices of G gaps, flat: N in all, the slices of a gap side by side.

    Attributes:
        contexts: the annotated slices below and above each gap, probabilities [G, 2, S, S].
        gap_mm: distance between the two contexts in mm [G].
        pixel_mm: size of a frame pixel in mm [G].
        gap: row of the gap that each missing slice belongs to [N], ascending.
        t: relative position of each missing slice in its gap [N], strictly in (0, 1).
    """

    contexts: torch.Tensor
    gap_mm: torch.Tensor
    pixel_mm: torch.Tensor
    gap: torch.Tensor
    t: torch.Tensor

    @property
    def context_z(self) -> torch.Tensor:
        """Positions [G, 2] in mm of the contexts, above the lower one."""
        return torch.stack([torch.zeros_like(self.gap_mm), self.gap_mm], dim=1)

    @property
    def z(self) -> torch.Tensor:
        """Position [N] in mm of each missing slice above the lower context of its gap."""
        return self.t * self.gap_mm[self.gap]


def slots(gap: torch.Tensor, gaps: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the place [N] of each missing slice within its gap, and the mask [G, M] of places that are taken.

    Args:
        gap: row of the gap of each missing slice [N], ascending.
        gaps: number of gaps G; M is the most slices that one of them has.
    """
    counts = torch.bincount(gap, minlength=gaps)
    first = counts.cumsum(0) - counts
    place = torch.arange(len(gap), device=gap.device) - first[gap]
    taken = torch.arange(int(counts.max()), device=gap.device) < counts[:, None]
    return place, taken


def padded(values: torch.Tensor, gap: torch.Tensor, gaps: int) -> torch.Tensor:
    """Return values [N, ...] of missing slices as [G, M, ...], with 0 in places that are not taken (see `slots`)."""
    place, taken = slots(gap, gaps)
    result = values.new_zeros(*taken.shape, *values.shape[1:])
    result[gap, place] = values
    return result
