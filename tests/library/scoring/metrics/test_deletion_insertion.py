"""Deletion and insertion of classifiers whose answer is known."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from explainct.scoring.metrics.declarations import FAITHFULNESS_METRICS
from explainct.scoring.metrics.deletion_insertion import (
    PerturbationCurves,
    area,
    importance_order,
    perturbation_curves,
    random_order,
)

SHAPES = [(3, 4, 5), (6, 7)]


def classifier(weight):
    """A probability that is the share of the image's weighted sum: voxels act independently of each other."""
    total = weight.sum()

    def probability(images):
        assert images.shape[1:] == (1, *weight.shape)
        return (images * weight).flatten(1).sum(1) / total

    return probability


def example(shape, seed=0):
    rng = np.random.default_rng(seed)
    return torch.ones(1, *shape), torch.as_tensor(rng.random(shape) + 0.01)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("steps", [1, 7, 10])
def test_curves_equal_changing_voxels_one_by_one(shape, steps):
    image, weight = example(shape)
    image = image * torch.as_tensor(np.random.default_rng(1).random((1, *shape)))
    order = random_order(weight.numel(), seed=5, sample="a")
    found = perturbation_curves(image, order, classifier(weight), steps=steps, batch_size=4)
    values, share = (image[0] * weight).ravel().numpy(), weight.sum().item()
    for step in range(steps + 1):
        first = order[: step * len(order) // steps]
        inserted = sum(values[index] for index in first) / share
        assert found.insertion[step] == pytest.approx(inserted, abs=1e-6)
        assert found.deletion[step] == pytest.approx(values.sum() / share - inserted, abs=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_order_of_what_the_classifier_uses_beats_random_and_reversed_orders(shape):
    image, weight = example(shape)
    orders = {
        "map": importance_order(weight.numpy()),
        "random": random_order(weight.numel(), seed=1, sample="a"),
        "reversed": importance_order(-weight.numpy()),
    }
    areas = {
        name: perturbation_curves(image, order, classifier(weight), steps=10, batch_size=3).areas
        for name, order in orders.items()
    }
    assert set(areas["map"]) == set(FAITHFULNESS_METRICS)
    assert areas["map"]["deletion"] < areas["random"]["deletion"] < areas["reversed"]["deletion"]
    assert areas["map"]["insertion"] > areas["random"]["insertion"] > areas["reversed"]["insertion"]


def test_batches_change_nothing():
    image, weight = example((3, 4, 5))
    order = importance_order(weight.numpy())
    curves = [perturbation_curves(image, order, classifier(weight), steps=12, batch_size=size) for size in (1, 5, 100)]
    assert all(np.array_equal(curves[0], other) for other in curves[1:])


def test_no_batch_is_larger_than_asked():
    sizes = []

    def probability(images):
        sizes.append(len(images))
        return images.flatten(1).mean(1)

    perturbation_curves(torch.ones(1, 2, 3, 4), np.arange(24), probability, steps=8, batch_size=5)
    assert sizes == [5, 5, 4, 4]


@given(hnp.arrays(np.float32, (2, 3, 4), elements=st.sampled_from([0, 0.25, 0.5, 1])))
@settings(max_examples=40)
def test_order_falls_and_keeps_equals_as_they_were(explanation):
    order, values = importance_order(explanation), explanation.ravel()
    expected = sorted(range(values.size), key=lambda index: (-values[index], index))
    assert order.tolist() == expected


def test_areas_of_straight_lines_by_hand():
    curves = PerturbationCurves(deletion=np.array([1.0, 0.5, 0.0]), insertion=np.array([0.0, 1.0, 1.0]))
    assert curves.areas == {"deletion": pytest.approx(0.5), "insertion": pytest.approx(0.75)}
    assert area(np.array([0.2, 0.4])) == pytest.approx(0.3)


def test_random_orders_are_of_their_sample_and_seed():
    order = random_order(50, seed=1, sample="a")
    assert sorted(order.tolist()) == list(range(50))
    np.testing.assert_array_equal(order, random_order(50, seed=1, sample="a"))
    assert (order != random_order(50, seed=1, sample="b")).any()
    assert (order != random_order(50, seed=2, sample="a")).any()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"order": np.arange(23)}, "23 entries.*24 voxels"),
        ({"order": np.zeros(24, int)}, "24 voxels once"),
        ({"steps": 0}, "0 steps"),
        ({"steps": 25}, "25 steps for 24"),
        ({"probability": lambda images: images.flatten(1)[:, :2]}, r"\(2, 5, 2\)"),
    ],
)
def test_bad_calls_are_refused(changes, message):
    arguments = {"order": np.arange(24), "probability": lambda images: images.flatten(1).mean(1), "steps": 4}
    with pytest.raises(ValueError, match=message):
        perturbation_curves(torch.ones(1, 2, 3, 4), **{**arguments, **changes}, batch_size=8)


def test_a_map_with_nan_has_no_order():
    with pytest.raises(ValueError, match="1 values that are not finite"):
        importance_order(np.array([[0.5, np.nan]]))
