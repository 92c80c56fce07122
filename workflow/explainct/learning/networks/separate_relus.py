"""A copy of a network in which each ReLU is a module of its own, as DeepLift and relevance propagation need."""

from copy import deepcopy

import torch
from monai.networks.nets.resnet import ResNetBlock
from torch import nn

from explainct.learning.networks.parts import Sum


class SeparateBlock(nn.Module):
    """A residual block of MONAI with a ReLU for each of its two calls, and its sum as a module.

    MONAI calls one ReLU twice, in place: captum's DeepLift stops there, since it keeps one input for each module.

    Args:
        block: the block, whose layers are used as they are.
    """

    def __init__(self, block: ResNetBlock) -> None:
        super().__init__()
        self.main = nn.Sequential(block.conv1, block.bn1, nn.ReLU(), block.conv2, block.bn2)
        self.shortcut = nn.Identity() if block.downsample is None else block.downsample
        self.sum, self.relu = Sum(), nn.ReLU()

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return what MONAI's block returns."""
        return self.relu(self.sum(self.main(features), self.shortcut(features)))


def with_separate_relus(network: nn.Module) -> nn.Module:
    """Return a copy of a network that computes the same, with a module for each call of a ReLU, none in place.

    Networks whose ReLUs are called once each, as those of `small_resnet` and `densenet121`, keep their blocks.

    Args:
        network: a network whose residual blocks, if it has any with a shared ReLU, are MONAI's `ResNetBlock`.
    """
    copy = deepcopy(network)
    for parent in list(copy.modules()):
        for name, module in list(parent.named_children()):
            if isinstance(module, ResNetBlock):
                setattr(parent, name, SeparateBlock(module))
            elif isinstance(module, nn.ReLU):
                setattr(parent, name, nn.ReLU())
    return copy.train(network.training)
