"""The classifier: a ResNet-18 that hands out the features of its last block with the logits."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from monai.networks.nets import resnet18
from torch import nn

from explainct.errors import UserError
from explainct.runtime import checkpoint
from explainct.runtime.device import Compute

STEM_CHANNELS = 64


class ExplainableResNet(nn.Module):
    """MONAI's ResNet-18 in the layout of DUE (section 5.1): two classes, global average pooling, one linear layer.

    A network of two dimensions sees the middle slice of a block alone, and its features have one plane.

    Args:
        dims: 3 or 2.
        width: factor of the number of channels; 1 is the published size with 33.16 million parameters.
        max_pool: max-pool after the stem, as published. Off, smaller grids keep features of 4 x 4 x 4 positions.

    Raises:
        UserError: `width` leaves a layer without channels.
    """

    def __init__(self, *, dims: int = 3, width: float, max_pool: bool) -> None:
        super().__init__()
        if int(STEM_CHANNELS * width) < 1:
            raise UserError(
                f"Setting `train.width` is {width}, which leaves no channels. Set it to {1 / STEM_CHANNELS} or more."
            )
        self.settings = {"dims": dims, "width": width, "max_pool": max_pool}
        self.trunk = resnet18(
            spatial_dims=dims,
            n_input_channels=1,
            num_classes=2,
            conv1_t_size=7,
            conv1_t_stride=(1, 2, 2)[-dims:],
            shortcut_type="B",
            bias_downsample=False,
            widen_factor=width,
            no_max_pool=not max_pool,
        )

    @property
    def head(self) -> nn.Linear:
        """The classification layer, with weight [2, C]."""
        return self.trunk.fc

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits [B, 2] and the features [B, C, d, h, w] that they were pooled from; d is 1 in two dimensions.

        Args:
            images: float [B, 1, D, H, W] in [0, 1].
        """
        trunk = self.trunk
        flat = self.settings["dims"] == 2
        images = _middle_slice(images) if flat else images
        # In bfloat16 cuDNN is slow at a convolution of one channel: on an H100 a step takes 1.12 times as long.
        with torch.autocast("cuda", enabled=False):
            hidden = trunk.conv1(images)
        hidden = trunk.act(trunk.bn1(hidden))
        if not trunk.no_max_pool:
            hidden = trunk.maxpool(hidden)
        features = trunk.layer4(trunk.layer3(trunk.layer2(trunk.layer1(hidden))))
        features = features.unsqueeze(2) if flat else features
        return self.head(features.mean((2, 3, 4))), features


def _middle_slice(images: torch.Tensor) -> torch.Tensor:
    """Return the middle slices [B, C, H, W] of volumes [B, C, D, H, W], laid out anew.

    The strides of a slice of a volume in the layout channels last can be read as two layouts, and torch 2.13 then
    writes outside of its memory in the backward pass of the first convolution.
    """
    part = images[:, :, middle(images.shape[2])]
    return part.flatten().view(part.shape)


def middle(depth: int) -> int:
    """Return the number of the middle one of `depth` planes, the upper one of two."""
    return depth // 2


def map_shape(settings: Mapping[str, Any], grid: tuple[int, int, int], *, dims: int) -> tuple[int, int, int]:
    """Return the cells (d, h, w) of a network's class activation maps, without computing any.

    Args:
        settings: the settings `train`; `width` and `max_pool` are used.
        grid: voxels of the input (D, H, W).
        dims: 3 or 2.
    """
    with torch.device("meta"):
        network = ExplainableResNet(dims=dims, width=settings["width"], max_pool=settings["max_pool"]).eval()
        _, features = network(torch.empty(1, 1, *grid))
    return tuple(features.shape[2:])


def placed(network: ExplainableResNet, compute: Compute) -> ExplainableResNet:
    """Return a network on the device; one of three dimensions in the layout of `compute`, which has none for slices."""
    if network.settings["dims"] == 2:
        return network.to(compute.device)
    return network.to(compute.device, memory_format=compute.memory_format)


def save_classifier(network: ExplainableResNet, path: str | Path) -> None:
    """Write a classifier's weights to `path` with the settings needed to rebuild it."""
    weights = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    checkpoint.save({**network.settings, "weights": weights}, path)


def load_classifier(path: str | Path, compute: Compute) -> ExplainableResNet:
    """Read what `save_classifier` wrote, ready to predict on the device of `compute`.

    Raises:
        UserError: the file is not a classifier of this project.
    """
    content = checkpoint.load(path)
    if not {"dims", "width", "max_pool", "weights"} <= content.keys():
        raise UserError(
            f"{path} holds {', '.join(sorted(content)) or 'nothing'}, "
            "not a classifier (dims, width, max_pool, weights). "
            "Give the path of a `model.pt` that the training of a classifier wrote."
        )
    network = ExplainableResNet(**{name: content[name] for name in ("dims", "width", "max_pool")})
    network.load_state_dict(content["weights"])
    return placed(network, compute).eval()
