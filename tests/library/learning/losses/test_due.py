"""Explanation losses against numbers by hand, and the flaws of the published one."""

from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from explainct.config.methods import METHODS
from explainct.config.training import MethodName
from explainct.learning.explain.postprocess import postprocess
from explainct.learning.losses.due import FLOOR, STRENGTH, annotated_share, weighted_cross_entropy
from explainct.learning.losses.due_published import binary_term, published_loss
from explainct.learning.losses.registry import LOSSES as REGISTERED

GRID, CELLS = (16, 32, 32), (4, 4, 4)


def random_sample(seed=0, shape=(2, 3, 4, 4)):
    maps, target, weights = torch.rand(3, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return maps, target, weights


def random_cells(seed=0, count=2):
    """Maps of either sign on cells, with annotations and weights on the grid."""
    generator = torch.Generator().manual_seed(seed)
    maps = torch.randn(count, *CELLS, dtype=torch.float64, generator=generator)
    target, weights = torch.rand(2, count, *GRID, dtype=torch.float64, generator=generator)
    return maps, target, weights


def ellipsoids(count=6):
    """Annotations of lesions of many sizes and places, with weights that fall at their rims."""
    rng, at = np.random.default_rng(0), np.indices(GRID)
    targets, weights = [], []
    for _ in range(count):
        centre = rng.uniform(0.4, 0.6, 3) * GRID
        radius = rng.uniform(0.25, 0.4, 3) * GRID
        distance = np.sqrt(sum(((at[axis] - centre[axis]) / radius[axis]) ** 2 for axis in range(3)))
        targets.append(distance < 1)
        weights.append(1 - 0.9 * np.exp(-8 * (distance - 1) ** 2))
    return (torch.from_numpy(np.stack(arrays).astype(np.float32)) for arrays in (targets, weights))


def overlap(maps, target):
    """The IoU of explanations and annotations, by lesion."""
    explained, annotated = postprocess(maps, GRID, "due") > 0.5, target > 0.5
    both, either = (found.flatten(1).sum(1) for found in (explained & annotated, explained | annotated))
    return both / either


def test_the_loss_equals_a_loop_over_cells():
    maps, target, weights = (values.numpy() for values in random_cells())
    expected = []
    for one, annotation, weight in zip(maps, target, weights, strict=True):
        cost, total = 0.0, 0.0
        for d, h, w in np.ndindex(CELLS):
            voxels = np.s_[4 * d : 4 * d + 4, 8 * h : 8 * h + 8, 8 * w : 8 * w + 8]
            share = np.average(annotation[voxels], weights=weight[voxels])
            value = max(one[d, h, w], 0) / one.max()
            probability = FLOOR + (1 - 2 * FLOOR) * value
            below = max(-one[d, h, w], 0) / np.abs(one).max()
            entropy = -share * np.log(probability) - (1 - share) * np.log(1 - probability)
            cost += weight[voxels].mean() * (entropy + share * below)
            total += weight[voxels].mean()
        expected.append(cost / total)
    assert weighted_cross_entropy(*random_cells()).item() == pytest.approx(STRENGTH * np.mean(expected), rel=1e-12)


@pytest.mark.parametrize("start", ["random", "small", "negative", "outside", "inside"])
def test_free_maps_end_at_the_annotation_wherever_they_start(start):
    target, weights = ellipsoids()
    _, share = annotated_share(target, weights, CELLS)
    noise = torch.randn(share.shape, generator=torch.Generator().manual_seed(1))
    starts = {
        "random": noise,
        "small": 1e-4 * noise,
        "negative": -noise.abs() - 0.1,
        "outside": 0.5 - share,
        "inside": share - 0.5,
    }
    maps = starts[start].clone().requires_grad_()
    optimizer = torch.optim.Adam([maps], lr=0.05)
    for _ in range(400):
        optimizer.zero_grad()
        # The mean over lesions, but each map is on its own.
        (len(maps) * weighted_cross_entropy(maps, target, weights)).backward()
        optimizer.step()
    found = overlap(maps.detach(), target)
    assert found.mean() >= 0.6
    assert found.min() > 0.3
    # No coarse map is much better: this one has the annotated share in each cell.
    assert found.mean() > overlap(share, target).mean() - 0.05


def test_a_negative_map_is_pulled_up_where_it_is_annotated():
    maps, target, weights = random_cells()
    maps = (-maps.abs() - 0.1).requires_grad_()
    weighted_cross_entropy(maps, target, weights).backward()
    assert (maps.grad != 0).all()
    assert (maps.grad.flatten(1).amin(1) < -0.001).all()


def test_supervision_is_as_strong_at_every_scale_of_the_map():
    gradients = []
    for scale in (1e-3, 1.0, 1e3):
        maps, target, weights = random_cells()
        maps = (scale * maps).requires_grad_()
        weighted_cross_entropy(maps, target, weights).backward()
        gradients.append(maps.grad)
    assert gradients[1].norm() > 0.01
    assert_close(gradients[0], gradients[1])
    assert_close(gradients[2], gradients[1])


def test_cells_are_pulled_up_inside_and_down_outside_the_annotation():
    maps = torch.full((1, 1, 2, 2), 0.5)
    maps[0, 0, 0, 0] = 1.0
    maps.requires_grad_()
    target = torch.tensor([[[[1.0, 0.0], [1.0, 0.0]]]])
    weighted_cross_entropy(maps, target, torch.ones_like(target)).backward()
    assert maps.grad[0, 0, 1, 0] < 0
    assert (maps.grad[0, 0, :, 1] > 0).all()


@settings(max_examples=25, deadline=None)
@given(st.floats(1e-3, 1e3), st.integers(0, 999))
def test_the_scale_of_the_weights_changes_due_no_more_than_rounding(scale, seed):
    maps, target, weights = random_cells(seed)
    assert_close(weighted_cross_entropy(maps, target, scale * weights), weighted_cross_entropy(maps, target, weights))


def test_voxels_without_weight_do_not_matter_to_due():
    maps, target, weights = random_cells()
    weights[:, :2] = 0
    value = weighted_cross_entropy(maps, target, weights)
    target[:, :2] = 1 - target[:, :2]
    assert_close(weighted_cross_entropy(maps, target, weights), value)


def test_weights_of_zero_give_zero_and_finite_gradients_in_due():
    maps, target, weights = random_cells()
    maps.requires_grad_()
    value = weighted_cross_entropy(maps, target, torch.zeros_like(weights))
    value.backward()
    assert value == 0
    assert (maps.grad == 0).all()


def with_mask(seed=0):
    """Return explanations, annotations, weights and masks, each on the grid."""
    maps, target, weights = random_sample(seed)
    mask = (torch.rand(maps.shape, generator=torch.Generator().manual_seed(seed + 1)) < 0.4).double()
    return maps, target, weights, mask


def test_published_loss_equals_a_loop_over_voxels():
    arrays = with_mask()
    binary, annotated, continuous = 0.0, 0, 0.0
    for m, i, w, inside in zip(*(values.flatten().tolist() for values in arrays), strict=True):
        continuous += w * abs(m - i)
        if inside:
            annotated += 1
            binary += w * abs(np.tanh(5 * (m - 0.5)) - 1)
    expected = binary / annotated + continuous / arrays[0].numel()
    assert published_loss(*arrays).item() == pytest.approx(expected, rel=1e-12)


def test_the_scale_of_the_weights_acts_as_lambda_as_published():
    maps, target, weights, mask = with_mask()
    assert_close(published_loss(maps, target, weights / 10, mask), published_loss(maps, target, weights, mask) / 10)


def test_published_binary_term_cannot_tell_everything_from_the_exact_mask():
    *_, mask = with_mask()
    ones = torch.ones_like(mask)
    everything, exact = binary_term(ones, ones, mask), binary_term(mask, ones, mask)
    assert torch.equal(everything, exact)
    assert exact.item() == pytest.approx(1 - np.tanh(2.5), rel=1e-9)
    assert exact.item() == pytest.approx(0.013386, abs=1e-6)


def test_the_published_gradient_flows_to_weighted_voxels_only():
    maps, target, weights, mask = with_mask()
    weights[0, 0] = 0
    maps.requires_grad_()
    published_loss(maps, target, weights, mask).backward()
    assert (maps.grad[0, 0] == 0).all()
    assert (maps.grad[weights > 0] != 0).all()


def test_published_loss_leaves_out_samples_without_mask():
    maps, target, weights, mask = with_mask()
    mask[0] = 0
    assert_close(
        published_loss(maps, target, weights, mask), published_loss(maps[1:], target[1:], weights[1:], mask[1:])
    )
    assert published_loss(maps, target, weights, torch.zeros_like(mask)) == 0


def test_registry_describes_what_each_method_reads():
    assert all(name == method.name for name, method in METHODS.items())
    assert set(METHODS) == set(get_args(MethodName))
    assert [name for name, method in METHODS.items() if not method.supervised] == ["baseline"]
    assert {method.loss for method in METHODS.values() if method.supervised} == set(REGISTERED)
    for method in METHODS.values():
        assert (method.annotation == "none") == (method.weights == "none") == (not method.supervised)
    assert METHODS["baseline_plus"].annotation == "nearest"
    assert {name for name, method in METHODS.items() if method.detach_head} == {
        name for name in METHODS if name.endswith("_published")
    }
    assert METHODS["due_sdf"].annotation == "signed_distance"
    assert (METHODS["due"].weights, METHODS["due_published"].weights) == ("uncertainty", "published_times")
    assert [name for name, method in METHODS.items() if method.reading] == ["due_published"]
    flat = {"gradia", "haics", "res_g", "res_l", "res_l_deep"}
    assert {name for name, method in METHODS.items() if method.dims == 2} == flat | {
        f"{name}_published" for name in flat
    }
    assert all(METHODS[f"{name}_3d"].weights == "annotated" for name in flat)
