"""RES's robust explanation loss (Gao et al. 2022, equation 8): an adaptive threshold, and imputed annotations."""

import math
from collections.abc import Callable

import torch
from torch import nn
from torch.nn.functional import adaptive_avg_pool3d, conv3d, pad

from explainct.learning.losses.feature_cells import CellLabels
from explainct.learning.losses.on_cells import OnCells
from explainct.learning.losses.res_threshold import adaptive_threshold

SLOPE = 5.0
"""Slope gamma of the hyperbolic tangent."""
SLACK = 0.01
"""Slack alpha of the hinge: the paper's larger one, for scenes; 0.001 for faces. The authors' code has 0."""
SMALLEST = 1e-6

Imputation = Callable[[CellLabels], torch.Tensor]
"""From labels to the annotation that continuous maps are pulled to [B, d, h, w] in [0, 1]."""


class Res(nn.Module):
    """RES's loss: a hinged binary term for labelled cells, and the distance to an imputed annotation.

    As coded by its authors, the binary term is one number per batch without slack, the threshold balances the classes,
    and the continuous term counts unlabelled cells. As in equation 8, the binary term is one per sample, the threshold
    counts cells, and unlabelled cells do not matter.

    Args:
        imputation: from labels to continuous annotations.
        published: as coded, not as in the paper.
        slope: gamma of the hyperbolic tangent.
        slack: alpha of the hinge; by default that of the paper, or 0 as coded.
    """

    def __init__(
        self, imputation: Imputation, *, published: bool = False, slope: float = SLOPE, slack: float | None = None
    ) -> None:
        super().__init__()
        self.imputation, self.published, self.slope = imputation, published, slope
        self.slack = slack if slack is not None else 0.0 if published else SLACK

    def forward(self, maps: torch.Tensor, labels: CellLabels) -> torch.Tensor:
        """Return the loss, a scalar; 0 where nothing is labelled.

        Args:
            maps: explanations [B, d, h, w] in [0, 1].
            labels: what annotations say of the cells.
        """
        difference = (maps - self.imputation(labels)).abs() * labels.counted
        return self.binary(maps, labels.sign) + difference.sum() / labels.counted.sum().clamp_min(1)

    def binary(self, maps: torch.Tensor, sign: torch.Tensor) -> torch.Tensor:
        """Return the binary term: how far tanh(gamma (M - a)) is from H on labelled cells, above the slack.

        Args:
            maps: explanations M [B, d, h, w] in [0, 1].
            sign: H [B, d, h, w]: 1 annotated, -1 outside, 0 unlabelled.
        """
        threshold = adaptive_threshold(maps, sign, balanced=self.published)
        labelled = (sign != 0).to(maps.dtype)
        difference = (torch.tanh(self.slope * (maps - threshold)) - sign).abs() * labelled
        groups = (1, -1) if self.published else (len(maps), -1)
        means = difference.reshape(groups).sum(1) / labelled.reshape(groups).sum(1).clamp_min(1)
        return (means - self.slack).relu().mean()


def gaussian_imputation(labels: CellLabels) -> torch.Tensor:
    """Return RES-G's imputation: a Gaussian of three cells along each axis over annotated cells, over its maximum.

    Args:
        labels: what annotations say of the cells.

    Returns:
        Annotations [B, d, h, w] in [0, 1]: 1 at the peak of each sample, more than 0 up to one cell from the label.
    """
    blurred = (labels.sign > 0).to(labels.share.dtype)[:, None]
    kernel = blurred.new_tensor([0.25, 0.5, 0.25])
    for axis in range(3):
        shape = [1] * 5
        shape[2 + axis] = 3
        around = [0, 0] * (2 - axis) + [1, 1]
        blurred = conv3d(pad(blurred, around), kernel.view(shape))
    blurred = blurred[:, 0]
    return blurred / blurred.flatten(1).amax(1).clamp_min(SMALLEST)[:, None, None, None]


class LearnedImputation(nn.Module):
    """RES-L's imputation: convolutions of the annotation on the grid, learned with the classifier, min-max scaled.

    The shallow one is one kernel of two cells that moves by a cell; the deep one halves the annotation until it has
    the cells, with kernels of 7, 3, 3, ... voxels (RES, appendix A.5). Nothing ties either to the annotation, so it
    may move towards the explanation instead. The shallow kernel starts as a mean, the deep one as torch initialises it;
    as coded by its authors both start as torch initialises them, and rectifiers lie between the deep one's layers.

    Args:
        cells: cells of the feature map (d, h, w).
        grid: voxels of the annotation (D, H, W), at least as many as cells along each axis.
        deep: many small kernels instead of one large one.
        published: as coded.
    """

    def __init__(
        self, cells: tuple[int, int, int], grid: tuple[int, int, int], *, deep: bool, published: bool = False
    ) -> None:
        super().__init__()
        self.cells = cells
        step = tuple(voxels // cell for voxels, cell in zip(grid, cells, strict=True))
        layers = _halvings(step, rectified=published) if deep else [_over_two_cells(step, as_mean=not published)]
        self.layers = nn.Sequential(*layers)

    def forward(self, labels: CellLabels) -> torch.Tensor:
        """Return imputed annotations [B, d, h, w] in [0, 1].

        Args:
            labels: what annotations say of the cells.
        """
        values = adaptive_avg_pool3d(self.layers(labels.mask[:, None]), self.cells)[:, 0]
        low, high = (getattr(values.flatten(1), name)(1)[:, None, None, None] for name in ("amin", "amax"))
        return (values - low) / (high - low + SMALLEST)


def _over_two_cells(step: tuple[int, ...], *, as_mean: bool) -> nn.Conv3d:
    """Return a convolution of 2 cells moved by one cell of `step` voxels, which starts as a mean or as torch does."""
    kernel = tuple(2 * voxels if voxels > 1 else 1 for voxels in step)
    layer = nn.Conv3d(1, 1, kernel, stride=step, padding=tuple(voxels // 2 for voxels in step))
    if as_mean:
        nn.init.constant_(layer.weight, 1 / math.prod(kernel))
        nn.init.zeros_(layer.bias)
    return layer


def _halvings(step: tuple[int, ...], *, rectified: bool) -> list[nn.Module]:
    """Return convolutions that halve each axis until a cell of `step` voxels is one.

    Between them lie rectifiers only as coded: with a single channel, one that lets nothing pass ends the learning.
    """
    halvings = [int(math.log2(voxels)) for voxels in step]
    layers: list[nn.Module] = []
    for number in range(max(halvings)):
        width = 7 if number == 0 else 3
        kernel = tuple(width if count else 1 for count in halvings)
        stride = tuple(2 if number < count else 1 for count in halvings)
        layers.append(nn.Conv3d(1, 1, kernel, stride=stride, padding=tuple(size // 2 for size in kernel)))
        if rectified:
            layers.append(nn.ReLU())
    return layers[:-1] if rectified else layers


def build_res_g(_cells: tuple[int, int, int], _grid: tuple[int, int, int]) -> nn.Module:
    """Build RES-G."""
    return OnCells(Res(gaussian_imputation))


def build_published_res_g(_cells: tuple[int, int, int], _grid: tuple[int, int, int]) -> nn.Module:
    """Build RES-G as coded."""
    return OnCells(Res(gaussian_imputation, published=True), published=True)


def build_res_l(cells: tuple[int, int, int], grid: tuple[int, int, int]) -> nn.Module:
    """Build RES-L."""
    return OnCells(Res(LearnedImputation(cells, grid, deep=False)))


def build_published_res_l(cells: tuple[int, int, int], grid: tuple[int, int, int]) -> nn.Module:
    """Build RES-L as coded."""
    imputation = LearnedImputation(cells, grid, deep=False, published=True)
    return OnCells(Res(imputation, published=True), published=True)


def build_deep_res_l(cells: tuple[int, int, int], grid: tuple[int, int, int]) -> nn.Module:
    """Build RES-L with the deep imputation."""
    return OnCells(Res(LearnedImputation(cells, grid, deep=True)))


def build_published_deep_res_l(cells: tuple[int, int, int], grid: tuple[int, int, int]) -> nn.Module:
    """Build RES-L with the deep imputation as coded."""
    imputation = LearnedImputation(cells, grid, deep=True, published=True)
    return OnCells(Res(imputation, published=True), published=True)
