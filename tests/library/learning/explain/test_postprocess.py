"""Presets that turn raw maps into explanations."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import interpolate
from torch.testing import assert_close

from explainct.errors import UserError
from explainct.learning.explain.postprocess import PRESETS, postprocess, upsample

RAW = torch.randn(3, 4, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
GRID = (7, 9, 8)


@settings(max_examples=20, deadline=None)
@given(st.tuples(*[st.integers(1, 5)] * 3), st.tuples(*[st.integers(1, 9)] * 3), st.integers(0, 99))
def test_upsampling_equals_torch_in_value_and_gradient(source, grid, seed):
    maps = torch.randn(2, *source, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).requires_grad_()
    own, other = upsample(maps, grid), interpolate(maps[:, None], grid, mode="trilinear", align_corners=True)[:, 0]
    assert_close(own, other)
    gradients = [torch.autograd.grad(result.sin().sum(), maps)[0] for result in (own, other)]
    assert_close(*gradients)


def test_due_preset_is_minmax_of_the_upsampled_positive_part():
    large = interpolate(RAW.clamp_min(0)[:, None], GRID, mode="trilinear", align_corners=True)[:, 0].numpy()
    for sample, result in zip(large, postprocess(RAW, GRID, "due").numpy(), strict=True):
        expected = (sample - sample.min()) / (sample.max() - sample.min() + 1e-6)
        assert abs(result - expected).max() < 1e-12


def test_standard_preset_divides_by_the_maximum():
    maps = RAW + 5
    large = interpolate(maps[:, None], GRID, mode="trilinear", align_corners=True)[:, 0]
    result = postprocess(maps, GRID, "standard")
    assert_close(result, large / large.amax((1, 2, 3), keepdim=True))
    assert result.min() > 0.1
    assert postprocess(maps, GRID, "due").min() == 0


@pytest.mark.parametrize("preset", PRESETS)
def test_explanations_lie_in_the_unit_interval_whatever_the_scale(preset):
    for scale in (1e-3, 1, 1e3):
        result = postprocess((scale * RAW).float(), GRID, preset)
        assert result.shape == (3, *GRID)
        assert result.min() >= 0
        assert 0.99 < result.max() <= 1


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("value", [0.0, -2.0])
def test_a_map_without_positive_values_gives_zeros_and_finite_gradients(preset, value):
    maps = torch.full((2, 2, 2, 2), value, requires_grad=True)
    result = postprocess(maps, (4, 4, 4), preset)
    assert torch.equal(result, torch.zeros(2, 4, 4, 4))
    result.sum().backward()
    assert torch.isfinite(maps.grad).all()


@pytest.mark.parametrize("preset", PRESETS)
def test_samples_do_not_influence_each_other(preset):
    alone = torch.cat([postprocess(RAW[i, None], GRID, preset) for i in range(3)])
    assert_close(postprocess(RAW, GRID, preset), alone)


@pytest.mark.parametrize("preset", PRESETS)
def test_gradient_is_that_of_finite_differences(preset):
    maps = RAW[:1, :2].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: postprocess(x, (3, 4, 5), preset), maps, eps=1e-7, atol=1e-4)


def test_an_unknown_preset_is_named_with_the_known_ones():
    with pytest.raises(UserError, match=r"`res`.*due, standard"):
        postprocess(RAW, GRID, "res")
