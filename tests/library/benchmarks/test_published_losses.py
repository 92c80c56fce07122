"""Losses against what their authors' code computes, or what the papers ask for, restated: values and gradients."""

from pkgutil import resolve_name

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from explainct.benchmarks import equation_losses as papers
from explainct.benchmarks import published_losses as theirs
from explainct.config.methods import METHODS
from explainct.data.samples.resample import annotated_planes, resize_image, resize_mask_by_floor, slice_minmax
from explainct.due.uncertainty.variance_to_weight import published_weights
from explainct.learning.explain.cam import class_activation_maps
from explainct.learning.losses.registry import LOSSES
from explainct.learning.losses.res_threshold import adaptive_threshold

GRID, CELLS = (8, 16, 16), (4, 4, 4)
IMAGE, FLAT_CELLS = (224, 224), (7, 7)
SEEDS = st.integers(0, 2**31 - 1)


def ours(method, cells, grid):
    """Return the loss of a method as trainings build it, in double precision."""
    return resolve_name(LOSSES[METHODS[method].loss])(cells, grid).double()


def gradients(loss, *leaves):
    return torch.autograd.grad(loss, leaves, allow_unused=True, materialize_grads=True)


# DUE


def due_batch(seed, kind="random", count=3):
    """Return raw maps [B, d, h, w], interpolated annotations, weights and masks [B, D, H, W]."""
    generator = torch.Generator().manual_seed(seed)
    raw = torch.randn(count, *CELLS, dtype=torch.float64, generator=generator)
    annotation, weights, chance = torch.rand(3, count, *GRID, dtype=torch.float64, generator=generator)
    mask = (chance < 0.3).double()
    if kind == "one without mask":
        mask[0] = 0
    elif kind == "no mask":
        mask[:] = 0
    elif kind == "one negative map":
        raw[0] = -raw[0].abs() - 0.1
    elif kind == "positive maps":
        raw = raw.abs() + 0.1
    elif kind == "no weight":
        weights[:] = 0
    elif kind == "empty annotation":
        annotation[:] = 0
    return raw.requires_grad_(), annotation, weights, mask


KINDS = ["random", "one without mask", "no mask", "one negative map", "positive maps", "no weight", "empty annotation"]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=10, deadline=None)
@given(seed=SEEDS, count=st.integers(1, 4))
def test_due_published_has_the_restated_loss_and_gradient(kind, seed, count):
    raw, *compared = due_batch(seed, kind, count)
    own = ours("due_published", CELLS, GRID)(raw, *compared)
    other = theirs.due_loss([theirs.due_explanation(one, GRID) for one in raw], *compared)
    assert_close(own, other)
    assert_close(gradients(own, raw), gradients(other, raw))


def test_a_constant_map_has_the_restated_loss_in_due():
    _, *compared = due_batch(0)
    raw = torch.full((3, *CELLS), 0.7, dtype=torch.float64, requires_grad=True)
    own = ours("due_published", CELLS, GRID)(raw, *compared)
    assert_close(own, theirs.due_loss([theirs.due_explanation(one, GRID) for one in raw], *compared))
    assert torch.isfinite(gradients(own, raw)[0]).all()


@settings(max_examples=10, deadline=None)
@given(seed=SEEDS)
def test_the_loss_trains_the_features_and_not_the_head_as_restated(seed):
    _, *compared = due_batch(seed)
    generator = torch.Generator().manual_seed(seed)
    features = torch.rand(3, 5, *CELLS, dtype=torch.float64, generator=generator).requires_grad_()
    weight = torch.randn(2, 5, dtype=torch.float64, generator=generator).requires_grad_()
    classes = torch.tensor([1, 0, 1])
    detach = METHODS["due_published"].detach_head
    maps = class_activation_maps(features, weight, classes, detach_weight=detach)
    own = ours("due_published", CELLS, GRID)(maps, *compared)
    raw = [
        theirs.grad_cam(one, lambda values, number=number: weight[number] @ values.mean((1, 2, 3)))
        for one, number in zip(features, classes, strict=True)
    ]
    other = theirs.due_loss([theirs.due_explanation(one, GRID) for one in raw], *compared)
    assert_close(own, other)
    (one, head), (two, restated_head) = gradients(own, features, weight), gradients(other, features, weight)
    assert_close(one, two)
    assert not head.any()
    assert not restated_head.any()


@pytest.mark.parametrize("depth", [16, 32, 64])
def test_masks_and_annotated_planes_lie_where_the_restatement_puts_them(depth):
    rng = np.random.default_rng(depth)
    for slices in range(1, 65):
        block = rng.integers(0, 2, (slices, 9, 13), dtype=np.uint8)
        grid = (depth, 8, 32)
        np.testing.assert_array_equal(
            resize_mask_by_floor(block, grid), theirs.due_mask(torch.from_numpy(block), grid).numpy()
        )
        planes = annotated_planes(np.ones(slices, bool), depth)
        assert sorted(set(planes.tolist())) == theirs.due_annotated_planes(slices, depth)


def test_of_most_depths_some_annotated_plane_shows_another_slice():
    others = 0
    for slices in range(2, 65):
        block = np.arange(slices, dtype=np.uint8)[:, None, None]
        shown = resize_mask_by_floor(block, (64, 1, 1))[:, 0, 0]
        others += (shown[annotated_planes(np.ones(slices, bool), 64)] != np.arange(slices)).any()
    assert others == 43


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS, slices=st.integers(1, 9))
def test_intensities_are_the_restated_ones(seed, slices):
    block = np.random.default_rng(seed).integers(-1000, 400, (slices, 7, 9)).astype(np.float32)
    block[0] = 40
    expected = theirs.due_image(torch.from_numpy(block), GRID)
    assert METHODS["due_published"].reading == {"intensity": "slice_minmax"}
    np.testing.assert_allclose(resize_image(slice_minmax(block), GRID), expected, atol=1e-6)


@pytest.mark.parametrize("slices", [1, 2, 5])
@pytest.mark.parametrize("value", [0.0, 0.1])
def test_a_constant_gap_and_a_single_slice_have_the_restated_weights(slices, value):
    variance = np.full((8, 3, 3), value)
    expected = theirs.due_weights(torch.from_numpy(variance), slices)
    known = np.isin(np.arange(8), theirs.due_annotated_planes(slices, 8))
    between = ~known if slices > 1 else np.zeros(8, bool)
    assert not expected[torch.from_numpy(between)].any()
    assert (expected[torch.from_numpy(~between)] == 1).all()
    assert not published_weights(variance[between] if between.any() else variance[:1]).any()


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS, scale=st.sampled_from([1e-6, 1e-3, 1.0]))
def test_weights_of_one_gap_are_the_restated_ones(seed, scale):
    variance = scale * np.random.default_rng(seed).random((6, 4, 5)) / 4
    expected = theirs.due_weights(torch.from_numpy(variance), 2)
    np.testing.assert_allclose(published_weights(variance[1:-1]), expected[1:-1], atol=1e-6)


# GRADIA, HAICS and RES


def flat_batch(seed, kind="random", count=3):
    """Return raw maps [B, h, w] and masks [B, H, W]; labels are read from the corners of cells."""
    generator = torch.Generator().manual_seed(seed)
    raw = torch.randn(count, *FLAT_CELLS, dtype=torch.float64, generator=generator)
    mask = torch.zeros(count, *IMAGE, dtype=torch.float64)
    first, edge = torch.randint(0, 120, (2, count, 2), generator=generator)
    for image, (row, column), (rows, columns) in zip(mask, first.tolist(), edge.tolist(), strict=True):
        image[row : row + rows + 34, column : column + columns + 34] = 1
    if kind == "mask within a cell":
        mask[:] = 0
        mask[:, 70:90, 70:90] = 1
    elif kind == "empty mask":
        mask[:] = 0
    elif kind == "one empty mask":
        mask[0] = 0
    elif kind == "full mask":
        mask[:] = 1
    elif kind == "negative maps":
        raw = -raw.abs() - 0.1
    elif kind == "constant map":
        raw[:] = 0.4
    return raw.requires_grad_(), mask


FLAT_KINDS = [
    "random",
    "mask within a cell",
    "empty mask",
    "one empty mask",
    "full mask",
    "negative maps",
    "constant map",
]


def restated(method, loss, raw, mask):
    """Return the restated loss of a method of two dimensions, with the kernels of `loss` where they are learned."""
    explanations = torch.stack([theirs.res_explanation(one) for one in raw])
    factual = torch.stack([theirs.res_labels(one, FLAT_CELLS) for one in mask])
    if method == "gradia_published":
        return theirs.gradia_loss(explanations, factual)
    if method == "haics_published":
        return theirs.haics_loss(explanations, factual)
    if method == "res_g_published":
        return theirs.res_loss(explanations, factual, [theirs.res_gaussian(one) for one in factual])
    kernels = [(own.weight[:, :, 0], own.bias) for own in loss.modules() if isinstance(own, torch.nn.Conv3d)]
    return theirs.res_loss(explanations, factual, [theirs.res_learned(one, kernels) for one in mask])


FLAT_METHODS = [name for name, method in METHODS.items() if method.dims == 2 and name.endswith("_published")]


@pytest.mark.parametrize("method", FLAT_METHODS)
@pytest.mark.parametrize("kind", FLAT_KINDS)
@settings(max_examples=5, deadline=None)
@given(seed=SEEDS, count=st.integers(1, 3))
def test_methods_of_res_have_the_restated_loss_and_gradient(method, kind, seed, count):
    torch.manual_seed(seed)
    raw, mask = flat_batch(seed, kind, count)
    loss = ours(method, (1, *FLAT_CELLS), (1, *IMAGE))
    own = loss(raw[:, None], mask[:, None], torch.ones_like(mask)[:, None])
    other = restated(method, loss, raw, mask)
    assert_close(own, other)
    leaves = (raw, *loss.parameters())
    # Where torch's cross-entropy meets a cell of exactly 0 that is annotated, its slope is 1e12, which cancels.
    tolerance = {"atol": 1e-2, "rtol": 1e-6} if method == "haics_published" else {"atol": 1e-7, "rtol": 1e-6}
    assert_close(gradients(own, *leaves), gradients(other, *leaves), **tolerance)


@settings(max_examples=100, deadline=None)
@given(cells=st.lists(st.tuples(st.integers(0, 6), st.sampled_from([-1, 0, 1])), min_size=1, max_size=25))
def test_the_threshold_is_as_good_as_the_restated_one(cells):
    maps, signs = (torch.tensor(values, dtype=torch.float64) for values in zip(*cells, strict=True))
    maps = maps / 6
    if not signs.any():
        assert adaptive_threshold(maps, signs, balanced=True) == 0
        return
    found, other = adaptive_threshold(maps, signs, balanced=True).item(), theirs.res_threshold(maps, signs)
    quality = [theirs.res_threshold_quality(maps, signs, threshold) for threshold in (found, other)]
    assert quality[0] == pytest.approx(quality[1])
    if not (signs < 0).any():
        assert found == other == maps[signs > 0].min()


def test_imputations_start_as_torch_initialises_convolutions():
    for method, kernels in (("res_l_published", [64]), ("res_l_deep_published", [7, 3, 3, 3, 3])):
        torch.manual_seed(5)
        loss = ours(method, (1, *FLAT_CELLS), (1, *IMAGE))
        torch.manual_seed(5)
        expected = [torch.nn.Conv2d(1, 1, size) for size in kernels]
        own = [layer for layer in loss.modules() if isinstance(layer, torch.nn.Conv3d)]
        for layer, fresh in zip(own, expected, strict=True):
            assert_close(layer.weight[:, :, 0], fresh.weight.double())
            assert_close(layer.bias, fresh.bias.double())


# GRADIA, HAICS and RES as in the papers


def paper_loss(method, loss, raw, mask, seen):
    """Return the restated loss of a method for raw maps [B, d, h, w], masks and labelled voxels [B, D, H, W]."""
    cells = tuple(raw.shape[1:])
    explanations = torch.stack([papers.explanation(one) for one in raw])
    each = [papers.area_labels(one, other, cells) for one, other in zip(mask, seen, strict=True)]
    labels = papers.Labels(*(torch.stack(parts) for parts in zip(*each, strict=True)))
    name = method.removesuffix("_3d")
    if name in ("gradia", "haics"):
        return getattr(papers, name)(explanations, labels)
    if name == "res_g":
        # An axis of one cell has no neighbours, whose share the scaling by the maximum takes away.
        return papers.res(explanations, labels.signs, [papers.gaussian(sign) for sign in labels.signs])
    kernels = [(own.weight[:, :, 0], own.bias) for own in loss.modules() if isinstance(own, torch.nn.Conv3d)]
    imputed = [theirs.res_learned(one[0], kernels, rectified=False)[None] for one in mask]
    return papers.res(explanations, labels.signs, imputed)


PAPER_FLAT = [name for name, method in METHODS.items() if method.dims == 2 and not name.endswith("_published")]
PAPER_SOLID = ["gradia_3d", "haics_3d", "res_g_3d"]


@pytest.mark.parametrize("method", PAPER_FLAT)
@pytest.mark.parametrize("kind", ["random", "mask within a cell", "empty mask", "one empty mask", "full mask"])
@settings(max_examples=4, deadline=None)
@given(seed=SEEDS, count=st.integers(1, 3))
def test_losses_of_images_are_those_that_the_papers_ask_for(method, kind, seed, count):
    torch.manual_seed(seed)
    raw, mask = flat_batch(seed, kind, count)
    loss = ours(method, (1, *FLAT_CELLS), (1, *IMAGE))
    maps, masks = raw[:, None], mask[:, None]
    own = loss(maps, masks, torch.ones_like(masks))
    other = paper_loss(method, loss, maps, masks, torch.ones_like(masks))
    assert_close(own, other)
    assert_close(
        gradients(own, raw, *loss.parameters()), gradients(other, raw, *loss.parameters()), atol=1e-7, rtol=1e-6
    )


@pytest.mark.parametrize("method", PAPER_SOLID)
@settings(max_examples=8, deadline=None)
@given(seed=SEEDS, planes=st.lists(st.booleans(), min_size=8, max_size=8))
def test_losses_of_volumes_are_those_that_the_papers_ask_for(method, seed, planes):
    raw, _, _, mask = due_batch(seed)
    seen = torch.zeros_like(mask)
    seen[:, [True, *planes[1:]]] = 1
    loss = ours(method, CELLS, GRID)
    own, other = loss(raw, mask, seen), paper_loss(method, loss, raw, mask, seen)
    assert_close(own, other)
    assert_close(gradients(own, raw), gradients(other, raw))
