"""Filling many gaps at once: draws of the diffusion interpolator for all their missing slices."""

from collections.abc import Sequence

import torch

from due.interpolate.diffusion import Filling, Interpolator, fill_gap
from due.interpolate.gaps import Gap
from due.interpolate.targets import Targets


def as_targets(gaps: Sequence[Gap], device: torch.device) -> Targets:
    """Return gaps as one flat list of their hidden slices on `device`."""
    lengths = torch.tensor([len(gap.t) for gap in gaps])
    return Targets(
        contexts=torch.stack([torch.as_tensor(gap.contexts) for gap in gaps]).float().to(device),
        gap_mm=torch.tensor([gap.gap_mm for gap in gaps], dtype=torch.float32, device=device),
        pixel_mm=torch.tensor([gap.pixel_mm for gap in gaps], dtype=torch.float32, device=device),
        gap=torch.repeat_interleave(torch.arange(len(gaps)), lengths).to(device),
        t=torch.cat([torch.as_tensor(gap.t) for gap in gaps]).float().to(device),
    )


def draw_targets(
    interpolator: Interpolator,
    targets: Targets,
    *,
    draws: int,
    filling: Filling,
    generator: torch.Generator,
) -> torch.Tensor:
    """Return `draws` interpolations [T, N, S, S] in [0, 1] of all missing slices.

    `direct` fills the slices of all gaps in one batch; `autoregressive` goes through each gap (published).
    """
    gap = targets.gap
    if filling == "direct":
        context = targets.contexts[gap], targets.t, targets.gap_mm[gap], targets.pixel_mm[gap]
        return interpolator.sample(*context, draws=draws, generator=generator).transpose(0, 1)
    filled = [
        fill_gap(
            interpolator,
            targets.contexts[row],
            targets.t[gap == row],
            float(targets.gap_mm[row]),
            float(targets.pixel_mm[row]),
            draws=draws,
            filling=filling,
            generator=generator,
        )
        for row in range(len(targets.contexts))
    ]
    return torch.cat(filled, dim=1)
