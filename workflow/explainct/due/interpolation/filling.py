"""Fill gaps of any patch size by the diffusion interpolator: draws, or their mean and variance."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple

import numpy as np
import torch

from explainct.due.interpolation.classical import clipped_field
from explainct.due.interpolation.diffusion import Interpolator
from explainct.due.interpolation.gaps import BELOW, Gap, by_size, surroundings
from explainct.scoring.metrics.calibration import MAX_VARIANCE

Filling = Literal["direct", "autoregressive"]


class Filled(NamedTuple):
    """What a model says of a gap's target slices.

    Attributes:
        mean: mean annotation [M, S, S], in [0, 1].
        variance: its variance [M, S, S], in [0, 0.25].
        draws: draws [T, M, S, S], 0 or 1, where they are kept; else None.
    """

    mean: torch.Tensor
    variance: torch.Tensor
    draws: torch.Tensor | None = None


def diffuse_gaps(
    interpolator: Interpolator, gaps: Sequence[Gap], settings: Mapping[str, Any], generator: torch.Generator
) -> list[Filled]:
    """Return mean and variance of the diffusion's draws of each gap's target slices.

    `draws` is Algorithm 1, T draws of each slice. `expectation` is what draws of many steps tend to: a voxel that is
    inside with probability p has mean p and variance p (1 - p), and p is known after the first step.

    Args:
        interpolator: a trained model.
        gaps: what is to be filled.
        settings: `estimate` and, for draws, `draws`, `steps` and `filling`.
        generator: source of the noise.
    """
    if settings["estimate"] == "draws":
        return [pixel_variance(drawn) for drawn in draw_gaps(interpolator, gaps, settings, generator)]
    return [Filled(mean, mean * (1 - mean)) for mean in expect_gaps(interpolator, gaps, generator)]


def pixel_variance(draws: torch.Tensor) -> Filled:
    """Return mean and variance [...] of draws [T, ...] in [0, 1] (Algorithm 1, lines 16 to 21).

    The paper does not say by what the sum of squares is divided. Here it is T, the population variance, so that it
    is at most 0.25, the variance of a fair coin, whatever T is.
    """
    variance, mean = torch.var_mean(draws, dim=0, correction=0)
    return Filled(mean, variance.clamp(max=MAX_VARIANCE))


def draw_gaps(
    interpolator: Interpolator, gaps: Sequence[Gap], settings: Mapping[str, Any], generator: torch.Generator
) -> list[torch.Tensor]:
    """Return draws [T, M, S, S], 0 or 1, of the target slices of each gap.

    `direct` draws every slice from the annotated ones, all gaps of a patch size in one batch. `autoregressive` (DUE,
    section 4.2) goes upwards, and each slice is drawn from the one drawn before it and the annotated slices above.

    Args:
        interpolator: a trained model.
        gaps: what is to be filled.
        settings: `draws`, `steps` and `filling`.
        generator: source of the noise.
    """
    if settings["filling"] == "autoregressive":
        return [_one_after_another(interpolator, gap, settings, generator) for gap in gaps]
    chain = {"draws": settings["draws"], "steps": settings["steps"], "generator": generator}
    filled: dict[int, torch.Tensor] = {}
    for numbers in by_size(gaps).values():
        group = [gaps[number] for number in numbers]
        drawn = interpolator.sample(surroundings(group), **chain)  # [T, N, S, S]
        filled |= dict(zip(numbers, drawn.split([len(gap.z) for gap in group], dim=1), strict=True))
    return [filled[number] for number in range(len(gaps))]


def expect_gaps(interpolator: Interpolator, gaps: Sequence[Gap], generator: torch.Generator) -> list[torch.Tensor]:
    """Return the first step's mean [M, S, S], in [0, 1], of the target slices of each gap."""
    filled: dict[int, torch.Tensor] = {}
    for numbers in by_size(gaps).values():
        group = [gaps[number] for number in numbers]
        mean = interpolator.expect(surroundings(group), generator)  # [N, S, S]
        filled |= dict(zip(numbers, mean.split([len(gap.z) for gap in group]), strict=True))
    return [filled[number] for number in range(len(gaps))]


def _one_after_another(
    interpolator: Interpolator, gap: Gap, settings: Mapping[str, Any], generator: torch.Generator
) -> torch.Tensor:
    """Draw a gap's slices upwards, each from the last one drawn and the slices above; draws [T, M, S, S]."""
    draws = settings["draws"]
    around = surroundings([replace(gap, z=gap.z[:1], truth=None)] * draws)
    filled = []
    for z in gap.z:
        around = replace(around, z=torch.full((draws,), float(z)))
        drawn = interpolator.sample(around, draws=1, steps=settings["steps"], generator=generator)[0]  # [T, S, S]
        filled.append(drawn)
        fields = torch.from_numpy(np.stack([clipped_field(patch) for patch in drawn.cpu().numpy()]))
        around = replace(
            around,
            fields=_pushed(around.fields, fields),
            disagreement=_pushed(around.disagreement, torch.zeros_like(fields)),
            context_z=_pushed(around.context_z, around.z),
            shown=_pushed(around.shown, torch.ones(draws, dtype=torch.bool)),
        )
    return torch.stack(filled, dim=1)  # [T, M, S, S]


def _pushed(context_slices: torch.Tensor, below: torch.Tensor) -> torch.Tensor:
    """Return context slices [T, 4, ...] with a new slice [T, ...] right below, which moves the one below down."""
    # [T, 4, ...]
    return torch.cat([context_slices[:, BELOW : BELOW + 1], below[:, None], context_slices[:, BELOW + 1 :]], dim=1)
