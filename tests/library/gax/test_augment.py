"""AX: the published scale, steps of a fixed size, and the controls."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from explainct.errors import UserError
from explainct.gax.augment import augmented, by_maximum, shuffled, sign_direction, with_rms
from explainct.gax.co_score import co_score, raw_logits
from explainct.gax.names import step_name
from explainct.learning.networks.small_resnet import SmallResNet

SHAPES = [(2, 1, 1, 8, 8), (2, 1, 4, 6, 8)]


def maps_of(shape, seed=0, scale=1.0):
    return scale * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def images_of(shape, seed=1):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(SHAPES), st.integers(0, 99), st.floats(-12, 12))
def test_scales_do_not_depend_on_the_size_of_the_map(shape, seed, power):
    maps = maps_of(shape, seed, 10.0**power)
    assert_close(by_maximum(maps).flatten(1).abs().amax(1), torch.ones(2))
    assert_close(with_rms(maps, 0.02).flatten(1).square().mean(1).sqrt(), torch.full((2,), 0.02))
    cosine = torch.cosine_similarity(with_rms(maps, 0.02).flatten(1), maps_of(shape, seed).flatten(1))
    assert_close(cosine, torch.ones(2), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
def test_augmentations_are_sum_product_and_a_clipped_step(shape):
    images, maps = images_of(shape), maps_of(shape)
    scaled = maps / maps.flatten(1).abs().amax(1).view(-1, 1, 1, 1, 1)
    assert_close(augmented(images, maps, "add"), images + scaled)
    assert_close(augmented(images, maps, "multiply"), images * scaled)
    step = augmented(images, maps, step_name(0.3))
    assert step.min() >= 0
    assert step.max() <= 1
    assert_close(step, (images + with_rms(maps, 0.3)).clamp(0, 1))


@pytest.mark.parametrize("augmentation", ["add", step_name(0.02)])
def test_a_map_of_zeros_changes_nothing(augmentation):
    images = images_of(SHAPES[0])
    assert_close(augmented(images, torch.zeros_like(images), augmentation), images)
    assert augmented(images, torch.zeros_like(images), "multiply").abs().max() == 0


def test_bad_maps_and_images_are_refused():
    images = images_of(SHAPES[0])
    with pytest.raises(UserError, match="not finite"):
        augmented(images, torch.full_like(images, torch.nan), "add")
    with pytest.raises(UserError, match="the same grid"):
        augmented(images, images[:, :, :, :4], "add")
    with pytest.raises(UserError, match=r"values in \[0, 1\]"):
        augmented(images + 1, images, "add")


def generators(count, seed=0):
    return [torch.Generator().manual_seed(seed + number) for number in range(count)]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shuffled_map_has_the_same_magnitudes_whatever_the_batch(shape):
    maps = maps_of(shape)
    found = shuffled(maps, generators(2))
    assert_close(found.flatten(1).sort(1).values, maps.flatten(1).sort(1).values)
    assert (found != maps).float().mean() > 0.5
    assert_close(shuffled(maps[1:], generators(1, seed=1)), found[1:])


@pytest.mark.parametrize("dims", [2, 3])
def test_the_sign_direction_raises_its_class_by_a_small_step(dims):
    torch.manual_seed(0)
    network = SmallResNet(dims=dims, outputs=3, width=0.25).eval()
    images, classes = images_of((4, 1, 1 if dims == 2 else 8, 16, 16)), torch.tensor([0, 1, 2, 1])
    direction = sign_direction(network, images, classes)
    assert set(direction.unique().tolist()) <= {-1.0, 0.0, 1.0}
    with torch.no_grad():
        before, after, away = (raw_logits(network, images + step * direction) for step in (0, 1e-3, -1e-3))
    assert co_score(before, after, classes).min() > 0
    assert co_score(before, away, classes).max() < 0
    assert all(parameter.grad is None for parameter in network.parameters())
