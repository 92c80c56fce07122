"""Predict target slices by a regression U-Net, the baseline method that the diffusion interpolator is compared with."""

from collections.abc import Mapping
from typing import Any

import torch

from explainct.due.interpolation.gaps import Surroundings
from explainct.due.interpolation.loss import hide_some, outline_loss
from explainct.due.interpolation.orientations import ORIENTATIONS, turned, turned_at_random, turned_back
from explainct.due.interpolation.training_examples import Batch
from explainct.due.interpolation.unet import OutlineModel, condition


class Regression(OutlineModel):
    """Predicts the probability that each pixel of a target slice is inside, with the diffusion's U-Net and inputs.

    Args:
        settings: the settings `interpolate`; `channels` is used.

    Raises:
        UserError: channels that group normalisation cannot split.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings, noisy=False)

    def loss(self, batch: Batch, generator: torch.Generator) -> torch.Tensor:
        """Return the mean cross-entropy near the outlines, in nats per pixel.

        Args:
            batch: training examples on the model's device.
            generator: source of orientations and hidden contexts.
        """
        around = hide_some(batch.around, generator)
        planes = torch.cat([condition(around), batch.target[:, None]], dim=1)  # [B, P + 1, S, S]
        planes = turned_at_random(planes, generator)
        level = torch.ones(len(planes), device=planes.device)
        return outline_loss(self.network(planes[:, :-1], level), planes[:, -1:], batch.around)

    @torch.no_grad()
    def expect(self, around: Surroundings) -> torch.Tensor:
        """Return the probability [N, S, S] that each pixel of target slices is inside, over all eight orientations.

        Args:
            around: what is known of the slices; the result is on the model's device.
        """
        parts = []
        for planes in self.known_parts(around):
            level = torch.ones(len(planes), device=planes.device)
            views = (turned_back(self.network(turned(planes, k), level).sigmoid(), k) for k in range(ORIENTATIONS))
            parts.append(sum(views)[:, 0] / ORIENTATIONS)  # [B, 1, S, S] to [B, S, S]
        return torch.cat(parts)  # [N, S, S]
