"""The planted cue: where it lies, what it says, and how much of an explanation lies on it."""

import logging

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import max_pool3d

from explainct.data.samples.planted_cue import cue_mask, cue_share, plant_cue
from explainct.errors import UserError
from explainct.scoring.metrics.overlap import whole_map_metrics

GRID = (8, 16, 24)


def names(count):
    return [f"P{number:03d}-n0-p" for number in range(count)]


def dataset(count=8, grid=GRID, seed=0):
    """Noise, lesions that fill the middle of every other sample, and the arguments of `plant_cue`."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    annotation = np.zeros((count, *grid), np.uint8)
    annotation[labels == 1, 3:-3, 4:-4, 4:-4] = 1
    images = rng.uniform(0.1, 0.9, annotation.shape).astype(np.float32)
    return {"images": images, "annotation": annotation, "labels": labels, "sample_ids": names(count)}


def planted(data, *, strength=1.0, mode="aligned", contrast=1.0, size=0.125, seed=5):
    return plant_cue(**data, strength=strength, mode=mode, contrast=contrast, size=size, seed=seed)


@given(
    st.tuples(*[st.integers(2, 20)] * 3), st.integers(0, 100), st.floats(0, 1), st.sampled_from([1 / 8, 1 / 4, 1 / 2])
)
def test_the_mark_is_in_a_corner_with_least_of_the_lesion_and_never_inside_it(grid, seed, filled, size):
    annotation = (np.random.default_rng(seed).random((2, *grid)) < filled**4).astype(np.uint8)
    masks = cue_mask(annotation, sample_ids=names(2), size=size, seed=seed)
    edges = [max(2, pixels // round(1 / size)) for pixels in grid[1:]]
    for mask, lesion in zip(masks, annotation, strict=True):
        assert not mask[lesion == 1].any()
        near = max_pool3d(torch.as_tensor(lesion, dtype=torch.float32)[None, None], 3, 1, 1)[0, 0].numpy()
        # Each corner is brought to the origin by flips, which the mask must fit in one of them.
        flips = [(), (1,), (2,), (1, 2)]
        first = np.s_[:, : edges[0], : edges[1]]
        overlaps = [np.flip(near, axes)[first].sum() for axes in flips]
        fits = [
            mask.sum() == np.flip(mask, axes)[first].sum() == (np.flip(lesion, axes)[first] == 0).sum()
            for axes in flips
        ]
        assert any(fit and overlap == min(overlaps) for fit, overlap in zip(fits, overlaps, strict=True))


def test_the_place_says_nothing_of_the_label():
    lesions = dataset(200)["annotation"][1::2]
    masks = cue_mask(lesions, sample_ids=names(100), size=0.125, seed=0)
    np.testing.assert_array_equal(masks, cue_mask(np.zeros_like(lesions), sample_ids=names(100), size=0.125, seed=0))
    assert (masks.sum((1, 2, 3)) == 8 * 2 * 3).all()
    assert (masks == masks[:, :1]).all()
    assert len({mask.tobytes() for mask in masks}) == 4


def test_lesions_are_marked_bright_and_neighbours_dark_and_nothing_else_changes():
    data = dataset()
    before = data["images"].copy()
    masks = cue_mask(data["annotation"], sample_ids=data["sample_ids"], size=0.125, seed=5)
    full, half = planted(data), planted(data, contrast=0.5)
    for number, label in enumerate(data["labels"]):
        mark = masks[number]
        np.testing.assert_allclose(full[number][mark], label, atol=1e-6)
        np.testing.assert_allclose(half[number][mark], (before[number][mark] + label) / 2, atol=1e-6)
    np.testing.assert_array_equal(full[~masks], before[~masks])
    np.testing.assert_array_equal(data["images"], before)
    assert full.dtype == np.float32


@given(st.floats(0, 1), st.floats(0.01, 1), st.integers(0, 50))
def test_reversed_marks_are_those_of_the_other_label(strength, contrast, seed):
    data = dataset(4)
    swapped = {**data, "labels": 1 - data["labels"]}
    reversed_ = planted(data, strength=strength, contrast=contrast, seed=seed, mode="reversed")
    np.testing.assert_array_equal(reversed_, planted(swapped, strength=strength, contrast=contrast, seed=seed))
    assert not np.array_equal(reversed_, planted(data, strength=strength, contrast=contrast, seed=seed))
    assert reversed_.min() >= 0
    assert reversed_.max() <= 1


def test_absent_marks_leave_every_bit():
    data = dataset()
    assert planted(data, mode="absent").tobytes() == data["images"].tobytes()


def test_order_and_company_do_not_matter_and_the_seed_does():
    data = dataset(12)
    images = planted(data, strength=0.5)
    chosen = np.random.default_rng(1).permutation(12)[:7]
    part = {name: values[chosen] for name, values in data.items() if name != "sample_ids"}
    part["sample_ids"] = [data["sample_ids"][number] for number in chosen]
    np.testing.assert_array_equal(planted(part, strength=0.5), images[chosen])
    assert not np.array_equal(planted(data, strength=0.5, seed=6), images)


@pytest.mark.parametrize("strength", [0.0, 0.3, 0.8, 1.0])
def test_strength_is_how_often_the_mark_agrees(strength):
    data = dataset(600, (8, 10, 10))
    masks = cue_mask(data["annotation"], sample_ids=data["sample_ids"], size=0.125, seed=5)
    images = planted(data, strength=strength)
    bright = np.array([image[mark].mean() > 0.5 for image, mark in zip(images, masks, strict=True)])
    agreement = (bright == data["labels"]).mean()
    # Four standard errors of a share of 600; none at 0 and 1.
    assert abs(agreement - strength) <= 4 * np.sqrt(strength * (1 - strength) / 600)


def test_a_lesion_that_fills_every_corner_stays_unmarked_with_a_warning(caplog):
    data = dataset(2)
    data["annotation"][1] = 1
    with caplog.at_level(logging.WARNING):
        images = planted(data)
    assert caplog.messages == ["P001-n0-p has no room for a mark: its annotation fills every corner"]
    np.testing.assert_array_equal(images[1], data["images"][1])


def test_the_share_on_the_cue_by_hand():
    mask = np.zeros((4, 2, 2, 2), bool)
    mask[:, 0, 0, 0] = True
    maps = np.zeros((4, 2, 2, 2), np.float32)
    maps[0] = 0.7  # uniform: the mark's share of the grid
    maps[1, 0, 0, 0] = 0.2  # all on the mark
    maps[2, 0, 0, :] = (0.1, 0.3)
    np.testing.assert_allclose(cue_share(maps, mask), [1 / 8, 1, 0.25, 0], atol=1e-6)


def test_the_share_is_the_mass_inside_the_mark():
    masks = cue_mask(dataset()["annotation"], sample_ids=names(8), size=0.125, seed=0)
    maps = np.random.default_rng(0).random(masks.shape).astype(np.float32)
    expected = [whole_map_metrics(*pair)["mass_inside"] for pair in zip(maps, masks, strict=True)]
    np.testing.assert_allclose(cue_share(maps, masks), expected)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"strength": 1.5}, "strength is 1.5"),
        ({"strength": float("nan")}, "strength is nan"),
        ({"contrast": 0.0}, "contrast is 0.0"),
        ({"size": 0.6}, "size is 0.6"),
        ({"mode": "flipped"}, "mode is 'flipped'.* aligned, absent, reversed"),
    ],
)
def test_a_wrong_setting_is_a_clear_error(setting, message):
    with pytest.raises(UserError, match=message):
        planted(dataset(2), **setting)


def test_arrays_that_do_not_belong_together_are_refused():
    data = dataset(4)
    with pytest.raises(ValueError, match="expected equal shapes"):
        planted({**data, "annotation": data["annotation"][:2]})
    with pytest.raises(ValueError, match="shorter"):
        planted({**data, "sample_ids": names(3)})
    with pytest.raises(ValueError, match="expected equal shapes"):
        cue_share(np.ones((2, 2, 2, 2)), np.ones((1, 2, 2, 2), bool))
    with pytest.raises(ValueError, match=r"down to -1\.0"):
        cue_share(-np.ones((1, 2, 2, 2)), np.ones((1, 2, 2, 2), bool))
