"""Convert between target slices of several gaps in one flat list and the same list padded to one row per gap."""

import torch


def places_of(gap: torch.Tensor, gaps: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the place [N] of each target slice within its gap, and the mask [G, M] of places that are taken.

    Args:
        gap: row of the gap of each target slice [N], ascending.
        gaps: number of gaps G; M is the most slices that one of them has.
    """
    counts = torch.bincount(gap, minlength=gaps)
    first = counts.cumsum(0) - counts
    place = torch.arange(len(gap), device=gap.device) - first[gap]
    taken = torch.arange(int(counts.max()), device=gap.device) < counts[:, None]  # [M] and [G, 1] to [G, M]
    return place, taken


def padded(values: torch.Tensor, gap: torch.Tensor, gaps: int) -> torch.Tensor:
    """Return values [N, ...] of target slices as [G, M, ...], 0 where no place is taken (see `places_of`)."""
    place, taken = places_of(gap, gaps)
    result = values.new_zeros(*taken.shape, *values.shape[1:])  # [G, M, ...]
    result[gap, place] = values
    return result
