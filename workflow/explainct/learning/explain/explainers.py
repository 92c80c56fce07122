"""Explainers by name: class activation maps, gradients and occlusion, each as one map in [0, 1] per image.

All of them explain a network that returns logits [B, K] and the features [B, C, d, h, w] of its last block, as
`learning.networks.resnet.ExplainableResNet` does. One of two dimensions sees one plane of a block: class activation
maps are the same in all planes, and attributions of voxels are 0 where no change of the voxel is seen.
"""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from captum.attr import GuidedBackprop, InputXGradient, IntegratedGradients, Occlusion
from torch import nn

from explainct.errors import UserError
from explainct.learning.explain.cam import class_activation_maps, gradcam
from explainct.learning.explain.postprocess import postprocess

log = logging.getLogger(__name__)

BASELINE = 0.0
"""What a missing voxel looks like: air, the lowest value of the HU window."""

STEPS = 100
"""Points of the Gauss-Legendre rule that integrates gradients between the baseline and the image."""

WINDOWS = 8
"""The occluding window has this fraction of each axis."""


def grad_cam(network: nn.Module, images: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Return Grad-CAM [B, d, h, w] by autograd (Selvaraju et al., ICCV 2017)."""
    logits, features = network(images)
    return gradcam(features, logits, classes, create_graph=False)


@torch.no_grad()
def grad_cam_closed(network: nn.Module, images: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Return Grad-CAM [B, d, h, w] without a backward pass, for a head that is pooling and the layer `network.head`."""
    _, features = network(images)
    return class_activation_maps(features, network.head.weight, classes)


def grad_cam_plus_plus(network: nn.Module, images: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Return Grad-CAM++ [B, d, h, w] (Chattopadhay et al., WACV 2018), for features that follow a ReLU.

    With g the gradient of the logit at a position of a channel, and A the channel's sum of features, a channel weighs
    the sum over its positions of alpha relu(g), where alpha = g^2 / (2 g^2 + A g^3) (Eq. 19). With g^2 cancelled this
    is relu(g) / (2 + A g), whose denominator is at least 2. The paper explains exp(logit), which multiplies the map of
    an image by a positive number that scaling takes out again; it is left out since it overflows.
    """
    features, gradient = _features_and_gradient(network, images, classes)
    space = tuple(range(2, features.ndim))
    alpha_gradient = gradient.relu() / (2 + features.sum(space, keepdim=True) * gradient.relu())
    return (alpha_gradient.sum(space, keepdim=True) * features).sum(1)


def hires_cam(network: nn.Module, images: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Return HiResCAM [B, d, h, w], gradient times features summed over channels (Draelos et al., arXiv 2011.08891).

    For pooling and one linear layer the gradient is the same at every position, and HiResCAM is Grad-CAM.
    """
    features, gradient = _features_and_gradient(network, images, classes)
    return (gradient * features).sum(1)


def input_x_gradient(network: nn.Module, images: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Return the image times the gradient of the logit [B, D, H, W] (Shrikumar et al., arXiv 1605.01713)."""
    return InputXGradient(Logits(network)).attribute(images, target=classes).sum(1)


def integrated_gradients(network: nn.Module, images: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Return integrated gradients [B, D, H, W], whose sum is the logit minus that of the baseline.

    Sundararajan et al., ICML 2017. Each forward pass holds one step of all images. The log says by how much the sums
    miss the logits' rise: ReLUs bend the path, so the rule of `STEPS` points is not exact.
    """
    maps, miss = IntegratedGradients(Logits(network)).attribute(
        images,
        baselines=BASELINE,
        target=classes,
        n_steps=STEPS,
        internal_batch_size=len(images),
        return_convergence_delta=True,
    )
    share = (miss / (maps.flatten(1).sum(1) - miss)).detach().abs().median()
    log.info("integrated gradients miss the rise of the logit by %.1f %% (median)", 100 * share)
    return maps.sum(1)


def guided_backpropagation(network: nn.Module, images: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Return the gradient [B, D, H, W] that passes back through each ReLU where it is positive, and only there.

    Springenberg et al., ICLR workshop 2015. Every ReLU must be a `torch.nn.ReLU`. One that works in place and is
    called several times, as in MONAI's blocks, is no obstacle: captum hands it a copy of its input, and takes the
    negative part from the gradient of that input, of each call by itself.
    """
    with warnings.catch_warnings():
        # It announces, at every call, hooks that it removes again.
        warnings.filterwarnings("ignore", message="Setting backward hooks on ReLU")
        return GuidedBackprop(Logits(network)).attribute(images, target=classes).sum(1)


def occlusion(network: nn.Module, images: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Return by how much the logit falls [B, D, H, W] when a window that covers the voxel is set to the baseline.

    Zeiler and Fergus, ECCV 2014. The window has an eighth of each axis and moves by half of its size, so about 15^3
    forward passes serve a batch; a voxel has the mean over the windows that cover it.
    """
    channels, *grid = images.shape[1:]
    window = [max(1, size // WINDOWS) for size in grid]
    stride = [max(1, size // 2) for size in window]
    return (
        Occlusion(Logits(network))
        .attribute(
            images,
            sliding_window_shapes=(channels, *window),
            strides=(channels, *stride),
            baselines=BASELINE,
            target=classes,
        )
        .sum(1)
    )


class Explainer(NamedTuple):
    """A way to explain, and which part of its attributions makes the map.

    Attributes:
        attribute: returns signed attributions of (network, images, classes), on the grid of the images or of the
            features.
        magnitude: whether the map is their absolute value, as for gradients with respect to voxels, whose sign tells
            brighter from darker; or else their positive part, what speaks for the class.
    """

    attribute: Callable[[nn.Module, torch.Tensor, torch.Tensor], torch.Tensor]
    magnitude: bool


EXPLAINERS: dict[str, Explainer] = {
    "grad_cam": Explainer(grad_cam, magnitude=False),
    "grad_cam_closed": Explainer(grad_cam_closed, magnitude=False),
    "grad_cam_plus_plus": Explainer(grad_cam_plus_plus, magnitude=False),
    "hires_cam": Explainer(hires_cam, magnitude=False),
    "input_x_gradient": Explainer(input_x_gradient, magnitude=True),
    "integrated_gradients": Explainer(integrated_gradients, magnitude=True),
    "guided_backpropagation": Explainer(guided_backpropagation, magnitude=True),
    "occlusion": Explainer(occlusion, magnitude=False),
}
"""The known explainers."""


def explain(
    network: nn.Module, images: torch.Tensor, classes: torch.Tensor, name: str, *, batch_size: int = 8
) -> torch.Tensor:
    """Return a map of each image that says where `network` sees the class, by the explainer called `name`.

    Attributions become maps by one rule: absolute value or positive part (see `Explainer`), trilinear upsampling of
    those on the features' grid, division by the map's maximum. The network explains in evaluation mode and is left as
    it was: modes, gradients, hooks. It may be frozen, and autograd switched off.

    Args:
        network: returns logits [B, K] and features [B, C, d, h, w].
        images: float [B, 1, D, H, W] in [0, 1], on the network's device.
        classes: the class to explain of each image, int64 [B], in 0 ... K - 1.
        name: one of `EXPLAINERS`.
        batch_size: images of a forward pass, which bounds the memory; maps do not depend on it.

    Returns:
        Maps [B, D, H, W] in [0, 1]; 1 at the maximum, or 0 everywhere if nothing speaks for the class.

    Raises:
        UserError: no explainer is called `name`.
    """
    if name not in EXPLAINERS:
        raise UserError(f"No explainer is called `{name}`. Choose one of {', '.join(EXPLAINERS)}.")
    attribute, magnitude = EXPLAINERS[name]
    maps = []
    with _evaluation_mode(network), torch.enable_grad():
        for batch, labels in zip(images.split(batch_size), classes.split(batch_size), strict=True):
            # Images that ask for a gradient reach the features and the ReLUs of frozen networks too.
            attributions = attribute(network, batch.detach().requires_grad_(), labels).detach()
            maps.append(postprocess(attributions.abs() if magnitude else attributions, images.shape[2:], "standard"))
    return torch.cat(maps)


class Logits(nn.Module):
    """A network without its features, for captum, which expects one output."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits [B, K]."""
        return self.network(images)[0]


def _features_and_gradient(
    network: nn.Module, images: torch.Tensor, classes: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the features [B, C, d, h, w] and the gradient of each sample's own logit with respect to them."""
    logits, features = network(images)
    (gradient,) = torch.autograd.grad(logits.gather(1, classes[:, None]).sum(), features)
    return features.detach(), gradient


@contextmanager
def _evaluation_mode(network: nn.Module) -> Iterator[None]:
    """Put the network in evaluation mode, and every module of it back in its own afterwards."""
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training
