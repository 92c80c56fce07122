"""The classifier: a 3D ResNet-18 that hands out the features of its last block with the logits."""

from pathlib import Path

import torch
from monai.networks.nets import resnet18
from torch import nn

from due.errors import DueError
from due.train import checkpoint
from due.train.device import Compute

STEM_CHANNELS = 64


class ExplainableResNet(nn.Module):
    """MONAI's 3D ResNet-18 in the layout of DUE (section 5.1): two classes, global average pooling, one linear layer.

    Args:
        width: factor of the number of channels; 1 is the published size with 33.16 million parameters.
        max_pool: max-pool after the stem, as published. Off, smaller grids keep features of 4 x 4 x 4 positions.

    Raises:
        DueError: `width` leaves a layer without channels.
    """

    def __init__(self, *, width: float, max_pool: bool) -> None:
        super().__init__()
        if int(STEM_CHANNELS * width) < 1:
            raise DueError(
                f"Setting `train.width` is {width}, which leaves no channels. Set it to {1 / STEM_CHANNELS} or more."
            )
        self.settings = {"width": width, "max_pool": max_pool}
        self.trunk = resnet18(
            spatial_dims=3,
            n_input_channels=1,
            num_classes=2,
            conv1_t_size=7,
            conv1_t_stride=(1, 2, 2),
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
        """Return logits [B, 2] and the features [B, C, d, h, w] that they were pooled from.

        Args:
            images: float [B, 1, D, H, W] in [0, 1].
        """
        trunk = self.trunk
        hidden = trunk.act(trunk.bn1(trunk.conv1(images)))
        if not trunk.no_max_pool:
            hidden = trunk.maxpool(hidden)
        features = trunk.layer4(trunk.layer3(trunk.layer2(trunk.layer1(hidden))))
        return self.head(features.mean((2, 3, 4))), features


def save_classifier(network: ExplainableResNet, path: str | Path) -> None:
    """Write a classifier's weights to `path` with the settings needed to rebuild it."""
    weights = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    checkpoint.save({**network.settings, "weights": weights}, path)


def load_classifier(path: str | Path, compute: Compute) -> ExplainableResNet:
    """Read what `save_classifier` wrote, ready to predict on the device of `compute`.

    Raises:
        DueError: the file is not a classifier of this project.
    """
    content = checkpoint.load(path)
    if not {"width", "max_pool", "weights"} <= content.keys():
        raise DueError(
            f"{path} holds {', '.join(sorted(content)) or 'nothing'}, not a classifier (width, max_pool, weights). "
            "Give the path of a `model.pt` that the training of a classifier wrote."
        )
    network = ExplainableResNet(width=content["width"], max_pool=content["max_pool"])
    network.load_state_dict(content["weights"])
    return network.to(compute.device, memory_format=compute.memory_format).eval()
