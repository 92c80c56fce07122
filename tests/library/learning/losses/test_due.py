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
from explainct.learning.losses.due import weighted_l1
from explainct.learning.losses.due_published import binary_term, published_loss
from explainct.learning.losses.registry import LOSSES as REGISTERED

LOSSES = [weighted_l1, published_loss]


def random_sample(seed=0, shape=(2, 3, 4, 4)):
    maps, target, weights = torch.rand(3, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return maps, target, weights


def test_weighted_l1_equals_numpys_weighted_average():
    maps, target, weights = random_sample()
    expected = np.average(np.abs(maps.numpy() - target.numpy()), weights=weights.numpy())
    assert weighted_l1(maps, target, weights).item() == pytest.approx(expected, rel=1e-12)


def test_published_loss_equals_a_loop_over_voxels():
    maps, target, weights = random_sample()
    binary, annotated, continuous = 0.0, 0, 0.0
    for m, i, w in zip(maps.flatten().tolist(), target.flatten().tolist(), weights.flatten().tolist(), strict=True):
        continuous += w * abs(m - i)
        if i > 0.5:
            annotated += 1
            binary += w * abs(np.tanh(5 * (m - 0.5)) - 1)
    expected = binary / annotated + continuous / maps.numel()
    assert published_loss(maps, target, weights).item() == pytest.approx(expected, rel=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.floats(1e-3, 1e3), st.integers(0, 999))
def test_the_scale_of_the_weights_changes_due_no_more_than_rounding(scale, seed):
    maps, target, weights = random_sample(seed)
    assert_close(weighted_l1(maps, target, scale * weights), weighted_l1(maps, target, weights))


def test_the_scale_of_the_weights_acts_as_lambda_as_published():
    maps, target, weights = random_sample()
    assert_close(published_loss(maps, target, weights / 10), published_loss(maps, target, weights) / 10)


def test_equal_weights_give_the_plain_mean():
    maps, target, _ = random_sample()
    assert_close(weighted_l1(maps, target, torch.full_like(maps, 0.3)), torch.nn.functional.l1_loss(maps, target))


def test_published_binary_term_cannot_tell_everything_from_the_exact_mask():
    _, target, _ = random_sample()
    mask, ones = (target > 0.5).double(), torch.ones_like(target)
    everything, exact = binary_term(ones, mask, ones), binary_term(mask, mask, ones)
    assert torch.equal(everything, exact)
    assert exact.item() == pytest.approx(1 - np.tanh(2.5), rel=1e-9)
    assert exact.item() == pytest.approx(0.013386, abs=1e-6)
    assert weighted_l1(ones, mask, ones) > 0.3
    assert weighted_l1(mask, mask, ones) == 0


@pytest.mark.parametrize("loss", LOSSES)
def test_gradient_flows_to_weighted_voxels_only(loss):
    maps, target, weights = random_sample()
    weights[0, 0] = 0
    maps.requires_grad_()
    loss(maps, target, weights).backward()
    assert (maps.grad[0, 0] == 0).all()
    assert (maps.grad[weights > 0] != 0).all()


def test_due_pushes_up_inside_and_down_outside_the_annotation():
    maps = torch.full((1, 1, 2, 2), 0.5, requires_grad=True)
    target = torch.tensor([[[[1.0, 0.0], [1.0, 0.0]]]])
    weighted_l1(maps, target, torch.ones_like(target)).backward()
    assert torch.equal(maps.grad.sign(), 1 - 2 * target)


@pytest.mark.parametrize("loss", LOSSES)
def test_weights_of_zero_give_zero_and_finite_gradients(loss):
    maps, target, weights = random_sample()
    maps.requires_grad_()
    value = loss(maps, target, torch.zeros_like(weights))
    value.backward()
    assert value == 0
    assert (maps.grad == 0).all()


def test_published_loss_is_defined_without_annotation():
    maps, target, weights = random_sample()
    value = published_loss(maps, torch.zeros_like(target), weights)
    assert_close(value, (weights * maps).mean())


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
    flat = {"gradia", "haics", "res_g", "res_l", "res_l_deep"}
    assert {name for name, method in METHODS.items() if method.dims == 2} == flat | {
        f"{name}_published" for name in flat
    }
    assert all(METHODS[f"{name}_3d"].weights == "annotated" for name in flat)
