"""The classifiers' networks by name. A new network is one module and one entry.

An entry is `module:class`, imported by name, so that a job depends on its own network alone. The class follows
`Classifier`.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from explainct.errors import UserError

if TYPE_CHECKING:
    import torch

NETWORKS: dict[str, str] = {
    "resnet18": "explainct.learning.networks.resnet:ExplainableResNet",
    "densenet121": "explainct.learning.networks.densenet:ExplainableDenseNet",
    "small_resnet": "explainct.learning.networks.small_resnet:SmallResNet",
}
"""All networks."""


class Classifier(Protocol):
    """What a network offers, beside being a `torch.nn.Module`.

    It is built with the keywords `dims` (3, or 2 for the middle slice alone), `outputs` (the task's), and the
    settings `train.width` and `train.max_pool`.

    Attributes:
        settings: these keywords and their values.
        head: the linear layer that turns features, pooled by their mean, into logits; weight [outputs, C].
        layers: for the check by randomised parameters, steps from the head down to the input: names of a step's
            modules, by the name of the step.
    """

    settings: dict[str, Any]
    head: "torch.nn.Linear"
    layers: Mapping[str, tuple[str, ...]]

    def __call__(self, images: "torch.Tensor") -> tuple["torch.Tensor", "torch.Tensor"]:
        """Return logits [B, outputs] and features [B, C, d, h, w] of images [B, 1, D, H, W] in [0, 1]."""
        ...


def network_entry(name: str, setting: str = "train.network") -> str:
    """Return the entry `module:class` of the network called `name`, which `setting` names.

    Raises:
        UserError: there is no such network.
    """
    if name not in NETWORKS:
        raise UserError(f"Setting `{setting}` is `{name}`, but networks are {', '.join(NETWORKS)}. Choose one.")
    return NETWORKS[name]
