"""The networks of the study: seven smooth convolutions, whose counterfactuals have a gradient."""

import math
from collections.abc import Mapping
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from explainct.errors import UserError
from explainct.runtime import checkpoint

CHANNELS = (8, 8, 16, 16, 32, 32, 32)
STRIDES = (2, 1, 2, 1, 1, 1, 1)
SHARPNESS = 4.0
"""How close the pooling is to a maximum: 0 would be the mean."""
GAIN = 1.2
"""Factor of Kaiming's standard deviation, without which signals of seven layers fade where nothing normalises them."""
ACTIVATIONS = {"silu": nn.SiLU, "relu": nn.ReLU}

NETWORKS = {
    "smooth_cnn": "explainct.cfalign.networks:SmoothCNN",
    "bagnet": "explainct.cfalign.bagnet:BagNet",
    "icnn": "explainct.cfalign.icnn:ICNN",
    "attribute_cnn": "explainct.cfalign.attributes:AttributeCNN",
}
"""All networks: `module:class`, imported by name."""


class SmoothCNN(nn.Module):
    """Seven convolutions, a smooth maximum over positions, and one linear layer (CF-Align, section 5.1 and Figure 7).

    The paper's Figure 7 gives seven layers and no sizes. Activations are SiLU, since a network of ReLU has no second
    derivative in its input, which the implicit gradient inverts. Nothing is normalised: group normalisation makes the
    problem of a counterfactual non-convex and its gradient fail. Without it, the mean over positions learns slowly, and
    the smooth maximum log(mean(exp(4 h))) / 4 quickly, since a nodule covers few of the positions.

    Args:
        activation: `silu`, or `relu`, for which no implicit gradient exists.
        outputs: number of logits.
    """

    def __init__(self, *, activation: str = "silu", outputs: int = 2) -> None:
        super().__init__()
        self.settings = {"activation": activation, "outputs": outputs}
        layers: list[nn.Module] = []
        for before, after, stride in zip((1, *CHANNELS), CHANNELS, STRIDES, strict=False):
            convolution = nn.Conv2d(before, after, 3, stride=stride, padding=1)
            nn.init.normal_(convolution.weight, std=GAIN * math.sqrt(2 / (9 * before)))
            nn.init.zeros_(convolution.bias)
            layers += [convolution, ACTIVATIONS[activation]()]
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(CHANNELS[-1], outputs)

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Return the last feature maps [B, C, h, w] of images [B, 1, H, W] in [0, 1]."""
        return self.layers((images - 0.5) * 2)

    def classify(self, features: torch.Tensor) -> torch.Tensor:
        """Return logits [B, K] of feature maps [B, C, h, w]."""
        return self.head(smooth_maximum(features))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits [B, K] of images [B, 1, H, W] in [0, 1]."""
        return self.classify(self.features(images))


def smooth_maximum(features: torch.Tensor) -> torch.Tensor:
    """Return log(mean(exp(4 h))) / 4 over positions [B, C] of feature maps [B, C, h, w]."""
    flat = SHARPNESS * features.flatten(2)
    return (flat.logsumexp(2) - math.log(flat.shape[2])) / SHARPNESS


def build(name: str, **settings: Any) -> nn.Module:
    """Build the network called `name` with torch's current random numbers.

    Raises:
        UserError: there is no such network.
    """
    if name not in NETWORKS:
        raise UserError(f"The network `{name}` is unknown; networks are {', '.join(NETWORKS)}. Choose one.")
    return resolve_name(NETWORKS[name])(**settings)


def save_network(name: str, network: nn.Module, path: Path) -> None:
    """Write the weights of the network called `name`, with all that is needed to rebuild it."""
    weights = {key: value.detach().cpu() for key, value in network.state_dict().items()}
    checkpoint.save({"network": name, "settings": dict(network.settings), "weights": weights}, path)


def load_network(path: Path, device: torch.device) -> nn.Module:
    """Read what `save_network` wrote, ready to predict.

    Raises:
        UserError: the file is not a network of this study.
    """
    content: Mapping[str, Any] = checkpoint.load(path)
    if not {"network", "settings", "weights"} <= content.keys():
        raise UserError(f"{path} holds no network of the counterfactual study. Delete it and repeat.")
    network = build(content["network"], **content["settings"])
    network.load_state_dict(content["weights"])
    return network.to(device).eval().requires_grad_(False)


def check_smooth(network: nn.Module) -> None:
    """Check that a network has second derivatives everywhere and treats samples apart.

    Raises:
        UserError: it has rectifiers, maxima, or normalises over the batch.
    """
    rough = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.MaxPool2d, nn.MaxPool3d, nn.BatchNorm2d, nn.BatchNorm3d)
    found = sorted({type(module).__name__ for module in network.modules() if isinstance(module, rough)})
    if found:
        raise UserError(
            f"The implicit gradient needs a network with second derivatives that treats samples apart, and this one "
            f"has {', '.join(found)}. Use `smooth_cnn` with its activation `silu`."
        )


def grad_cam(network: nn.Module, images: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Return Grad-CAM [B, H, W] of classes [B], rectified, on the images' grid (Selvaraju et al., ICCV 2017).

    Args:
        network: a network with `features` and `classify`.
        images: [B, 1, H, W].
        classes: the class of each image, int64 [B].
    """
    features = network.features(images).detach().requires_grad_()
    with torch.enable_grad():
        score = network.classify(features).gather(1, classes[:, None]).sum()
        (gradient,) = torch.autograd.grad(score, features)
    maps = (features.detach() * gradient.mean((2, 3), keepdim=True)).sum(1, keepdim=True).relu()
    return functional.interpolate(maps, images.shape[2:], mode="bilinear", align_corners=False)[:, 0]
