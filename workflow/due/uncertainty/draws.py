"""Draws of the diffusion interpolator for the missing slices of many gaps, and how much they differ."""

from collections.abc import Sequence

import torch

from due.interpolate.diffusion import Filling, Interpolator, fill_gap
from due.interpolate.gaps import Gap
from due.uncertainty.targets import Targets


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


def pixel_variance(draws: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return mean and variance [...] of draws [T, ...] in [0, 1] (Algorithm 1, lines 16 to 21).

    The paper does not say by what the sum of squares is divided. Here it is T, the population variance, so that it
    is at most 0.25, the variance of a fair coin, whatever T is.
    """
    variance, mean = torch.var_mean(draws, dim=0, correction=0)
    return mean, variance.clamp(max=0.25)
