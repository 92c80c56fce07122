"""Labels of attributes from ratings, folds of patients, and images of nodules."""

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explainct.data.samples.attributes import (
    ATTRIBUTES,
    attribute_label,
    attribute_labels,
    label_counts,
    ratings_column,
)
from explainct.data.samples.folds import check_folds, draw_folds, rotating_fold
from explainct.data.samples.nodules import (
    centre_of,
    draw_patients,
    mask_on_millimetres,
    nodule_flow,
    on_millimetres,
    read_images,
    why_left_out,
)
from explainct.data.samples.tasks import TASKS, find_task
from explainct.errors import UserError

SPACING = (2.0, 0.5, 0.5)


@pytest.mark.parametrize(
    ("name", "rating", "label"),
    [
        *[("subtlety", 4, 1), ("subtlety", 5, 0), ("calcification", 5, 1), ("calcification", 6, 0)],
        *[("margin", 4, 1), ("margin", 5, 0), ("spiculation", 1, 0), ("spiculation", 2, 1)],
        *[("lobulation", 1, 0), ("lobulation", 2, 1), ("texture", 4, 1), ("texture", 5, 0)],
    ],
)
def test_cut_offs_are_those_of_the_paper(name, rating, label):
    assert attribute_label([rating], ATTRIBUTES[name], "median_high") == label


def test_a_missing_rating_is_left_out_of_the_median_and_no_rating_has_no_label():
    assert attribute_label([5, np.nan, 4, 4, 0], ATTRIBUTES["margin"], "median_high") == 1
    assert np.isnan(attribute_label([0, np.nan], ATTRIBUTES["margin"], "median_high"))
    assert np.isnan(attribute_label([], ATTRIBUTES["margin"], "median_low"))


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4))
def test_the_two_medians_differ_for_even_numbers_of_readers_alone(ratings):
    high, low = (attribute_label(ratings, ATTRIBUTES["texture"], name) for name in ("median_high", "median_low"))
    assert low >= high  # positive ratings are the low ones
    if len(ratings) % 2:
        assert low == high


def lowest(name):
    """Return a rating from which draws up to 6 cross the cut-off of the attribute."""
    return 3 if name == "calcification" else 1


def nodules(count=40, **changes):
    rng = np.random.default_rng(0)
    rows = [
        {"lesion_id": f"n{n}", "patient_id": f"p{n // 2}", "reason": "", "row": n}
        | {
            ratings_column(name): rng.integers(1, 7 if name == "calcification" else 6, 4).tolist()
            for name in ATTRIBUTES
        }
        for n in range(count)
    ]
    return pd.DataFrame(rows).assign(**changes)


def test_counts_say_what_the_rule_for_ties_changes():
    table = nodules()
    counts = label_counts(table, "median_high").set_index("attribute")
    labels = {median: attribute_labels(table, median) for median in ("median_high", "median_low")}
    for name in ATTRIBUTES:
        assert counts.loc[name, "changed"] == (labels["median_high"][name] != labels["median_low"][name]).sum() > 0
        assert counts.loc[name, "prevalence"] == labels["median_high"][name].mean()
    flow = nodule_flow(table, counts.reset_index())
    assert flow.query("unit == 'labels of margin' and event == 'changed'")["count"].item() == counts.changed["margin"]


def test_a_dataset_without_ratings_and_an_unknown_median_are_refused():
    with pytest.raises(UserError, match=r"lacks ratings_subtlety.*no readers' ratings"):
        attribute_labels(pd.DataFrame({"lesion_id": ["a"]}), "median_high")
    with pytest.raises(UserError, match=r"`monitoring.median` is `mean`"):
        attribute_labels(nodules(), "mean")


def test_the_task_has_labels_that_do_not_exclude_each_other():
    task = TASKS["attributes"]
    assert task.multilabel
    assert task.outputs == 6
    labels = attribute_labels(nodules(), "median_high").astype(int)
    assert task.classes(labels).shape == (40, 6)
    with pytest.raises(UserError, match=r"`train.task` is `attributes`.*monitoring_study"):
        find_task("attributes")


@given(st.integers(3, 6), st.integers(6, 30), st.integers(0, 5))
def test_every_sample_is_a_test_sample_once_and_no_patient_is_in_two_parts(folds, patients, seed):
    owner = pd.Series([f"p{n % patients}" for n in range(3 * patients)])
    groups = draw_folds(owner, folds=folds, seed=seed)
    tested = np.concatenate([rotating_fold(groups, fold).test for fold in range(folds)])
    assert sorted(tested.tolist()) == list(range(len(owner)))
    for fold in range(folds):
        parts = [set(owner.iloc[rows]) for rows in rotating_fold(groups, fold)]
        assert sum(map(len, parts)) == len(set.union(*parts)) == patients


def test_too_few_patients_and_a_part_of_one_label_are_refused():
    with pytest.raises(UserError, match=r"2 patients for 3 folds"):
        draw_folds(pd.Series(["a", "b"]), folds=3, seed=0)
    groups = np.arange(12) % 3
    labels = pd.DataFrame({"a": np.arange(12) // 3 % 2, "b": 0})
    labels.loc[0, "b"] = 1
    with pytest.raises(UserError, match=r"fold 0 has no positive of b among 4 samples"):
        check_folds(labels, groups)


def ball(radius_mm=5.0, planes=9, size=41):
    z, i, j = np.indices((planes, size, size), dtype=float)
    centre = ((planes - 1) / 2, (size - 1) / 2, (size - 1) / 2)
    squares = sum((mm * (p - c)) ** 2 for mm, p, c in zip(SPACING, (z, i, j), centre, strict=True))
    return (squares <= radius_mm**2).astype(np.uint8)


def test_a_ball_keeps_its_size_in_voxels_of_a_millimetre_and_lies_in_the_middle():
    mask, z_mm = ball(), np.arange(9) * 2.0
    k, i, j = centre_of(mask)
    assert (k, i, j) == (4, 20, 20)
    voxels = mask_on_millimetres(mask, z_mm, SPACING[1:], centre=(z_mm[k] + 0.25, i + 0.5, j + 0.5), shape=(16, 32, 32))
    assert voxels.sum() == pytest.approx(mask.sum() * 0.5, rel=0.1)
    np.testing.assert_allclose(np.argwhere(voxels).mean(0), (7.75, 15.75, 15.75), atol=0.3)
    single = mask_on_millimetres(mask[4:5], z_mm[4:5], SPACING[1:], centre=(z_mm[4], i, j), shape=(16, 32, 32))
    assert set(np.flatnonzero(single.any(axis=(1, 2)))) == {7, 8, 9}


def test_resampling_goes_by_the_measured_positions_of_slices():
    z_mm = np.array([0.0, 1.0, 3.0, 7.0])
    planes = np.broadcast_to(z_mm[:, None, None], (4, 5, 5))  # the value of a slice is its position
    found = on_millimetres(planes, z_mm, (1.0, 1.0), centre=(3.0, 2, 2), shape=(6, 3, 3), outside=-9)
    np.testing.assert_allclose(found[:, 1, 1], [0, 1, 2, 3, 4, 5], atol=1e-6)


@pytest.mark.parametrize(
    ("readers", "mask", "words"),
    [
        (1, ball(), "1 reader, too few"),
        (2, ball(), "2 readers, too few"),
        (5, ball(), "more than four"),
        (3, ball(1.2), "below 9 mm2"),
        (3, ball(30, 3, 121), "larger than 44 mm"),
        (4, ball(), ""),
    ],
)
def test_why_a_nodule_is_left_out(readers, mask, words):
    assert (words in why_left_out(readers, mask, SPACING)) if words else not why_left_out(readers, mask, SPACING)


def test_images_are_read_by_row_and_scaled_by_the_window(tmp_path):
    images = np.arange(-1000, -994, dtype=np.int16)[:, None, None, None] * np.ones((1, 1, 2, 2), np.int16)
    with h5py.File(tmp_path / "images.h5", "w") as file:
        file["image"] = images
    found = read_images(tmp_path / "images.h5", np.array([1, 3]), (-1000, -996))
    assert found.shape == (2, 1, 1, 2, 2)
    np.testing.assert_allclose(found[:, 0, 0, 0, 0], [0.25, 0.75])
    with pytest.raises(UserError, match="holds 6 images"):
        read_images(tmp_path / "images.h5", np.array([9]), (-1000, -996))


def test_a_smaller_draw_of_patients_is_part_of_a_larger_one():
    names = [f"p{n}" for n in range(20)] * 2
    few, many = (draw_patients(names, count, seed=3) for count in (5, 12))
    assert len(few) == 5
    assert few < many < draw_patients(names, 0, seed=3) == set(names)
