"""Layer-wise relevance propagation (Bach et al., PLoS ONE 2015), through networks whose every operation is a module.

A copy of the network is made in which each module hands back relevance in place of its gradient, so that one backward
pass of autograd propagates it. An operation that is no module, such as `a + b` in a forward pass, hands back plain
gradients, and relevance is then no longer conserved. So the sum of the relevance of the input is compared with that of
the logit, and a network where they differ is refused.
"""

from collections.abc import Callable, Iterator
from copy import deepcopy
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from explainct.errors import UserError
from explainct.learning.networks.parts import MeanPool, Sum

Rule = Literal["zplus", "epsilon"]
"""`zplus`: by positive weights alone, and biases take nothing (Montavon et al., Pattern Recognition 2017, for inputs of
0 and more); `epsilon`: by all weights, and biases take their part, which on ReLU networks is Input x Gradient."""

TOLERANCE = 1e-3
"""Largest share of the sum of absolute relevance by which the relevance of the input may miss that of the logit."""
TINY = 1e-9
CONVOLUTIONS = (nn.Conv2d, nn.Conv3d)
NORMALISATIONS = (nn.BatchNorm2d, nn.BatchNorm3d)

Absorbed = list[torch.Tensor]
"""What biases took of each sample's relevance in a backward pass, one tensor [B] a layer."""


class RelevanceNetwork:
    """A network through which relevance is propagated; the network itself is not changed.

    Args:
        network: returns logits [B, K] and features [B, C, d, h, w] of images, in evaluation mode.
        rule: how the layers share relevance.

    Raises:
        UserError: a batch normalisation does not follow a convolution, so that it cannot be folded into it.
    """

    def __init__(self, network: nn.Module, rule: Rule = "zplus") -> None:
        self.absorbed: Absorbed = []
        self.name = type(network).__name__
        self.network = deepcopy(network).eval().requires_grad_(requires_grad=False)
        _fold(self.network)
        _replace(self.network, rule, self.absorbed)

    def relevance(self, images: torch.Tensor) -> torch.Tensor:
        """Return the relevance of each voxel for each class, [B, K, D, H, W].

        Its sum over voxels is the logit, less what biases take.

        Args:
            images: float [B, 1, D, H, W], 0 and more for the rule `zplus`.

        Raises:
            UserError: relevance is not conserved: an operation of the network is no module with a rule.
        """
        images = images.detach().requires_grad_()
        with torch.enable_grad():
            logits, _ = self.network(images)
            maps = [self._of_class(logits, images, number) for number in range(logits.shape[1])]
        return torch.stack(maps, dim=1)

    def _of_class(self, logits: torch.Tensor, images: torch.Tensor, number: int) -> torch.Tensor:
        """Return the relevance [B, D, H, W] for one class, if it is conserved."""
        self.absorbed.clear()
        start = torch.zeros_like(logits)
        start[:, number] = logits.detach()[:, number]
        (relevance,) = torch.autograd.grad(logits, images, start, retain_graph=True)
        found = relevance.flatten(1).sum(1) + sum(self.absorbed)
        error = (found - start[:, number]).abs()
        scale = relevance.flatten(1).abs().sum(1).maximum(start[:, number].abs())
        worst = (error / (scale + TINY)).max().item()
        if not worst <= TOLERANCE:  # also where it is not a number
            raise UserError(
                f"Relevance is not conserved in {self.name}: its sum misses the logit by {worst:.2g} of the sum of "
                f"absolute relevance, and at most {TOLERANCE:g} was expected. Networks need a module for each "
                "operation, as `small_resnet` has; choose that network, or leave `lrp` out of `monitoring.maps`."
            )
        return relevance[:, 0]


class _Propagate(torch.autograd.Function):
    """The identity on `output`, whose backward pass turns its relevance into that of the inputs by `share`."""

    @staticmethod
    def forward(ctx: Any, output: torch.Tensor, share: Callable, *_: torch.Tensor) -> torch.Tensor:
        ctx.share = share
        # A copy: networks may change the output of a layer in place.
        return output.clone()

    @staticmethod
    def backward(ctx: Any, relevance: torch.Tensor) -> tuple[Any, ...]:
        return None, None, *ctx.share(relevance)


class _WeightedRelevance(nn.Module):
    """A convolution or linear layer that hands back relevance in proportion to its contributions.

    Args:
        layer: the layer, with batch normalisation folded into it.
        rule: which weights contribute; the last layer, whose logits have either sign, takes all of them.
        absorbed: where what its bias takes is noted.
    """

    def __init__(self, layer: nn.Module, rule: Rule, absorbed: Absorbed) -> None:
        super().__init__()
        self.layer, self.absorbed = layer, absorbed
        self.positive = rule == "zplus" and not isinstance(layer, nn.Linear)
        self.weight = _positive(layer.weight) if self.positive else layer.weight

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        output = self.layer(inputs).detach()
        # Inputs of 0 everywhere would take nothing: a shift that changes no other result lets them share evenly.
        seen = inputs.detach() + TINY if self.positive else inputs.detach()
        bias = None if self.positive else self.layer.bias
        total = _stable(self._linear(seen, bias) if self.positive else output)

        def share(relevance: torch.Tensor) -> tuple[torch.Tensor]:
            ratio = relevance / total
            if self.layer.bias is not None and not self.positive:
                self.absorbed.append((ratio.transpose(1, -1) * self.layer.bias).flatten(1).sum(1))
            return (seen * self._transposed(ratio, seen.shape),)

        return _Propagate.apply(output, share, inputs)

    def _linear(self, inputs: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        """Return the layer's output with the weights that contribute."""
        if isinstance(self.layer, nn.Linear):
            return functional.linear(inputs, self.weight, bias)
        convolve = functional.conv2d if isinstance(self.layer, nn.Conv2d) else functional.conv3d
        return convolve(inputs, self.weight, bias, **self._geometry())

    def _transposed(self, outputs: torch.Tensor, shape: torch.Size) -> torch.Tensor:
        """Return the transpose of that map, from outputs back to inputs of a shape."""
        if isinstance(self.layer, nn.Linear):
            return outputs @ self.weight
        gradient = nn.grad.conv2d_input if isinstance(self.layer, nn.Conv2d) else nn.grad.conv3d_input
        return gradient(shape, self.weight, outputs, **self._geometry())

    def _geometry(self) -> dict[str, Any]:
        layer = self.layer
        return {
            "stride": layer.stride,
            "padding": layer.padding,
            "dilation": layer.dilation,
            "groups": layer.groups,
        }


class _ReluRelevance(nn.Module):
    """A ReLU that hands relevance through."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return _Propagate.apply(inputs.detach().relu(), lambda relevance: (relevance,), inputs)


class _SumRelevance(nn.Module):
    """A sum that shares relevance by the summands' values; by their positive parts alone with the rule `zplus`."""

    def __init__(self, rule: Rule) -> None:
        super().__init__()
        self.positive = rule == "zplus"

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        # Where no part is positive, both take the same, as inputs of 0 everywhere do in other layers.
        parts = [part.detach().relu() + TINY if self.positive else part.detach() for part in (first, second)]
        total = _stable(parts[0] + parts[1])
        return _Propagate.apply(
            (first + second).detach(),
            lambda relevance: tuple(part * relevance / total for part in parts),
            first,
            second,
        )


class _PoolRelevance(nn.Module):
    """A mean over positions that shares relevance by the positions' values."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        seen = features.detach()
        total = _stable(seen.sum((2, 3, 4)))
        return _Propagate.apply(
            seen.mean((2, 3, 4)), lambda relevance: (seen * (relevance / total)[..., None, None, None],), features
        )


def _positive(weight: torch.Tensor) -> torch.Tensor:
    """Return the positive weights [C, ...]; a unit without any, which its bias alone can excite, shares evenly."""
    positive = weight.clamp(min=0)
    none = (positive.flatten(1).sum(1) == 0).view(-1, *[1] * (weight.ndim - 1))
    return torch.where(none, 1.0, positive)


def _stable(values: torch.Tensor) -> torch.Tensor:
    """Return values with 0 replaced by a tiny number, which divides nothing that is not 0."""
    tiny = torch.finfo(values.dtype).tiny * 1e6
    return torch.where(values.abs() < tiny, tiny, values)


def _fold(network: nn.Module) -> None:
    """Fold each batch normalisation into the convolution before it, in place.

    Raises:
        UserError: one does not follow a convolution.
    """
    for parent in list(network.modules()):
        names = list(parent._modules)
        for first, second in pairwise(names):
            pair = parent._modules[first], parent._modules[second]
            if isinstance(pair[0], CONVOLUTIONS) and isinstance(pair[1], NORMALISATIONS):
                parent._modules[first] = fuse_conv_bn_eval(*pair)
                parent._modules[second] = nn.Identity()
    left = [name for name, module in network.named_modules() if isinstance(module, NORMALISATIONS)]
    if left:
        raise UserError(
            f"Relevance cannot be propagated through {type(network).__name__}: its layer {left[0]} normalises what is "
            "not the output of a convolution. Choose the network `small_resnet`, or leave `lrp` out of "
            "`monitoring.maps`."
        )


def _replace(network: nn.Module, rule: Rule, absorbed: Absorbed) -> None:
    """Put a module that propagates relevance in the place of each one that has a rule."""
    for parent, name, module in list(_children(network)):
        if isinstance(module, (*CONVOLUTIONS, nn.Linear)):
            setattr(parent, name, _WeightedRelevance(module, rule, absorbed))
        elif isinstance(module, nn.ReLU):
            setattr(parent, name, _ReluRelevance())
        elif isinstance(module, Sum):
            setattr(parent, name, _SumRelevance(rule))
        elif isinstance(module, MeanPool):
            setattr(parent, name, _PoolRelevance())


def _children(network: nn.Module) -> Iterator[tuple[nn.Module, str, nn.Module]]:
    """Yield each module with its parent and its name there."""
    for parent in network.modules():
        for name, module in parent.named_children():
            yield parent, name, module
