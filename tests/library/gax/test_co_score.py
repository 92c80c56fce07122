"""The CO score: identities of Eq. 5, what is refused, and why its gap says nothing about maps."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close

from explainct.errors import UserError
from explainct.gax.co_score import Normalised, check_images, check_maps, co_score, raw_logits, score_constants

SIZES = st.tuples(st.integers(1, 6), st.integers(2, 5))


def logits(size, seed):
    generator = torch.Generator().manual_seed(seed)
    before, after = (torch.randn(size, generator=generator, dtype=torch.float64) for _ in range(2))
    return before, after, torch.randint(0, size[1], (size[0],), generator=generator)


@settings(max_examples=25, deadline=None)
@given(SIZES, st.integers(0, 999))
def test_the_score_is_the_centred_change_of_the_classs_logit(size, seed):
    before, after, classes = logits(size, seed)
    change = after - before
    of_class = change.gather(1, classes[:, None])[:, 0]
    expected = size[1] / (size[1] - 1) * (of_class - change.mean(1))
    assert_close(co_score(before, after, classes), expected, rtol=1e-5, atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(SIZES, st.integers(0, 999), st.floats(-50, 50))
def test_a_change_of_all_logits_alike_scores_nothing(size, seed, constant):
    before, after, classes = logits(size, seed)
    assert_close(score_constants(classes, size[1]).sum(1), torch.zeros(size[0]), rtol=0, atol=1e-5)
    assert_close(co_score(before, before + constant, classes), torch.zeros_like(before[:, 0]), rtol=0, atol=1e-4)
    moved = co_score(before + constant, after + constant, classes)
    assert_close(moved, co_score(before, after, classes), rtol=1e-4, atol=1e-4)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 6), st.integers(0, 999))
def test_with_two_classes_the_other_class_has_the_opposite_score(count, seed):
    before, after, classes = logits((count, 2), seed)
    assert_close(co_score(before, after, classes), -co_score(before, after, 1 - classes))


def test_one_class_is_refused():
    with pytest.raises(UserError, match="two classes or more, but the classifier has 1"):
        score_constants(torch.zeros(2, dtype=torch.int64), 1)


def test_on_labels_that_are_noise_the_gap_is_the_sign_alone():
    """A map that always raises the predicted class, and labels of which a third are wrong by chance."""
    generator = torch.Generator().manual_seed(0)
    before = torch.randn(600, 2, generator=generator)
    predicted = before.argmax(1)
    rise = 2 + torch.rand(600, generator=generator)
    after = before + rise[:, None] * nn.functional.one_hot(predicted, 2)
    true = torch.where(torch.rand(600, generator=generator) < 1 / 3, 1 - predicted, predicted)
    correct = true == predicted
    by_label, label_free = co_score(before, after, true), co_score(before, after, predicted)
    assert by_label[correct].min() > 0 > by_label[~correct].max()
    assert abs(label_free[correct].median() - label_free[~correct].median()) < 0.2


class Mean(nn.Module):
    """Logits of the mean of an image, alone or with features."""

    def __init__(self, *, features=False):
        super().__init__()
        self.features = features

    def forward(self, images):
        mean = images.flatten(1).mean(1)
        found = torch.stack([mean, -mean], dim=1)
        return (found, images) if self.features else found


@pytest.mark.parametrize("shape", [(2, 1, 1, 4, 4), (2, 3, 2, 4, 4)])
def test_normalisation_is_inside_so_a_map_of_zeros_scores_nothing(shape):
    images = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    network = Normalised(Mean(features=True), mean=[0.4] * shape[1], std=[0.2] * shape[1])
    before, classes = raw_logits(network, images), torch.tensor([0, 1])
    assert_close(before, raw_logits(Mean(), (images - 0.4) / 0.2))
    zero = co_score(before, raw_logits(network, images + torch.zeros_like(images)), classes)
    assert_close(zero, torch.zeros(2))
    mixed = co_score(before, raw_logits(Mean(), images), classes)  # the published mix of two input spaces
    assert mixed.abs().min() > 0.01


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(1, 1, 4, 4), r"shape \(1, 1, 4, 4\); expected"),
        (torch.zeros(1, 1, 1, 4, 4, dtype=torch.int64), "expected are floating-point"),
        (torch.full((1, 1, 1, 4, 4), 1.5), r"span 1.5 to 1.5; expected are values in \[0, 1\]"),
        (torch.full((1, 1, 1, 4, 4), torch.nan), "span nan to nan"),
    ],
)
def test_images_out_of_range_or_shape_are_refused(images, message):
    with pytest.raises(UserError, match=message):
        check_images(images)


def test_maps_of_another_shape_or_without_numbers_are_refused():
    images = torch.zeros(2, 1, 1, 4, 4)
    check_maps(torch.zeros_like(images), images)
    with pytest.raises(UserError, match=r"\(2, 1, 1, 4, 5\), the images \(2, 1, 1, 4, 4\)"):
        check_maps(torch.zeros(2, 1, 1, 4, 5), images)
    broken = torch.zeros_like(images)
    broken[0, 0, 0, 1, 1] = torch.nan
    with pytest.raises(UserError, match="1 of 32 values"):
        check_maps(broken, images)
