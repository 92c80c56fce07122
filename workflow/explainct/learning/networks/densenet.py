"""MONAI's DenseNet-121, the network of INFORMER (section 3), that hands out its features with the logits."""

from typing import ClassVar

import torch
from monai.networks.nets import DenseNet121
from torch import nn

from explainct.learning.networks.middle_slice import middle_slice


class ExplainableDenseNet(nn.Module):
    """DenseNet-121 with one input channel; weights are drawn, since weights for volumes of one channel are not public.

    A network of two dimensions sees the middle slice of a block alone, and its features have one plane.

    Args:
        dims: 3 or 2.
        outputs: number of logits.
        width: not used; the network has one size, 6.96 million parameters in two dimensions and 11.25 in three.
        max_pool: not used; the network always pools after its first convolution.
    """

    layers: ClassVar[dict[str, tuple[str, ...]]] = {
        "out": ("trunk.class_layers.out",),
        **{f"denseblock{number}": (f"trunk.features.denseblock{number}",) for number in (4, 3, 2, 1)},
        "conv0": ("trunk.features.conv0", "trunk.features.norm0"),
    }

    def __init__(self, *, dims: int = 3, outputs: int = 2, width: float = 1.0, max_pool: bool = True) -> None:
        super().__init__()
        self.settings = {"dims": dims, "outputs": outputs, "width": width, "max_pool": max_pool}
        self.trunk = DenseNet121(spatial_dims=dims, in_channels=1, out_channels=outputs)

    @property
    def head(self) -> nn.Linear:
        """The classification layer, with weight [K, C]."""
        return self.trunk.class_layers.out

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits [B, K] and the features [B, C, d, h, w] that they were pooled from; d is 1 in two dimensions.

        Args:
            images: float [B, 1, D, H, W] in [0, 1].
        """
        flat = self.settings["dims"] == 2
        hidden = self.trunk.features(middle_slice(images) if flat else images)
        features = self.trunk.class_layers.relu(hidden)
        features = features.unsqueeze(2) if flat else features
        return self.head(features.mean((2, 3, 4))), features
