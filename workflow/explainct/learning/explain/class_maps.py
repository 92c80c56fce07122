"""Maps of every class of an image at once: signed, as INFORMER compares them with each other.

The network is left as it is. Maps are not scaled, since only their directions are compared.
"""

from collections.abc import Callable

import torch
from torch import nn

from explainct.errors import UserError
from explainct.learning.explain.relevance import RelevanceNetwork

MapMaker = Callable[[torch.Tensor], torch.Tensor]
"""From images [B, 1, D, H, W] to maps of all K classes [B, K, ...]."""


def input_x_gradient(network: nn.Module) -> MapMaker:
    """Return what makes the image times the gradient of each logit, [B, K, D, H, W] (Shrikumar et al., 1605.01713).

    One forward pass serves all classes, and each class takes one backward pass to the image alone.
    """

    def maps(images: torch.Tensor) -> torch.Tensor:
        images = images.detach().requires_grad_()
        with torch.enable_grad():
            logits, _ = network(images)
            gradients = [
                torch.autograd.grad(logits[:, number].sum(), images, retain_graph=True)[0][:, 0]
                for number in range(logits.shape[1])
            ]
        return images.detach() * torch.stack(gradients, dim=1)

    return maps


def lrp(network: nn.Module) -> MapMaker:
    """Return what makes layer-wise relevance propagation by the rule z+, [B, K, D, H, W].

    Raises:
        UserError: relevance cannot be propagated through the network.
    """
    return RelevanceNetwork(network, "zplus").relevance


def grad_cam(network: nn.Module) -> MapMaker:
    """Return what makes Grad-CAM of each class, [B, K, d, h, w], rectified as published (Selvaraju et al., ICCV 2017).

    For a head that is pooling and the layer `network.head` it needs no backward pass.
    """

    @torch.no_grad()
    def maps(images: torch.Tensor) -> torch.Tensor:
        _, features = network(images)
        return torch.einsum("bcdhw,kc->bkdhw", features, network.head.weight).relu()

    return maps


CLASS_MAPS: dict[str, Callable[[nn.Module], MapMaker]] = {
    "input_x_gradient": input_x_gradient,
    "lrp": lrp,
    "grad_cam": grad_cam,
}
"""The known maps, by name."""


def map_maker(name: str, network: nn.Module) -> MapMaker:
    """Return what makes the maps called `name` of a network in evaluation mode.

    Raises:
        UserError: there are no such maps, or the network does not allow them.
    """
    if name not in CLASS_MAPS:
        raise UserError(f"Setting `monitoring.maps` names `{name}`, but maps are {', '.join(CLASS_MAPS)}. Choose some.")
    return CLASS_MAPS[name](network)
