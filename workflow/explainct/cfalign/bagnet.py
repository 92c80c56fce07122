"""BagNet: evidence of small patches, added up (Brendel, Bethge, ICLR 2019)."""

import torch
from torch import nn

LAYERS = ((5, 16, 2), (3, 32, 2), (3, 32, 1), (1, 32, 1), (1, 32, 1), (1, 32, 1))
"""Kernel, channels and stride of the convolutions, which make patches of 17 pixels."""
PATCH = 17
"""Pixels of a patch's edge, as BagNet-17."""


class BagNet(nn.Module):
    """Convolutions that see patches of 17 pixels, whose logits are averaged: the network says where its evidence is.

    Args:
        outputs: number of logits.
    """

    def __init__(self, *, outputs: int = 2) -> None:
        super().__init__()
        self.settings = {"outputs": outputs}
        layers: list[nn.Module] = []
        before = 1
        for kernel, after, stride in LAYERS:
            layers += [nn.Conv2d(before, after, kernel, stride=stride, padding=kernel // 2), nn.SiLU()]
            before = after
        self.layers, self.head = nn.Sequential(*layers), nn.Linear(before, outputs)

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Return the features of all patches [B, C, h, w] of images [B, 1, H, W] in [0, 1]."""
        return self.layers((images - 0.5) * 2)

    def classify(self, features: torch.Tensor) -> torch.Tensor:
        """Return the mean over patches of their logits [B, K], for features [B, C, h, w]."""
        return self.head(features.mean((2, 3)))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits [B, K] of images [B, 1, H, W] in [0, 1]."""
        return self.classify(self.features(images))
