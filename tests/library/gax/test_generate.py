"""GAX: targets, caps and batches in two and three dimensions, and the trap of Adam."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from explainct.errors import UserError
from explainct.gax.co_score import co_score, raw_logits
from explainct.gax.generate import FORMS, generate, similarity_loss
from explainct.learning.networks.small_resnet import SmallResNet
from explainct.scoring.metrics.overlap import mass_over_area

CASES = [(2, 2), (2, 3), (3, 2), (3, 3)]
"""Dimensions and classes."""


def toy(dims, outputs, count=6):
    """Return images of noise with a bright band whose place is the class, and a small network that learned it."""
    torch.manual_seed(0)
    classes = torch.arange(count) % outputs
    images = 0.4 + 0.2 * torch.rand(count, 1, 1 if dims == 2 else 8, 16, 16)
    for image, number in zip(images, classes.tolist(), strict=True):
        image[..., 5 * number : 5 * number + 5] += 0.3
    network = SmallResNet(dims=dims, outputs=outputs, width=0.5).train()
    for module in network.modules():
        if isinstance(module, (nn.BatchNorm2d, nn.BatchNorm3d)):
            module.momentum = 0.5  # so that few steps settle the statistics
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(12):
        optimiser.zero_grad()
        nn.functional.cross_entropy(network(images)[0], classes).backward()
        optimiser.step()
    return network.eval(), images, classes


@pytest.fixture(scope="module", params=CASES, ids=lambda case: f"{case[0]}D {case[1]} classes")
def case(request):
    return toy(*request.param)


def score_of(network, images, maps, classes, *, clip):
    changed = (images + maps).clamp(0, 1) if clip else images + maps
    with torch.no_grad():
        return co_score(raw_logits(network, images), raw_logits(network, changed), classes)


def test_the_saved_map_reaches_the_target_and_is_the_one_that_was_scored(case):
    network, images, classes = case
    targets = torch.full((len(images),), 1.0)
    found = generate(network, images, classes, targets, FORMS["normalised"], iterations=30, keep=(0, 2))
    assert found.reached.all()
    assert found.iterations.min() >= 1
    assert found.maps.abs().max() <= 1
    again = score_of(network, images, found.maps, classes, clip=True)
    assert_close(again, found.scores, rtol=1e-3, atol=1e-3)
    assert (again >= 1.0 - 1e-3).all()
    for number, steps in enumerate(found.iterations.tolist()):
        curve = found.curves[number]
        assert torch.isfinite(curve[: steps + 1]).all()
        assert torch.isnan(curve[steps + 1 :]).all()
        assert (curve[:steps] < 1.0).all()
        assert_close(curve[steps], found.scores[number])
        assert found.kept[number][0].abs().max() == 0
        assert (2 in found.kept[number]) == (steps >= 2)


@pytest.mark.parametrize("form", FORMS)
def test_the_cap_is_kept_and_said(case, form):
    network, images, classes = case
    found = generate(network, images[:2], classes[:2], torch.full((2,), 1e6), FORMS[form], iterations=3)
    assert not found.reached.any()
    assert found.iterations.tolist() == [3, 3]
    assert found.maps.abs().max() <= 1
    again = score_of(network, images[:2], found.maps, classes[:2], clip=FORMS[form].clip)
    assert_close(again, found.scores, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("form", ["normalised", "additive_adam"])
def test_a_batch_is_as_single_images(case, form):
    network, images, classes = case
    targets = torch.linspace(0.2, 2, len(images))
    together = generate(network, images, classes, targets, FORMS[form], iterations=12)
    for number in range(len(images)):
        one = slice(number, number + 1)
        alone = generate(network, images[one], classes[one], targets[one], FORMS[form], iterations=12)
        if abs(alone.scores[0] - targets[number]) > 1e-2:  # at the target rounding may cost a step
            assert alone.iterations[0] == together.iterations[number]
            assert (alone.maps[0] - together.maps[number]).abs().max() < 1e-2


def test_a_target_that_the_first_map_has_takes_no_step(case):
    network, images, classes = case
    found = generate(network, images, classes, torch.zeros(len(images)), FORMS["normalised"], iterations=5)
    assert found.iterations.tolist() == [0] * len(images)
    assert found.maps.abs().max() == 0


def test_voxels_of_zero_stay_without_the_published_bias(case):
    network, images, classes = case
    dark = images.clone()
    dark[:, :, :, :4] = 0
    for form, moves in (("published_without_bias", False), ("published", True)):
        found = generate(network, dark, classes, torch.full((len(dark),), 1e6), FORMS[form], iterations=2)
        assert bool((found.maps[:, :, :, :4] != 0).any()) == moves


def test_the_published_form_starts_at_its_own_image(case):
    network, images, classes = case
    found = generate(network, images, classes, torch.full((6,), 1e6), FORMS["published"], iterations=1, keep=(0,))
    for number, image in enumerate(images):
        assert_close(found.kept[number][0], torch.tanh(image + 0.01))


def test_the_similarity_loss_is_that_of_equation_6():
    images, maps = torch.rand(3, 1, 1, 5, 5), torch.rand(3, 1, 1, 5, 5)
    for number in range(3):
        x, h = images[number].double(), maps[number].double()
        expected = 1 / (((h - x + 1e-4) ** 2) / (x + 1e-4)).mean()
        assert similarity_loss(maps, images)[number].item() == pytest.approx(expected.item(), rel=1e-3)


class Linear(nn.Module):
    """Two classes whose logits weigh voxels, five times as much inside a lesion as outside."""

    def __init__(self, shape):
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        sign = torch.where(torch.rand(shape, generator=generator) < 0.5, -1.0, 1.0)
        self.inside = torch.zeros(shape)
        self.inside[..., 4:8, 4:8] = 1
        self.weight = sign * (1 + 4 * self.inside)

    def forward(self, images):
        score = (images[:, 0] * self.weight).flatten(1).sum(1)
        return torch.stack([-score, score], dim=1)


@pytest.mark.parametrize("shape", [(1, 12, 12), (6, 12, 12)], ids=["2D", "3D"])
def test_adam_spreads_the_map_evenly_and_normalised_steps_do_not(shape):
    network, images = Linear(shape), torch.full((1, 1, *shape), 0.5)
    masses = {}
    for name in ("additive_adam", "normalised"):
        found = generate(network, images, torch.tensor([1]), torch.tensor([1e6]), FORMS[name], iterations=5)
        masses[name] = mass_over_area(found.maps[0, 0].abs().numpy(), network.inside.numpy())
    assert masses["additive_adam"] == pytest.approx(1, abs=0.1)
    # The gradient is five times as large inside.
    assert masses["normalised"] == pytest.approx(5 / (1 + 4 * network.inside.mean().item()), rel=0.05)


def test_a_gradient_of_zero_leaves_the_map_at_zero():
    network = Linear((1, 12, 12))
    network.weight = torch.zeros_like(network.weight)
    images = torch.full((1, 1, 1, 12, 12), 0.5)
    found = generate(network, images, torch.tensor([0]), torch.tensor([1.0]), FORMS["normalised"], iterations=2)
    assert found.maps.abs().max() == 0
    assert not found.reached[0]


def test_bad_input_is_refused():
    network, images, classes = Linear((1, 12, 12)), torch.full((1, 1, 1, 12, 12), 0.5), torch.tensor([0])
    form = replace(FORMS["normalised"], rate=0.1)
    with pytest.raises(UserError, match="finite targets"):
        generate(network, images, classes, torch.tensor([torch.nan]), form, iterations=2)
    with pytest.raises(UserError, match="0 steps"):
        generate(network, images, classes, torch.tensor([1.0]), form, iterations=0)
    with pytest.raises(UserError, match=r"values in \[0, 1\]"):
        generate(network, images - 1, classes, torch.tensor([1.0]), form, iterations=2)
