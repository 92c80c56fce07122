"""What the authors' code of DUE and of RES computes, written down anew, one sample and one step at a time.

The published methods are tested against it. It shares no code with them, is slow, and follows what was read in the
repositories AlexQilong/DUE and YuyangGao/RES (RES, and GRADIA and HAICS as it compares with them); what was not read
is said where it is. docs/methods.md lists what the published methods do otherwise.

Volumes of DUE are [D, H, W], images of RES [H, W] with cells [h, w]; batches are lists of them or a leading axis B.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import torch
from torch.nn import functional

EPSILON = 1e-6
"""Added to the denominator when maps are scaled by minimum and maximum."""

STEEPNESS = 5
"""Factor inside the hyperbolic tangent, in DUE and in RES."""

ABOVE_NEGATIVE = 1e-4
"""How far above a cell labelled as outside RES's search puts a threshold."""


def due_image(block: torch.Tensor, grid: tuple[int, int, int]) -> torch.Tensor:
    """Return DUE's image on the grid: each slice of a block [K, h, w] scaled by its own extremes, then all resized.

    A constant slice is 0 here; what the authors' code makes of one is not known.
    """
    scaled = []
    for image in block:
        low, high = image.min(), image.max()
        scaled.append((image - low) / (high - low) if high > low else torch.zeros_like(image))
    return functional.interpolate(torch.stack(scaled)[None, None], grid, mode="trilinear", align_corners=True)[0, 0]


def due_mask(consensus: torch.Tensor, grid: tuple[int, int, int]) -> torch.Tensor:
    """Return DUE's mask of a block [K, h, w] on the grid: voxel g of D is source voxel floor(g K / D)."""
    result = (consensus > 0).to(torch.int64)
    for axis, size in enumerate(grid):
        source = result.shape[axis]
        result = result.index_select(axis, torch.tensor([place * source // size for place in range(size)]))
    return result


def due_annotated_planes(slices: int, depth: int) -> list[int]:
    """Return where DUE takes the slices of a block to be on a grid of `depth` planes, ascending, without repetition."""
    return np.unique(np.linspace(0, depth - 1, slices).round().astype(int)).tolist()


def due_query_times(targets: int) -> torch.Tensor:
    """Return the times [M] for which DUE asks its predictor in a gap of M slices, whose contexts are at 0 and 1."""
    return torch.linspace(2, 6, targets, dtype=torch.float64)


def due_weights(variance: torch.Tensor, slices: int) -> torch.Tensor:
    """Return DUE's voxel weights [D, H, W] of a block with `slices` slices, from the variance on the grid [D, H, W]."""
    weights = torch.ones_like(variance)
    known = due_annotated_planes(slices, len(variance))
    for lower, upper in pairwise(known):
        if upper - lower > 1:
            flipped = torch.sigmoid(-variance[lower + 1 : upper])
            above = flipped - flipped.min()
            weights[lower + 1 : upper] = above / above.max() if above.max() > 0 else 0
    return weights


def grad_cam(features: torch.Tensor, score: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
    """Return DUE's Grad-CAM [d, h, w] of one sample: features [C, d, h, w] times their gradient's mean over h and w.

    The gradient is that of a backward pass without a graph, so no loss of the map reaches the layer that scores.

    Args:
        features: last features of the sample, part of a graph.
        score: from features to the score of the explained class.
    """
    (gradient,) = torch.autograd.grad(score(features), features, retain_graph=True)
    return (gradient.mean((2, 3), keepdim=True) * features).sum(0)


def due_explanation(raw: torch.Tensor, grid: tuple[int, int, int]) -> torch.Tensor:
    """Return DUE's explanation on the grid, in [0, 1], of one raw map [d, h, w]."""
    positive = raw.clamp_min(0)[None, None]
    large = functional.interpolate(positive, grid, mode="trilinear", align_corners=True)[0, 0]
    return (large - large.min()) / (large.max() - large.min() + EPSILON)


def due_loss(
    explanations: Sequence[torch.Tensor],
    annotations: Sequence[torch.Tensor],
    weights: Sequence[torch.Tensor],
    masks: Sequence[torch.Tensor],
) -> torch.Tensor:
    """Return DUE's explanation loss of a batch, a scalar; each argument holds a volume [D, H, W] per sample.

    Samples without a voxel in the mask are not explained. The repository divides by the number of explained voxels,
    so what it does in a batch without any is not known; here that batch has no loss.

    Args:
        explanations: M in [0, 1].
        annotations: I, interpolated by the diffusion, in [0, 1].
        weights: w in [0, 1].
        masks: m, 0 or 1.
    """
    binary, continuous = [], []
    for explanation, annotation, weight, mask in zip(explanations, annotations, weights, masks, strict=True):
        if mask.any():
            inside = mask != 0
            binary.append((torch.tanh(STEEPNESS * (explanation - 0.5))[inside] - 1).abs() * weight[inside])
            continuous.append((weight * (explanation - annotation).abs()).flatten())
    if not binary:
        return sum(explanation.sum() for explanation in explanations) * 0
    return torch.cat(binary).mean() + torch.cat(continuous).mean()


def res_labels(mask: torch.Tensor, cells: tuple[int, int]) -> torch.Tensor:
    """Return RES's labels of cells [h, w]: the pixel of the mask [H, W] at the upper left corner of each cell."""
    rows, columns = (
        torch.tensor([place * size // count for place in range(count)])
        for size, count in zip(mask.shape, cells, strict=True)
    )
    return mask[rows][:, columns]


def res_explanation(raw: torch.Tensor) -> torch.Tensor:
    """Return RES's explanation on cells [h, w] of one raw map, without a positive part."""
    above = raw - raw.min()
    return above / (above.max() + EPSILON)


def gradia_loss(explanations: torch.Tensor, factual: torch.Tensor) -> torch.Tensor:
    """Return GRADIA's loss of explanations and labels F [B, h, w], a scalar, over all cells."""
    return sum((one - other).abs().sum() for one, other in zip(explanations, factual, strict=True)) / factual.numel()


def haics_loss(explanations: torch.Tensor, factual: torch.Tensor) -> torch.Tensor:
    """Return HAICS's loss of explanations and labels F [B, h, w]: cross-entropy, times the share of labelled cells."""
    entropy = functional.binary_cross_entropy(explanations.flatten(), factual.flatten())
    return entropy * (int((factual != 0).sum()) / factual.numel())


def res_threshold_quality(explanations: torch.Tensor, signs: torch.Tensor, threshold: float) -> float:
    """Return the share of cells with H < 0 below a threshold, plus the share of cells with H > 0 that are not."""
    inside, outside = explanations[signs > 0], explanations[signs < 0]
    parts = [
        ((outside < threshold).double().mean(), len(outside)),
        ((inside >= threshold).double().mean(), len(inside)),
    ]
    return sum(float(share) for share, count in parts if count)


def res_threshold(explanations: torch.Tensor, signs: torch.Tensor) -> float:
    """Return RES's threshold: the candidate of the best quality; of equal ones the first, cells outside before others.

    Candidates are the values of cells with H > 0, and those just above cells with H < 0. Which of equally good ones the
    repository takes was not read; without a cell labelled as outside there is one best.
    """
    candidates = [float(value) + ABOVE_NEGATIVE for value in explanations[signs < 0]]
    candidates += [float(value) for value in explanations[signs > 0]]
    return max(candidates, key=lambda value: res_threshold_quality(explanations, signs, value))


def res_binary(explanations: torch.Tensor, signs: torch.Tensor, slack: float = 0.0) -> torch.Tensor:
    """Return RES's binary term of explanations and labels H [B, h, w], a scalar: one hinge for the whole batch.

    It divides by the number of labelled cells, so what the repository does without any is not known; here it is 0.
    """
    labelled = signs != 0
    if not labelled.any():
        return explanations.sum() * 0
    projected = torch.tanh(STEEPNESS * (explanations - res_threshold(explanations.detach(), signs)))
    return ((projected - signs)[labelled].abs().mean() - slack).clamp_min(0)


def res_gaussian(factual: torch.Tensor) -> torch.Tensor:
    """Return RES-G's imputation [h, w] of positive labels [h, w]: a kernel of 3 x 3, then divided by its maximum.

    Labels of which none is positive are 0 here; what the repository makes of them is not known.
    """
    line = factual.new_tensor([1 / 4, 1 / 2, 1 / 4])
    blurred = functional.conv2d(factual[None, None], torch.outer(line, line)[None, None], padding=1)[0, 0]
    return blurred / blurred.max() if blurred.max() > 0 else blurred


def res_learned(
    mask: torch.Tensor, kernels: Sequence[tuple[torch.Tensor, torch.Tensor]], *, rectified: bool = True
) -> torch.Tensor:
    """Return RES-L's imputation [h, w] of one positive mask [H, W]: convolutions, then scaled like an explanation.

    One kernel of 64 x 64 pixels (S1) moves by 32 and pads 16; of five (D1), with 7 and four times 3 pixels, each
    halves the image, and rectifiers follow all but the last. That the scaling is that of explanations was not read.

    Args:
        mask: annotated pixels, 0 or 1.
        kernels: weight [1, 1, k, k] and bias [1] of each convolution.
        rectified: with the rectifiers.
    """
    values = mask[None, None]
    for number, (weight, bias) in enumerate(kernels):
        size = weight.shape[-1]
        stride, padding = (size // 2, size // 4) if len(kernels) == 1 else (2, size // 2)
        values = functional.conv2d(values, weight, bias, stride=stride, padding=padding)
        if rectified and number < len(kernels) - 1:
            values = values.clamp_min(0)
    return res_explanation(values[0, 0])


def res_loss(explanations: torch.Tensor, factual: torch.Tensor, imputed: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return RES's loss: its binary term, plus the mean of |M - imputed| over all cells, a scalar.

    Args:
        explanations: M [B, h, w] in [0, 1].
        factual: F [B, h, w], 0 or 1; nothing is labelled as outside.
        imputed: the imputed annotation [h, w] of each sample.
    """
    return res_binary(explanations, factual) + gradia_loss(explanations, torch.stack(list(imputed)))
