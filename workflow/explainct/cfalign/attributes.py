"""The extension to attributes (CF-Align, section 4): images to attributes by f, attributes to malignancy by g.

A counterfactual changes the one attribute that says most of the prediction, and is aligned like any other.
"""

from dataclasses import dataclass
from typing import Self

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from explainct.cfalign.counterfactual import Problem
from explainct.cfalign.networks import SmoothCNN
from explainct.cfalign.spaces import Space
from explainct.data.samples.attributes import ATTRIBUTES


class AttributeCNN(SmoothCNN):
    """The smooth network f, whose outputs are logits of attributes, and a linear layer g to logits of classes.

    Args:
        outputs: number of classes.
    """

    def __init__(self, *, outputs: int = 2) -> None:
        super().__init__(outputs=len(ATTRIBUTES))
        self.settings = {"outputs": outputs}
        self.classes = nn.Linear(len(ATTRIBUTES), outputs)

    def attributes(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits of attributes [B, A] of images [B, 1, H, W] in [0, 1]."""
        return super().classify(self.features(images))

    def classify(self, features: torch.Tensor) -> torch.Tensor:
        """Return logits of classes [B, K] of feature maps [B, C, h, w]."""
        return self.classes(super().classify(features))


@dataclass(frozen=True)
class AttributeProblem(Problem):
    """The problems of changing one attribute of each image; `targets` are its values to be reached, 0 or 1.

    Attributes:
        keys: the number of the attribute, int64 [B].
    """

    keys: torch.Tensor

    def rows(self, rows: torch.Tensor) -> Self:
        """Return the problems with these numbers."""
        return type(self)(self.network, self.space, self.base[rows], self.targets[rows], self.keys[rows])

    def logits(self, z: torch.Tensor) -> torch.Tensor:
        """Return logits [B, 2] of the key attribute's absence and presence at points z [B, P]."""
        found = self.network.attributes(self.space.image(self.base, z)).gather(1, self.keys[:, None])
        return torch.cat([torch.zeros_like(found), found], dim=1)


def key_attribute_problem(network: AttributeCNN, space: Space, images: torch.Tensor) -> AttributeProblem:
    """Return the problems of changing the attribute that, turned into its opposite, moves the prediction most.

    Since g is linear that is the attribute whose logit times its weight is largest towards the predicted class. The
    paper ranks attributes by their conditional counterfactual causal effect (Zhao et al. 2023), whose code is not
    published.

    Args:
        network: f and g.
        space: where changes live.
        images: [B, 1, H, W].
    """
    with torch.no_grad():
        found = network.attributes(images)
        order = network.classes(found).topk(2, dim=1).indices  # predicted class, and the one behind it
        slope = network.classes.weight[order[:, 0]] - network.classes.weight[order[:, 1]]  # [B, A]
        keys = (slope * found).argmax(1)
        targets = (found.gather(1, keys[:, None])[:, 0] <= 0).long()
    return AttributeProblem(network, space, space.base(images), targets, keys)


def attribute_loss(network: AttributeCNN, images: torch.Tensor, attributes: torch.Tensor) -> torch.Tensor:
    """Return the mean binary cross-entropy of the attributes.

    Args:
        network: f and g.
        images: [B, 1, H, W].
        attributes: their labels, 0 or 1, float [B, A].
    """
    return binary_cross_entropy_with_logits(network.attributes(images), attributes)
