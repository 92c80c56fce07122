"""Class activation maps: in closed form for pooling and one linear layer, by autograd for any other head.

Both return raw maps; `postprocess` turns them into explanations. Grad-CAM: Selvaraju et al., ICCV 2017.
"""

import torch


def class_activation_maps(
    features: torch.Tensor, weight: torch.Tensor, classes: torch.Tensor, *, detach_weight: bool = False
) -> torch.Tensor:
    """Return Grad-CAM of a global average pooling and linear head, exactly and without a backward pass.

    With such a head the gradient of a logit is the same at every position of the features, so Grad-CAM is the sum
    over channels of `weight[class] * features`, divided by the number of positions. The result is differentiable
    with respect to both, as if Grad-CAM had been computed with `create_graph=True`. No ReLU, no normalisation.

    Args:
        features: the features [B, C, d, h, w] that the head pools.
        weight: the linear layer's weight [K, C]; maps have its number format.
        classes: the class to explain of each sample, int64 [B], in 0 ... K - 1.
        detach_weight: keep gradients from reaching `weight`, as the published code does (it detaches the channel
            weights, so that explanation supervision never trains the classification layer).

    Returns:
        Maps [B, d, h, w], of either sign.
    """
    if detach_weight:
        weight = weight.detach()
    positions = features[0, 0].numel()
    return torch.einsum("bcdhw,bc->bdhw", features.to(weight.dtype), weight[classes]) / positions


def gradcam(features: torch.Tensor, logits: torch.Tensor, classes: torch.Tensor, *, create_graph: bool) -> torch.Tensor:
    """Return Grad-CAM by autograd, for heads of any form that treat the samples of a batch independently.

    One backward pass from the sum of the samples' own logits serves the whole batch, whatever mix of classes it
    holds. No ReLU, no normalisation.

    Args:
        features: features [B, C, d, h, w] from which `logits` were computed.
        logits: the head's output [B, K].
        classes: the class to explain of each sample, int64 [B], in 0 ... K - 1.
        create_graph: make the maps differentiable through the channel weights too, not through the features alone.

    Returns:
        Maps [B, d, h, w], of either sign.
    """
    score = logits.gather(1, classes[:, None]).sum()
    (gradient,) = torch.autograd.grad(score, features, create_graph=create_graph, retain_graph=True)
    return torch.einsum("bcdhw,bc->bdhw", features, gradient.mean((2, 3, 4)))
