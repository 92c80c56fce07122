"""The interpretable network of Zhang, Wu, Zhu (CVPR 2018): each filter of the last layer fires at one place."""

import math

import torch
from torch import nn

from explainct.cfalign.networks import SmoothCNN

DECAY = 4.0
"""How fast a template falls with the distance, over the edge of the map (beta of the paper)."""


class ICNN(SmoothCNN):
    """The smooth network, whose last maps are multiplied with a template around their largest value.

    Args:
        outputs: number of logits.
    """

    def __init__(self, *, outputs: int = 2) -> None:
        super().__init__(outputs=outputs)
        self.settings = {"outputs": outputs}

    def unmasked(self, images: torch.Tensor) -> torch.Tensor:
        """Return the last feature maps [B, C, h, w] before their templates, not negative."""
        return super().features(images).relu()

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Return the last feature maps [B, C, h, w], each 0 far from its largest value."""
        maps = self.unmasked(images)
        where = maps.flatten(2).argmax(2)
        return (maps * templates(*maps.shape[2:]).to(maps)[where]).relu()


def templates(rows: int, columns: int) -> torch.Tensor:
    """Return a template for each position [P, h, w], in [-1, 1]: 1 at the position, falling with the L1 distance."""
    i, j = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    places = torch.stack([i.flatten(), j.flatten()], 1).float()
    distance = (places[:, None] - places[None]).abs().sum(2)
    return (1 - DECAY * distance / max(rows, columns)).clamp_min(-1).view(-1, rows, columns)


def filter_loss(network: nn.Module, images: torch.Tensor, _: torch.Tensor, __: torch.Tensor) -> torch.Tensor:
    """Return minus the mutual information of feature maps and templates, mean over filters (Eq. 4 of the paper).

    A map fits a template with probability softmax of their product over the batch. One further template is -1
    everywhere, for images on which a filter is silent; all are as likely as each other a priori, as published.

    Args:
        network: an `ICNN`.
        images: [B, 1, H, W] in [0, 1].
    """
    maps = network.unmasked(images)
    patterns = templates(*maps.shape[2:]).to(maps)
    patterns = torch.cat([patterns, -torch.ones_like(patterns[:1])]) / patterns[0].numel()
    fit = torch.einsum("bchw,thw->bct", maps, patterns)
    given = fit.log_softmax(0)  # log p(x | T) over the batch
    marginal = (given.logsumexp(2) - math.log(len(patterns)))[:, :, None]
    return -((given.exp() * (given - marginal)).sum(0).mean(1)).mean()
