"""Views of nodules: which qualify, their slices, masks and boxes, their labels, and the planted cue."""

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from view_files import CUE, SIZE, VIEWS, WINDOW, label, nodules, write_views

from explainct.cfalign.view_sets import read_views
from explainct.data.samples.attributes import MALIGNANCY, attribute_label
from explainct.data.samples.views import boxes_of, dilated, extent_mm, read_masks, view_slices, why_without_views
from explainct.errors import UserError

MILLIMETRE = (1.0, 1.0, 1.0)


def solid(slices=4, edge=10):
    mask = np.zeros((slices + 2, edge + 4, edge + 4), np.uint8)
    mask[1:-1, 2:-2, 2:-2] = 1
    return mask


@pytest.mark.parametrize(
    ("readers", "mask", "reason"),
    [
        (3, solid(), ""),
        (2, solid(), "It has 2 readers, too few for a median."),
        (4, solid(slices=2), "It has fewer than 3 slices with a consensus."),
        (4, solid(edge=42), "It is larger than 40 mm."),
    ],
)
def test_nodules_qualify_by_readers_slices_and_size(readers, mask, reason):
    assert why_without_views(readers, mask, MILLIMETRE) == reason


@given(st.integers(3, 20), st.integers(1, 6), st.integers(0, 1000))
def test_views_lie_on_different_slices_of_the_middle_third(slices, views, seed):
    found = view_slices(solid(slices), views, np.random.default_rng(seed))
    assert len(found) == views
    numbers = [k for k, _, _ in found]
    assert min(numbers) >= 1 + slices // 3
    assert max(numbers) <= slices - slices // 3
    middle = slices - 2 * (slices // 3)
    assert len(set(numbers)) == min(views, middle)
    assert all((i, j) == (6.5, 6.5) for _, i, j in found)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=5), st.sampled_from(["median_high", "median_low"]))
def test_malignancy_is_cut_between_three_and_four(ratings, median):
    ordered = sorted(ratings)
    low, high = ordered[(len(ratings) - 1) // 2], ordered[len(ratings) // 2]
    expected = (high if median == "median_high" else low) >= 4
    assert attribute_label(ratings, MALIGNANCY, median) == expected


def test_each_view_has_label_split_and_image(labelled):
    table = pd.read_parquet(labelled["table_file"])
    assert len(table) == 60 * VIEWS
    assert table["view_id"].is_unique
    assert sorted(table["row"]) == list(range(60 * VIEWS))
    assert (table.groupby("patient_id")["split"].nunique() == 1).all()
    assert table["label"].mean() == pytest.approx(1 / 3)
    counts = pd.read_csv(labelled["table_file"].with_name("counts_file.csv")).set_index("split")
    assert counts["nodules"].sum() == 60
    np.testing.assert_allclose(counts["accuracy_of_benign"], 1 - counts["malignant"] / counts["nodules"], rtol=1e-4)


def test_a_class_that_never_occurs_is_one_sentence(tmp_path):
    files = write_views(tmp_path, nodules(malignant=lambda _: False))
    with pytest.raises(UserError, match=r"The split train has benign nodules alone, and needs benign and malignant"):
        label(tmp_path, files["nodules_file"])


def test_nodules_without_ratings_are_left_out_and_none_left_is_one_sentence(tmp_path):
    table = nodules()
    table.at[5, "ratings_malignancy"] = [0, 0, 0]
    label(tmp_path, write_views(tmp_path, table)["nodules_file"])
    flow = pd.read_csv(tmp_path / "flow_file.csv", keep_default_na=False).set_index(["event", "reason"])["count"]
    assert flow["lost", "No reader rated one of its attributes or its malignancy."] == 1
    assert flow["kept", ""] == 59
    with pytest.raises(UserError, match="60 nodules and none that can be used"):
        label(tmp_path, write_views(tmp_path, nodules().assign(reason="It is larger than 40 mm."))["nodules_file"])
    table.drop(columns="ratings_malignancy").to_parquet(tmp_path / "without.parquet")
    with pytest.raises(UserError, match="no readers' ratings of malignancy"):
        label(tmp_path, tmp_path / "without.parquet")


@pytest.mark.parametrize(("value", "what"), [(0, "is empty"), (1, "covers the whole image")])
def test_a_mask_that_is_empty_or_covers_everything_is_one_sentence(tmp_path, value, what):
    files = write_views(tmp_path, nodules(4))
    with h5py.File(files["views_file"], "a") as file:
        file["mask"][3] = value
    assert len(read_masks(files["views_file"], np.array([0, 1, 2]))) == 3
    with pytest.raises(UserError, match=rf"a mask in row 3 that {what} \(1 such masks\)"):
        read_masks(files["views_file"], np.arange(8))


def test_boxes_hold_their_masks_and_masks_grow_in_plane():
    mask = np.zeros((2, 1, 12, 12), np.uint8)
    mask[0, 0, [3, 6], [4, 8]] = 1
    boxes = boxes_of(mask)
    assert boxes[0].sum() == 4 * 5
    assert boxes[0, 0, 3:7, 4:9].all()
    assert not boxes[1].any()
    grown = dilated(mask, 2)
    assert grown[0].sum() == 2 * 25 - 2 * 1
    assert dilated(mask, 0) is mask
    assert extent_mm(mask[0], (1.0, 1.0, 0.5)) == 4.0


def test_the_cue_is_outside_of_the_nodule_and_says_the_label(labelled):
    views = read_views(**labelled, split="test", window=WINDOW)
    assert views.images.shape == (len(views), 1, SIZE, SIZE)
    assert views.with_cue(CUE, strength=0, mode="aligned") is views
    modes = {mode: views.with_cue(CUE, strength=1.0, mode=mode) for mode in ("aligned", "absent", "reversed")}
    np.testing.assert_array_equal(modes["absent"].images, views.images)
    marked = modes["aligned"].images != modes["reversed"].images
    assert (marked.sum((1, 2, 3)) == (SIZE * CUE["size"]) ** 2).all()
    assert not (marked & (views.masks > 0)).any()
    for mode, bright_label in (("aligned", 1), ("reversed", 0)):
        values = np.array([image[mark].mean() for image, mark in zip(modes[mode].images, marked, strict=True)])
        assert ((values > 0.5) == (views.labels == bright_label)).all()
    seen = views.seen_by("lesion").images
    assert (seen[views.boxes > 0] == views.images[views.boxes > 0]).all()
    assert (seen == 0).mean() > 0.5
    few = read_views(**labelled, split="test", window=WINDOW, most=5)
    assert len(few) == few.table["lesion_id"].nunique() == 5
