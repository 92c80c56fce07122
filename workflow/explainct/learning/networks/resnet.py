"""The classifier: a ResNet-18 that hands out the features of its last block with the logits."""

from typing import ClassVar

import torch
from monai.networks.nets import resnet18
from torch import nn

from explainct.errors import UserError
from explainct.learning.networks.middle_slice import middle_slice

STEM_CHANNELS = 64


class ExplainableResNet(nn.Module):
    """MONAI's ResNet-18 in the layout of DUE (section 5.1): global average pooling, one linear layer.

    A network of two dimensions sees the middle slice of a block alone, and its features have one plane.

    Args:
        dims: 3 or 2.
        outputs: number of logits.
        width: factor of the number of channels; 1 is the published size with 33.16 million parameters.
        max_pool: max-pool after the stem, as published. Off, smaller grids keep features of 4 x 4 x 4 positions.

    Raises:
        UserError: `width` leaves a layer without channels.
    """

    layers: ClassVar[dict[str, tuple[str, ...]]] = {
        "fc": ("trunk.fc",),
        "layer4": ("trunk.layer4",),
        "layer3": ("trunk.layer3",),
        "layer2": ("trunk.layer2",),
        "layer1": ("trunk.layer1",),
        "conv1": ("trunk.conv1", "trunk.bn1"),
    }

    def __init__(self, *, dims: int = 3, outputs: int = 2, width: float, max_pool: bool) -> None:
        super().__init__()
        if int(STEM_CHANNELS * width) < 1:
            raise UserError(
                f"Setting `train.width` is {width}, which leaves no channels. Set it to {1 / STEM_CHANNELS} or more."
            )
        self.settings = {"dims": dims, "outputs": outputs, "width": width, "max_pool": max_pool}
        self.trunk = resnet18(
            spatial_dims=dims,
            n_input_channels=1,
            num_classes=outputs,
            conv1_t_size=7,
            conv1_t_stride=(1, 2, 2)[-dims:],
            shortcut_type="B",
            bias_downsample=False,
            widen_factor=width,
            no_max_pool=not max_pool,
        )

    @property
    def head(self) -> nn.Linear:
        """The classification layer, with weight [K, C]."""
        return self.trunk.fc

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits [B, K] and the features [B, C, d, h, w] that they were pooled from; d is 1 in two dimensions.

        Args:
            images: float [B, 1, D, H, W] in [0, 1].
        """
        trunk = self.trunk
        flat = self.settings["dims"] == 2
        images = middle_slice(images) if flat else images
        # In bfloat16 cuDNN is slow at a convolution of one channel: on an H100 a step takes 1.12 times as long.
        with torch.autocast("cuda", enabled=False):
            hidden = trunk.conv1(images)
        hidden = trunk.act(trunk.bn1(hidden))
        if not trunk.no_max_pool:
            hidden = trunk.maxpool(hidden)
        features = trunk.layer4(trunk.layer3(trunk.layer2(trunk.layer1(hidden))))
        features = features.unsqueeze(2) if flat else features
        return self.head(features.mean((2, 3, 4))), features
