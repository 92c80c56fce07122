"""Draw the slices between annotated slices by a conditional diffusion model (DUE, section 4.2)."""

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import torch

from explainct.due.interpolation.gaps import Surroundings
from explainct.due.interpolation.loss import hide_some, outline_loss
from explainct.due.interpolation.noise_schedule import levels, step_down, with_noise
from explainct.due.interpolation.orientations import ORIENTATIONS, turned, turned_at_random, turned_back
from explainct.due.interpolation.training_examples import Batch
from explainct.due.interpolation.unet import OutlineModel, condition

PURE_NOISE = 0.5
"""Share of the training examples at noise level 1, from which one step gives the mean."""


class Interpolator(OutlineModel):
    """A diffusion model of a target slice, given the annotated slices around it and the distances in mm.

    Differs from the published one: distances are inputs (Eq. 3 has none), and so are the next annotated slices beyond
    the gap; noise levels are continuous; and the network predicts the probability that a pixel is inside instead of
    the noise. A step to a lower level first draws each pixel, inside or outside, from that probability, and then adds
    the noise that is left. It draws the pixels independently, so where they belong together the next step sees a slice
    that does not occur, and few steps give draws of too small a mean and variance, however right the probability is:
    0.33, 0.59, 0.77 and 0.90 of the variance in 4, 8, 16 and 64 steps for 16 pixels that are always alike and inside
    with probability 0.1. Nothing but noise is known at level 1, so the probability there is the mean that draws of
    many steps tend to.

    Args:
        settings: the settings `interpolate`; `channels` is used.

    Raises:
        UserError: channels that group normalisation cannot split.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings, noisy=True)

    def loss(self, batch: Batch, generator: torch.Generator) -> torch.Tensor:
        """Return the mean cross-entropy of slices near the outlines, in nats per pixel, at random noise levels.

        Args:
            batch: training examples on the model's device.
            generator: source of levels, noise, orientations and hidden contexts.
        """
        around = hide_some(batch.around, generator)
        planes = torch.cat([condition(around), batch.target[:, None]], dim=1)  # [B, P + 1, S, S]
        planes = turned_at_random(planes, generator)
        known, target = planes[:, :-1], planes[:, -1:]  # [B, P, S, S], [B, 1, S, S]
        level, pure = (torch.rand(len(planes), generator=generator, device=generator.device) for _ in range(2))
        level = torch.where(pure < PURE_NOISE, torch.ones_like(level), level).to(planes.device)
        noisy = with_noise(2 * target - 1, level, _noise(target, generator))
        return outline_loss(self.network(torch.cat([noisy, known], dim=1), level), target, batch.around)

    @torch.no_grad()
    def expect(self, around: Surroundings, generator: torch.Generator) -> torch.Tensor:
        """Return the mean that draws of many steps tend to [N, S, S] in [0, 1]: the first step of the chain.

        Args:
            around: what is known of the slices.
            generator: source of the noise, one for each of eight orientations.
        """
        parts = [
            sum(
                turned_back(self._probability(turned(known, k), _noise(known[:, :1], generator), 1.0), k)
                for k in range(ORIENTATIONS)
            )[:, 0]
            / ORIENTATIONS
            for known in self.known_parts(around)
        ]
        return torch.cat(parts)  # [N, S, S]

    @torch.no_grad()
    def sample(self, around: Surroundings, *, draws: int, steps: int, generator: torch.Generator) -> torch.Tensor:
        """Draw target slices, in each of the eight orientations in turn.

        Args:
            around: what is known of the slices.
            draws: number of independent draws T.
            steps: noise levels that a draw goes through.
            generator: source of the noise.

        Returns:
            Draws [T, N, S, S], 0 or 1, on the model's device.
        """
        copies = math.ceil(draws / ORIENTATIONS)
        parts = [self._draw(known, draws, steps, generator) for known in self.known_parts(around, copies)]
        return torch.cat(parts, dim=1)  # [T, N, S, S]

    def _draw(self, known: torch.Tensor, draws: int, steps: int, generator: torch.Generator) -> torch.Tensor:
        """Draw slices [T, B, S, S], 0 or 1, given what is known of them [B, P, S, S]."""
        drawn = known.new_empty((draws, *known[:, 0].shape))
        for number in range(min(draws, ORIENTATIONS)):
            mine = drawn[number::ORIENTATIONS]  # [n, B, S, S], a view
            planes = turned(known, number).repeat(len(mine), 1, 1, 1)  # [n * B, P, S, S]
            slices = self._denoise(planes, steps, generator)  # [n * B, 1, S, S]
            mine[:] = turned_back(slices[:, 0], number).unflatten(0, mine.shape[:2])  # [n, B, S, S]
        return drawn

    def _denoise(self, known: torch.Tensor, steps: int, generator: torch.Generator) -> torch.Tensor:
        """Run the chain from pure noise; known [B, P, S, S] gives slices [B, 1, S, S], 0 or 1."""
        noisy = _noise(known[:, :1], generator)
        for upper, lower in pairwise(levels(steps)):
            inside = self._probability(known, noisy, upper)
            drawn = (_uniform(inside, generator) < inside).to(noisy.dtype)
            noisy = step_down(noisy, 2 * drawn - 1, upper, lower, _noise(noisy, generator))
        return drawn

    def _probability(self, known: torch.Tensor, noisy: torch.Tensor, level: float) -> torch.Tensor:
        """Return the probability that pixels are inside [B, 1, S, S]."""
        levels_of_all = torch.full((len(known),), level, device=known.device)
        # [B, 1 + P, S, S] to [B, 1, S, S]
        return self.network(torch.cat([noisy, known], dim=1), levels_of_all).sigmoid()


def _noise(like: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Return standard normal numbers in the shape and on the device of `like`."""
    return torch.randn(like.shape, generator=generator, device=generator.device).to(like.device)


def _uniform(like: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Return numbers drawn evenly from [0, 1) in the shape and on the device of `like`."""
    return torch.rand(like.shape, generator=generator, device=generator.device).to(like.device)
