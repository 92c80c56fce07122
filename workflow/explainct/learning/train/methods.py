"""The methods that are compared: what each one sees, and what it asks of an explanation."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import nn

from explainct.learning.explain.postprocess import postprocess
from explainct.learning.losses.due import weighted_l1
from explainct.learning.losses.due_published import published_loss
from explainct.learning.losses.feature_cells import (
    CellLabels,
    cell_labels,
    published_cell_labels,
    published_scale_cells,
    scale_cells,
)
from explainct.learning.losses.gradia import gradia
from explainct.learning.losses.haics import haics, published_haics
from explainct.learning.losses.res import LearnedImputation, Res, gaussian_imputation

Shape = tuple[int, int, int]
BuildLoss = Callable[[Shape, Shape], nn.Module]
"""From the shapes of the feature map (d, h, w) and of the grid (D, H, W) to an explanation loss.

Its arguments are raw maps [B, d, h, w], and annotation and weights [B, D, H, W]; its value is a scalar. Parameters of
its own are trained with the classifier.
"""


@dataclass(frozen=True)
class Method:
    """How a classifier is trained.

    Attributes:
        name: the method's name in settings and paths.
        dims: 3 for the block, 2 for its middle slice alone.
        target: which annotation explanations are pulled to: none, the annotated slice nearest to each plane, or one
            interpolated by the diffusion or by signed distances.
        weights: none, the same for all voxels, 1 on annotated planes alone, or by the uncertainty of the interpolation:
            as the settings map it, as published, by the diffusion's own variance, or by the readers' disagreement.
        build_loss: makes the explanation loss; None trains on labels alone.
        detach_head: keep the explanation loss from training the classification layer, as published.
    """

    name: str
    dims: Literal[2, 3] = 3
    target: Literal["none", "nearest", "interpolated", "signed_distance"] = "none"
    weights: Literal["none", "uniform", "annotated", "uncertainty", "published", "diffusion", "readers"] = "none"
    build_loss: BuildLoss | None = None
    detach_head: bool = False

    @property
    def supervised(self) -> bool:
        """Tell whether explanations are supervised."""
        return self.build_loss is not None


class OnGrid(nn.Module):
    """A loss of explanations on the grid: positive part, upsampled, min-max scaled, as in DUE's published code.

    Args:
        compare: explanations, annotation and weights, each [B, D, H, W], to a scalar.
    """

    def __init__(self, compare: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.compare = compare

    def forward(self, maps: torch.Tensor, target: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """Return the loss of raw maps [B, d, h, w] against annotation and weights [B, D, H, W]."""
        return self.compare(postprocess(maps, tuple(target.shape[1:]), "due"), target, weights)


class OnCells(nn.Module):
    """A loss of explanations on the cells of the feature map, as in the papers of the 2D methods.

    Args:
        compare: scaled maps [B, d, h, w] and labels to a scalar.
        published: labels and scaling as the code of RES has them.
    """

    def __init__(
        self, compare: Callable[[torch.Tensor, CellLabels], torch.Tensor] | nn.Module, *, published: bool = False
    ) -> None:
        super().__init__()
        self.compare, self.published = compare, published

    def forward(self, maps: torch.Tensor, target: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """Return the loss of raw maps [B, d, h, w] against annotation and weights [B, D, H, W]."""
        scale, label = (published_scale_cells, published_cell_labels) if self.published else (scale_cells, cell_labels)
        return self.compare(scale(maps), label(target, weights, tuple(maps.shape[1:])))


def _on_grid(compare: Callable, _cells: Shape, _grid: Shape) -> nn.Module:
    return OnGrid(compare)


def _on_cells(compare: Callable, published: bool, _cells: Shape, _grid: Shape) -> nn.Module:
    return OnCells(compare, published=published)


def _res_g(published: bool, _cells: Shape, _grid: Shape) -> nn.Module:
    return OnCells(Res(gaussian_imputation, published=published), published=published)


def _res_l(published: bool, deep: bool, cells: Shape, grid: Shape) -> nn.Module:
    return OnCells(Res(LearnedImputation(cells, grid, deep=deep), published=published), published=published)


def _cell_methods() -> list[Method]:
    """Return the 2D methods as in their papers, their 3D forms, and as the code of RES has them."""
    corrected: dict[str, BuildLoss] = {
        "gradia": partial(_on_cells, gradia, False),
        "haics": partial(_on_cells, haics, False),
        "res_g": partial(_res_g, False),
        "res_l": partial(_res_l, False, False),
        "res_l_deep": partial(_res_l, False, True),
    }
    published: dict[str, BuildLoss] = {
        "gradia": partial(_on_cells, gradia, True),
        "haics": partial(_on_cells, published_haics, True),
        "res_g": partial(_res_g, True),
        "res_l": partial(_res_l, True, False),
        "res_l_deep": partial(_res_l, True, True),
    }
    flat = [Method(name, 2, "nearest", "uniform", build) for name, build in corrected.items()]
    solid = [Method(f"{name}_3d", 3, "nearest", "annotated", build) for name, build in corrected.items()]
    coded = [
        Method(f"{name}_published", 2, "nearest", "uniform", build, detach_head=True)
        for name, build in published.items()
    ]
    return [*flat, *solid, *coded]


_ABLATIONS = {
    "uniform": ("interpolated", "uniform"),
    "minmax": ("interpolated", "published"),
    "diffusion": ("interpolated", "diffusion"),
    "readers": ("interpolated", "readers"),
    "sdf": ("signed_distance", "uncertainty"),
}
"""Target and weights of DUE's ablations; all else is as in `due`."""

METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method("baseline"),
        Method("baseline_plus", 3, "nearest", "uniform", partial(_on_grid, weighted_l1)),
        Method("due", 3, "interpolated", "uncertainty", partial(_on_grid, weighted_l1)),
        Method("due_published", 3, "interpolated", "uncertainty", partial(_on_grid, published_loss), detach_head=True),
        *(
            Method(f"due_{name}", 3, target, weights, partial(_on_grid, weighted_l1))
            for name, (target, weights) in _ABLATIONS.items()
        ),
        *_cell_methods(),
    )
}
"""All methods by name: those of DUE, section 5.1, and some of them as their authors coded them."""
