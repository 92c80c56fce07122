"""Signed maps of a class on the grid of the image: the six of AX (Tjoa et al., section 3), by captum.

They are not scaled. A network of two dimensions sees the middle slice, and its maps are 0 on all other slices.
"""

import warnings
from collections.abc import Callable
from functools import partial

import torch
from captum.attr import Deconvolution, DeepLift, GuidedBackprop, InputXGradient, LayerGradCam, Saliency
from torch import nn

from explainct.errors import UserError
from explainct.learning.explain.explainers import BASELINE, Logits
from explainct.learning.explain.explainers import grad_cam as grad_cam_of_features
from explainct.learning.explain.postprocess import upsample
from explainct.learning.networks.middle_slice import middle
from explainct.learning.networks.separate_relus import with_separate_relus

SignedMap = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""From images [B, 1, D, H, W] and classes int64 [B] to maps [B, 1, D, H, W] of either sign."""

FIRST, LAST = "first", "last"
"""Words for layers of every network: the one next to the image, and the features that the head pools."""


def _saliency(network: nn.Module) -> SignedMap:
    """Return what makes the gradient of the logit, with its sign (Simonyan et al., 1312.6034)."""
    return lambda images, classes: Saliency(Logits(network)).attribute(images, target=classes, abs=False)


def _input_x_gradient(network: nn.Module) -> SignedMap:
    """Return what makes the image times the gradient of the logit (Shrikumar et al., 1605.01713)."""
    return lambda images, classes: InputXGradient(Logits(network)).attribute(images, target=classes)


def _guided_backpropagation(network: nn.Module) -> SignedMap:
    """Return what makes guided backpropagation (Springenberg et al., ICLR workshop 2015)."""
    method = GuidedBackprop(Logits(with_separate_relus(network)))
    return lambda images, classes: method.attribute(images, target=classes)


def _deconvolution(network: nn.Module) -> SignedMap:
    """Return what makes the deconvolution (Zeiler and Fergus, ECCV 2014)."""
    method = Deconvolution(Logits(with_separate_relus(network)))
    return lambda images, classes: method.attribute(images, target=classes)


def _deep_lift(network: nn.Module) -> SignedMap:
    """Return what makes DeepLift, rescale rule (Shrikumar et al., ICML 2017); its sum is the rise from an image of 0.

    The image of 0 is air, the lowest value of the HU window.
    """
    method = DeepLift(Logits(with_separate_relus(network)))
    return lambda images, classes: method.attribute(images, baselines=BASELINE, target=classes)


def _grad_cam(network: nn.Module, layer: str) -> SignedMap:
    """Return what makes Grad-CAM of a layer, not rectified, upsampled (Selvaraju et al., ICCV 2017).

    Raises:
        UserError: the network has no such layer.
    """
    if layer == LAST:
        return lambda images, classes: _on_grid(grad_cam_of_features(network, images, classes), images, network)
    method = LayerGradCam(Logits(network), find_layer(network, layer))

    def maps(images: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
        cells = method.attribute(images, target=classes)[:, 0]
        return _on_grid(cells if cells.ndim == 4 else cells[:, None], images, network)

    return maps


SIGNED_MAPS: dict[str, Callable[[nn.Module], SignedMap]] = {
    "saliency": _saliency,
    "input_x_gradient": _input_x_gradient,
    "deconvolution": _deconvolution,
    "guided_backpropagation": _guided_backpropagation,
    "deep_lift": _deep_lift,
}
"""The known maps but Grad-CAM, which has a layer: `grad_cam_{layer}`."""
GRAD_CAM = "grad_cam_"


def signed_map(name: str, network: nn.Module) -> SignedMap:
    """Return what makes the maps called `name` of a network in evaluation mode, which is left as it is.

    Args:
        name: one of `SIGNED_MAPS`, or `grad_cam_` and a layer: `first`, `last`, a step of `network.layers`, or a
            module.
        network: returns logits [B, K] and features [B, C, d, h, w] of images [B, 1, D, H, W].

    Raises:
        UserError: there are no such maps, or the network has no such layer.
    """
    if name in SIGNED_MAPS:
        make = SIGNED_MAPS[name](network)
    elif name.startswith(GRAD_CAM):
        make = _grad_cam(network, name.removeprefix(GRAD_CAM))
    else:
        known = ", ".join([*SIGNED_MAPS, f"{GRAD_CAM}{FIRST}", f"{GRAD_CAM}{LAST}"])
        raise UserError(f"Setting `confidence.maps` names `{name}`, but maps are {known}. Choose some.")
    return partial(_detached, make)


def find_layer(network: nn.Module, name: str) -> nn.Module:
    """Return the module called `name`: `first`, a step of `network.layers` (its first module), or torch's own name.

    Raises:
        UserError: the network has no such layer.
    """
    modules = dict(network.named_modules())
    steps = getattr(network, "layers", {})
    if name == FIRST and steps:
        name = list(steps)[-1]
    module = steps[name][0] if name in steps else name
    if not module or module not in modules:
        raise UserError(
            f"{type(network).__name__} has no layer `{name}`; its layers are {', '.join([FIRST, *steps, LAST])}, and "
            "its modules by torch's names. Choose one of them."
        )
    return modules[module]


def _detached(make: SignedMap, images: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Return maps without a graph; captum's announcement of hooks, which it removes again, is not repeated."""
    with warnings.catch_warnings(), torch.enable_grad():
        warnings.filterwarnings("ignore", message=r"\s*Setting (backward|forward)")
        return make(images.detach().requires_grad_(), classes).detach()


def _on_grid(cells: torch.Tensor, images: torch.Tensor, network: nn.Module) -> torch.Tensor:
    """Return maps of cells [B, d, h, w] on the grid [B, 1, D, H, W], those of two dimensions on the middle slice."""
    depth, *plane = images.shape[2:]
    if getattr(network, "settings", {"dims": 3})["dims"] == 3 or depth == 1:
        return upsample(cells, (depth, *plane))[:, None]
    maps = torch.zeros_like(images)
    maps[:, 0, middle(depth)] = upsample(cells, (1, *plane))[:, 0].detach()
    return maps
