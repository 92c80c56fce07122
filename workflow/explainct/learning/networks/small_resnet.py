"""A small residual network whose every operation is a module, so that relevance can be propagated through it."""

from typing import ClassVar

import torch
from torch import nn

from explainct.errors import UserError
from explainct.learning.networks.middle_slice import middle_slice
from explainct.learning.networks.parts import MeanPool, Sum

CHANNELS = (16, 16, 32, 32, 64, 64)
"""Channels of the residual blocks at width 1; a block with more than the one before halves the resolution."""
STEM_KERNEL = 5


class ResidualBlock(nn.Module):
    """Two convolutions with batch normalisation, and the input added to them; each ReLU is called once.

    Args:
        dims: 3 or 2.
        inputs: channels of the input.
        outputs: channels of the output; where they are more, the resolution is halved.
    """

    def __init__(self, dims: int, inputs: int, outputs: int) -> None:
        super().__init__()
        stride = 2 if outputs > inputs else 1
        self.main = nn.Sequential(
            *_convolution(dims, inputs, outputs, 3, stride), nn.ReLU(), *_convolution(dims, outputs, outputs, 3, 1)
        )
        changes = outputs != inputs
        self.shortcut = nn.Sequential(*_convolution(dims, inputs, outputs, 1, stride)) if changes else nn.Identity()
        self.sum, self.relu = Sum(), nn.ReLU()

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return features of the block's number of channels."""
        return self.relu(self.sum(self.main(features), self.shortcut(features)))


class SmallResNet(nn.Module):
    """Six residual blocks, global average pooling and one linear layer: 0.18 million parameters in two dimensions.

    A network of two dimensions sees the middle slice of a block alone, and its features have one plane.

    Args:
        dims: 3 or 2.
        outputs: number of logits.
        width: factor of the number of channels, which are 16, 32 and 64 at 1.
        max_pool: not used, as the network has no pooling but the last.

    Raises:
        UserError: `width` leaves a layer without channels.
    """

    layers: ClassVar[dict[str, tuple[str, ...]]] = {
        "head": ("head",),
        **{f"block{number}": (f"blocks.{number}",) for number in reversed(range(len(CHANNELS)))},
        "stem": ("stem",),
    }

    def __init__(self, *, dims: int = 2, outputs: int = 2, width: float = 1.0, max_pool: bool = False) -> None:
        super().__init__()
        channels = [int(width * count) for count in CHANNELS]
        if channels[0] < 1:
            raise UserError(
                f"A width of {width} leaves the network `small_resnet` without channels. Set it to "
                f"{1 / CHANNELS[0]} or more."
            )
        self.settings = {"dims": dims, "outputs": outputs, "width": width, "max_pool": max_pool}
        self.stem = nn.Sequential(*_convolution(dims, 1, channels[0], STEM_KERNEL, 2), nn.ReLU())
        steps = zip([channels[0], *channels], channels, strict=False)
        self.blocks = nn.Sequential(*(ResidualBlock(dims, inputs, outputs) for inputs, outputs in steps))
        self.pool, self.head = MeanPool(), nn.Linear(channels[-1], outputs)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits [B, K] and the features [B, C, d, h, w] that they were pooled from; d is 1 in two dimensions.

        Args:
            images: float [B, 1, D, H, W] in [0, 1].
        """
        flat = self.settings["dims"] == 2
        features = self.blocks(self.stem(middle_slice(images) if flat else images))
        features = features.unsqueeze(2) if flat else features
        return self.head(self.pool(features)), features


def _convolution(dims: int, inputs: int, outputs: int, kernel: int, stride: int) -> tuple[nn.Module, nn.Module]:
    """Return a convolution without bias and its batch normalisation."""
    convolution, normalisation = ((nn.Conv2d, nn.BatchNorm2d), (nn.Conv3d, nn.BatchNorm3d))[dims - 2]
    layer = convolution(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False)
    return layer, normalisation(outputs)
