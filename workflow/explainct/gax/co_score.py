"""The confidence optimisation (CO) score: what a change of the image does to the logit of a class.

Tjoa et al., Improving deep neural network classification confidence using heatmap-based explainable AI, Eq. 5. The
score is kappa . (f(g(x, h)) - f(x)) of raw logits f, with kappa = 1 for the class and -1 / (C - 1) for the others. It
is C / (C - 1) times the change of the class's logit less the mean change of all logits; a change of all logits alike
scores 0.

As published, kappa is that of the *true* class while the map is that of the *predicted* class. A map that raises the
predicted class then scores above 0 where the prediction is correct and below 0 where it is wrong, whatever it shows:
the sign says whether the prediction was right, which whoever computes the score knows already. With kappa of the
predicted class no label is needed.
"""

from collections.abc import Sequence

import torch
from torch import nn

from explainct.errors import UserError


class Normalised(nn.Module):
    """A classifier of images in [0, 1] that normalises them inside, so that maps are added to what is shown.

    The published code adds maps to images in [0, 1] and compares with logits of normalised ones; a map of zeros then
    scores.

    Args:
        network: takes images that are normalised.
        mean: of each channel, or of all.
        std: of each channel, or of all, above 0.
    """

    def __init__(self, network: nn.Module, *, mean: float | Sequence[float], std: float | Sequence[float]) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.as_tensor(mean, dtype=torch.float32).reshape(-1))
        self.register_buffer("std", torch.as_tensor(std, dtype=torch.float32).reshape(-1))

    def forward(self, images: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        """Return what the network returns for the normalised images [B, C, ...]."""
        shape = (-1, *[1] * (images.ndim - 2))
        return self.network((images - self.mean.view(shape)) / self.std.view(shape))


def raw_logits(network: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Return the logits [B, K] in float32 of a network that returns them, alone or before its features."""
    output = network(images)
    return (output[0] if isinstance(output, tuple) else output).float()


def score_constants(classes: torch.Tensor, outputs: int) -> torch.Tensor:
    """Return kappa [B, K], whose rows sum to 0: 1 for the class, -1 / (K - 1) for the others.

    Args:
        classes: a class of each image, int64 [B], in 0 ... K - 1.
        outputs: number of classes K.

    Raises:
        UserError: there is one class, so that no other can lose.

    >>> score_constants(torch.tensor([0, 2]), 3).tolist()
    [[1.0, -0.5, -0.5], [-0.5, -0.5, 1.0]]
    """
    if outputs < 2:
        raise UserError(f"The CO score needs two classes or more, but the classifier has {outputs} output.")
    kappa = torch.full((len(classes), outputs), -1 / (outputs - 1), device=classes.device)
    return kappa.scatter(1, classes[:, None], 1.0)


def co_score(before: torch.Tensor, after: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Return the CO score [B] (Eq. 5), above 0 where the change favours the class.

    Args:
        before: raw logits of the images [B, K].
        after: raw logits of the changed images [B, K].
        classes: the class of each image, int64 [B]: the true one as published, or the predicted one without a label.

    Raises:
        UserError: there is one class.
    """
    return (score_constants(classes, before.shape[1]).to(before.dtype) * (after - before)).sum(1)


def check_images(images: torch.Tensor) -> None:
    """Check that images are float [B, C, D, H, W] in [0, 1].

    Raises:
        UserError: they are not.
    """
    if images.ndim != 5 or not images.is_floating_point() or 0 in images.shape:
        raise UserError(
            f"The images are {images.dtype} of shape {tuple(images.shape)}; expected are floating-point numbers of "
            "shape [B, C, D, H, W]. Give a slice a depth of 1."
        )
    low, high = images.min().item(), images.max().item()
    if not (low >= 0 and high <= 1):  # also where one is not a number
        raise UserError(f"The images span {low:g} to {high:g}; expected are values in [0, 1]. Window them before.")


def check_maps(maps: torch.Tensor, images: torch.Tensor) -> None:
    """Check that maps have the images' shape and are finite; a map of zeros is one.

    Raises:
        UserError: they have another shape, or a value is not finite.
    """
    if maps.shape != images.shape:
        raise UserError(
            f"The maps have the shape {tuple(maps.shape)}, the images {tuple(images.shape)}. Bring both to "
            "the same grid."
        )
    wrong = int((~torch.isfinite(maps)).sum())
    if wrong:
        raise UserError(
            f"{wrong} of {maps.numel()} values of the maps are not finite numbers. Choose another map, or train the "
            "classifier again with a lower learning rate."
        )
