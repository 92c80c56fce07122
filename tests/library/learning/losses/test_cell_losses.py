"""GRADIA, HAICS and RES: labels on cells, losses against loops by hand, and what their published code does."""

import math
from pkgutil import resolve_name

import numpy as np
import pytest
import torch
from torch.nn.functional import binary_cross_entropy
from torch.testing import assert_close

from explainct.config.methods import METHODS
from explainct.learning.losses.feature_cells import (
    cell_labels,
    published_cell_labels,
    published_scale_cells,
    scale_cells,
)
from explainct.learning.losses.gradia import gradia
from explainct.learning.losses.haics import haics, published_haics
from explainct.learning.losses.registry import LOSSES
from explainct.learning.losses.res import LearnedImputation, Res, gaussian_imputation
from explainct.learning.losses.res_threshold import adaptive_threshold

CELL_METHODS = [name for name in METHODS if name.split("_")[0] in ("gradia", "haics", "res")]
GRID, CELLS = (8, 16, 16), (4, 4, 4)


def case(seed=0, grid=GRID, cells=CELLS, batch=3):
    """Return raw maps, an annotation and weights that leave two planes unlabelled."""
    generator = torch.Generator().manual_seed(seed)
    maps = torch.randn(batch, *cells, dtype=torch.float64, generator=generator)
    target = torch.zeros(batch, *grid, dtype=torch.float64)
    d, h, w = grid
    for number in range(batch):
        target[number, :, h // 8 + number : h // 2 + number, w // 4 : 3 * w // 4] = 1
    weights = torch.ones_like(target)
    if d > 4:
        weights[:, 2:4] = 0
    return maps, target, weights


def build(name, cells=CELLS, grid=GRID):
    torch.manual_seed(0)
    return resolve_name(LOSSES[METHODS[name].loss])(cells, grid).double()


def test_a_cell_is_annotated_where_half_of_its_labelled_voxels_are():
    target, weights = torch.zeros(1, 1, 4, 8), torch.ones(1, 1, 4, 8)
    target[0, 0, :2, :4] = 1
    target[0, 0, 0, 4] = 1
    labels = cell_labels(target, weights, (1, 1, 2))
    assert labels.share.flatten().tolist() == [0.5, 1 / 16]
    assert labels.sign.flatten().tolist() == [1, -1]
    weights[0, 0, :, 4:] = 0
    assert cell_labels(target, weights, (1, 1, 2)).sign.flatten().tolist() == [1, 0]


def test_a_small_annotation_does_not_vanish_unless_published():
    target = torch.zeros(1, 1, 16, 16)
    target[0, 0, 9:11, 9:11] = 1
    labels = cell_labels(target, torch.ones_like(target), (1, 2, 2))
    assert labels.sign.flatten().tolist() == [-1, -1, -1, 1]
    assert not published_cell_labels(target, torch.ones_like(target), (1, 2, 2)).sign.any()


def test_published_labels_are_the_first_voxels_of_cells():
    target = torch.rand(2, 8, 8, 8, generator=torch.Generator().manual_seed(0))
    labels = published_cell_labels(target, torch.ones_like(target), (2, 4, 2))
    assert torch.equal(labels.sign, (target[:, ::4, ::2, ::4] > 0.5).float())
    assert labels.counted.all()


def test_scaled_maps_have_maximum_one_and_published_ones_minimum_zero():
    maps = torch.tensor([[-3.0, -1.0, 0.5, 2.0], [-4.0, -3.0, -2.0, -1.0]])[:, None, None]
    assert_close(scale_cells(maps).flatten(), torch.tensor([0, 0, 0.25, 1, 0, 0, 0, 0]))
    assert_close(published_scale_cells(maps).flatten()[:4], torch.tensor([0, 0.4, 0.7, 1]))
    # A map without a positive value still gets a peak.
    assert published_scale_cells(maps)[1].max().item() == pytest.approx(1)


def test_gradia_is_the_mean_difference_over_labelled_cells():
    raw, target, weights = case()
    maps, labels = scale_cells(raw), cell_labels(target, weights, CELLS)
    values = [
        abs(m - f)
        for m, f, h in zip(*(t.flatten().tolist() for t in (maps, labels.share, labels.sign)), strict=True)
        if h != 0
    ]
    assert len(values) == 3 * 3 * 16
    assert gradia(maps, labels).item() == pytest.approx(np.mean(values))


def test_haics_is_the_mean_over_labelled_cells_and_published_one_is_not():
    raw, target, weights = case()
    maps, labels = scale_cells(raw).clamp(0.01, 0.99), cell_labels(target, weights, CELLS)
    entropy = binary_cross_entropy(maps, labels.share, reduction="none")
    assert haics(maps, labels).item() == pytest.approx(entropy[labels.sign != 0].mean().item())
    coded = published_cell_labels(target, weights, CELLS)
    expected = binary_cross_entropy(maps, coded.share).item() * (coded.sign != 0).double().mean().item()
    assert published_haics(maps, coded).item() == pytest.approx(expected)
    bounds = haics(torch.zeros_like(maps), labels), haics(torch.ones_like(maps), labels)
    assert all(0 < bound < 4.7 for bound in bounds)
    labelled = coded.sign != 0
    masked = binary_cross_entropy(maps[labelled], coded.share[labelled]).item()
    assert abs(masked - expected) > 0.1 * masked


def test_res_binary_term_is_that_of_a_loop():
    raw, target, weights = case()
    maps, sign = scale_cells(raw), cell_labels(target, weights, CELLS).sign
    res = Res(gaussian_imputation, slack=0.2)
    a = adaptive_threshold(maps, sign, balanced=False).item()
    terms = []
    for m, h in zip(maps, sign, strict=True):
        pairs = [(x, y) for x, y in zip(m.flatten().tolist(), h.flatten().tolist(), strict=True) if y != 0]
        terms.append(max(np.mean([abs(math.tanh(5 * (x - a)) - y) for x, y in pairs]) - 0.2, 0))
    assert res.binary(maps, sign).item() == pytest.approx(np.mean(terms))


def test_a_steep_tangent_is_the_sign():
    raw, target, weights = case()
    maps, sign = scale_cells(raw), cell_labels(target, weights, CELLS).sign
    a = adaptive_threshold(maps, sign, balanced=False)
    # At the threshold itself, which is the value of some cell, the tangent is 0 however steep.
    projected = (maps - a).sign()
    assert (projected == 0).sum() == 1
    labelled = sign != 0
    exact = ((projected - sign).abs() * labelled).flatten(1).sum(1) / labelled.flatten(1).sum(1)
    steep = Res(gaussian_imputation, slope=1e7, slack=0.0).binary(maps, sign)
    assert steep.item() == pytest.approx(exact.mean().item(), abs=1e-4)
    gentle = Res(gaussian_imputation, slack=0.0).binary(maps, sign)
    assert abs(gentle.item() - exact.mean().item()) > 1e-3


def test_slack_above_the_difference_ends_the_binary_term():
    raw, target, weights = case()
    maps = scale_cells(raw).requires_grad_()
    loss = Res(gaussian_imputation, slack=2.0).binary(maps, cell_labels(target, weights, CELLS).sign)
    loss.backward()
    assert loss == 0
    assert not maps.grad.any()


def test_gaussian_imputation_keeps_the_peak_and_grows_by_one_cell():
    target = torch.zeros(1, 1, 9, 9)
    target[0, 0, 4, 4] = 1
    labels = cell_labels(target, torch.ones_like(target), (1, 9, 9))
    imputed = gaussian_imputation(labels)[0, 0]
    assert imputed[4, 4] == 1
    assert imputed[3, 4].item() == pytest.approx(0.5)
    assert imputed[3, 3].item() == pytest.approx(0.25)
    assert (imputed > 0).sum() == 9


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize(
    ("cells", "grid"), [((1, 7, 7), (1, 224, 224)), ((4, 4, 4), (64, 128, 128)), ((4, 4, 4), (32, 64, 64))]
)
def test_learned_imputation_has_the_cells_and_the_papers_kernels(cells, grid, deep):
    torch.manual_seed(0)
    imputation = LearnedImputation(cells, grid, deep=deep)
    target = torch.zeros(2, *grid)
    target[:, :, 20:50, 20:50] = 1
    labels = cell_labels(target, torch.ones_like(target), cells)
    values = imputation(labels)
    assert values.shape == (2, *cells)
    assert values.min() >= 0
    assert values.max() <= 1
    if cells == (1, 7, 7):
        sizes = [tuple(layer.kernel_size[1:]) for layer in imputation.layers]
        assert sizes == ([(7, 7), (3, 3), (3, 3), (3, 3), (3, 3)] if deep else [(64, 64)])
        # Without pooling after them, too.
        assert imputation.layers(target[:, None]).shape == (2, 1, 1, 7, 7)


def test_imputation_as_coded_has_rectifiers_between_its_layers_and_no_mean_to_start_from():
    cells, grid = (1, 7, 7), (1, 224, 224)
    torch.manual_seed(0)
    deep, shallow, mean = (
        LearnedImputation(cells, grid, deep=deep, published=published)
        for deep, published in ((True, True), (False, True), (False, False))
    )
    kinds = [type(layer).__name__ for layer in deep.layers]
    assert kinds == ["Conv3d", "ReLU"] * 4 + ["Conv3d"]
    assert mean.layers[0].weight.std() == 0
    # As torch initialises it: evenly around 0, up to 1 / sqrt(inputs).
    weight = shallow.layers[0].weight
    assert weight.abs().max().item() == pytest.approx(1 / 64, rel=0.02)
    assert abs(weight.mean().item()) < 1e-3


def test_the_binary_term_has_no_slack_as_coded():
    assert [Res(gaussian_imputation, published=published).slack for published in (True, False)] == [0.0, 0.01]


def test_learned_imputation_is_trained_by_the_loss():
    raw, target, weights = case()
    loss = build("res_l_3d")
    loss(raw, target, weights).backward()
    assert all(parameter.grad.abs().sum() > 0 for name, parameter in loss.named_parameters() if "weight" in name)
    assert len(list(build("res_g_3d").parameters())) == 0


@pytest.mark.parametrize("name", CELL_METHODS)
def test_mirrored_maps_and_labels_have_the_same_loss(name):
    grid, cells = ((8, 16, 16), (4, 4, 4)) if METHODS[name].dims == 3 else ((1, 16, 16), (1, 4, 4))
    raw, target, weights = case(grid=grid, cells=cells)
    loss = build(name, cells, grid)
    value = loss(raw, target, weights).item()
    if "published" not in name and "res_l" not in name:
        assert loss(raw.flip(-1), target.flip(-1), weights.flip(-1)).item() == pytest.approx(value)
    # Labels that stay where they are while the image is mirrored, as in the code of RES, are another loss.
    assert loss(raw.flip(-2), target, weights).item() != pytest.approx(value)


@pytest.mark.parametrize("name", [name for name in CELL_METHODS if "published" not in name])
def test_without_labels_there_is_no_loss_and_no_gradient(name):
    raw, target, weights = case()
    raw.requires_grad_()
    loss = build(name)(raw, target, torch.zeros_like(weights))
    loss.backward()
    assert loss == 0
    assert not raw.grad.any()


@pytest.mark.parametrize("name", CELL_METHODS)
@pytest.mark.parametrize("everywhere", [0.0, 1.0])
def test_batches_with_one_kind_of_label_are_defined(name, everywhere):
    raw, target, weights = case()
    raw.requires_grad_()
    loss = build(name)(raw, torch.full_like(target, everywhere), torch.ones_like(weights))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(raw.grad).all()


@pytest.mark.parametrize("name", [name for name in CELL_METHODS if "published" not in name])
def test_unlabelled_planes_do_not_count_unless_published(name):
    grid, cells = (8, 16, 16), (8, 4, 4)
    raw, target, weights = case(grid=grid, cells=cells)
    loss = build(name, cells, grid)
    other = raw.clone()
    # The largest value stays where it is, so that the scale does too.
    other[:, 2:4] = raw[:, 2:4].clamp(max=0) - 1
    raw[:, 2:4] = raw[:, 2:4].clamp(max=0)
    assert loss(other, target, weights).item() == pytest.approx(loss(raw, target, weights).item())
    changed = target.clone()
    changed[:, 2:4] = 1 - changed[:, 2:4]
    assert loss(raw, changed, weights).item() == pytest.approx(loss(raw, target, weights).item())
