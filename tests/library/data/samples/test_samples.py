"""Blocks, grids, splits, samples and crops."""

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_files import plan_samples

from explainct.data.ingest.scan_space import mean_step, plane_z
from explainct.data.samples.blocks import block_box, covering, lesion_box, neighbours
from explainct.data.samples.crops import extract_crops
from explainct.data.samples.reader import SampleReader
from explainct.data.samples.resample import (
    annotated_planes,
    block_of,
    block_z,
    paste,
    resize_image,
    resize_mask,
    slice_minmax,
    window_hu,
)
from explainct.data.samples.sample_table import holding_others, read_others, samples_of
from explainct.data.samples.splits import draw_splits, training_subset
from explainct.errors import UserError
from explainct.runtime.volume import Box

SETTINGS = {
    "margin_mm": 2.0,
    "negatives_per_lesion": 5,
    "train": 0.4,
    "validation": 0.3,
    "always_test": ["P0"],
    "grid": (8, 10, 12),
    "intensity": "window",
    "window": (-1000.0, 0.0),
    "cue": {"strength": 0.0, "contrast": 1.0, "size": 0.125, "seed": 0},
}

SCAN_Z_MM = np.cumsum(2 + 0.1 * np.resize([0.0, 1.0, -1.0], 30)).tolist()
"""Measured positions of the slices of a scan in mm, uneven within the tolerance."""


def lesions_table(patients=10):
    rows = [
        {
            "lesion_id": f"P{number}-s{number}-n0",
            "patient_id": f"P{number}",
            "series_uid": f"1.2.{number}",
            "label": 1,
            "spacing_z": 2.0,
            "spacing_y": 0.5,
            "spacing_x": 0.5,
            "scan_slices": 30,
            "scan_rows": 512,
            "scan_columns": 512,
            "scan_z_mm": (2.0 * np.arange(30) - 14).tolist(),
            "k_start": 12,
            "k_stop": 16,
            "i_start": 100,
            "i_stop": 109,
            "j_start": 200,
            "j_stop": 211,
            "in_cohort": True,
        }
        for number in range(patients)
    ]
    return pd.DataFrame(rows)


@pytest.fixture
def cohort(tmp_path):
    """Tables of ten patients with one lesion each."""
    lesions_table().to_parquet(tmp_path / "lesions.parquet")
    plan_samples(
        lesions_file=tmp_path / "lesions.parquet",
        samples_file=tmp_path / "samples.parquet",
        splits_file=tmp_path / "splits.parquet",
        settings=SETTINGS,
        shards=2,
        seed=0,
    )
    return tmp_path


def test_the_block_of_a_lesion_has_its_margin_and_stays_in_the_scan():
    lesion = Box((1, 10, 500), (4, 20, 511))
    assert block_box(lesion, (2.5, 0.7, 0.7), 0.0, (30, 512, 512)) == lesion
    block = block_box(lesion, (2.5, 0.7, 0.7), 4.0, (30, 512, 512))
    assert block == Box((0, 4, 494), (6, 26, 512))


@given(st.tuples(*[st.integers(1, 9)] * 3), st.tuples(*[st.integers(0, 20)] * 3))
def test_neighbours_tile_space_and_lie_in_the_scan(shape, start):
    block = Box(start, tuple(np.add(start, shape).tolist()))
    scan = (40, 40, 40)
    boxes = [block, *neighbours(block, scan).values()]
    canvas = np.zeros(scan, int)
    for box in boxes:
        assert box.shape == shape
        canvas[box.slices] += 1
    assert canvas.max() == 1
    assert set(neighbours(block, scan)) <= set(range(26))


def test_a_block_in_the_middle_has_26_neighbours_that_fill_the_3x3x3_neighbourhood():
    block = Box((10, 10, 10), (14, 15, 16))
    boxes = neighbours(block, (100, 100, 100))
    assert sorted(boxes) == list(range(26))
    around = covering(list(boxes.values()))
    assert around == Box((6, 5, 4), (18, 20, 22))
    assert np.prod(around.shape) == 27 * np.prod(block.shape)


def test_the_mask_lands_where_the_lesion_lies():
    lesion = lesions_table(1).iloc[0]
    block = block_of(lesion, 2.0)
    assert block.shape == (4 + 2, 9 + 8, 11 + 8)
    consensus = np.random.default_rng(0).integers(0, 2, (4, 9, 11)).astype(np.uint8)
    mask = paste(consensus, lesion, block)
    np.testing.assert_array_equal(mask[1:5, 4:13, 4:15], consensus)
    assert mask.sum() == consensus.sum()
    z = block_z(lesion, block)
    np.testing.assert_allclose(z, [8, 10, 12, 14, 16, 18])
    np.testing.assert_allclose(plane_z(z, 11), np.arange(8, 19))


def test_an_image_of_the_grids_size_is_unchanged_and_corners_stay():
    image = np.random.default_rng(0).normal(size=(4, 5, 6)).astype(np.float32)
    np.testing.assert_allclose(resize_image(image, (4, 5, 6)), image, atol=1e-6)
    large = resize_image(image, (9, 11, 13))
    np.testing.assert_allclose(large[::8, ::10, ::12], image[::3, ::4, ::5], atol=1e-5)
    np.testing.assert_array_equal(resize_mask(image, (4, 5, 6)), image)


@given(st.integers(1, 40), st.integers(2, 64))
def test_annotated_planes_show_their_own_slice(slices, depth):
    planes = annotated_planes(np.ones(slices, bool), depth)
    assert planes[0] == 0
    assert slices == 1 or planes[-1] == depth - 1
    if 1 < slices <= depth:
        # Finding 1b.7: in the published code some annotated positions hold the slice of their neighbour.
        shown = resize_mask(np.arange(slices)[:, None, None], (depth, 1, 1))[:, 0, 0]
        np.testing.assert_array_equal(shown[planes], np.arange(slices))


def test_intensities():
    image = np.array([[[-2000, -1000, -500, 0, 900]], [[7, 7, 7, 7, 7]]], np.int16)
    np.testing.assert_allclose(window_hu(image, (-1000, 0))[0, 0], [0, 0, 0.5, 1, 1])
    published = slice_minmax(image)
    assert published[0].min() == 0
    assert published[0].max() == 1
    assert not published[1].any()


@given(st.integers(10, 60), st.integers(0, 5), st.floats(0.2, 0.5), st.floats(0.2, 0.4))
def test_splits_are_by_patient_and_of_the_asked_size(patients, seed, train, validation):
    ids = [f"P{number}" for number in range(patients)]
    table = draw_splits(pd.Series(1, ids), train=train, validation=validation, always_test=["P1"], seed=seed)
    assert table.patient_id.is_unique
    assert set(table.patient_id) == set(ids)
    counts = table.split.value_counts()
    assert counts["train"] == round(train * patients)
    assert counts["validation"] == round(validation * patients)
    assert table.set_index("patient_id").split["P1"] == "test"
    again = draw_splits(pd.Series(1, ids[::-1]), train=train, validation=validation, always_test=["P1"], seed=seed)
    pd.testing.assert_frame_equal(table, again)


@given(st.integers(0, 20))
def test_patients_with_and_without_lesion_are_split_in_the_same_ratio(seed):
    labels = pd.Series([1] * 281 + [0] * 80, [f"P{number}" for number in range(361)])
    split = draw_splits(labels, train=0.125, validation=0.175, always_test=[], seed=seed).set_index("patient_id").split
    counts = pd.crosstab(split, labels)
    assert counts.loc[["train", "validation"]].to_numpy().tolist() == [[10, 35], [14, 49]]
    assert counts.to_numpy().sum() == 361


def test_an_empty_split_is_a_clear_error():
    with pytest.raises(UserError, match="validation split of 3 patients is empty"):
        draw_splits(pd.Series(1, ["a", "b", "c"]), train=0.4, validation=0.1, always_test=[], seed=0)


def test_a_patient_more_leaves_all_others_in_their_shards(tmp_path):
    shards = []
    for lesions in (lesions_table(), lesions_table().iloc[1:]):
        lesions.to_parquet(tmp_path / "lesions")
        files = {f"{name}_file": tmp_path / name for name in ("lesions", "samples", "splits")}
        plan_samples(settings=SETTINGS, shards=4, seed=0, **files)
        shards.append(pd.read_parquet(tmp_path / "samples").groupby("patient_id")["shard"].unique())
    assert all(len(numbers) == 1 for numbers in shards[0])
    assert shards[0].drop(set(shards[0].index) - set(shards[1].index)).astype(str).equals(shards[1].astype(str))
    assert len(shards[0]) == len(shards[1]) + 1


def test_samples_are_blocks_and_neighbours_of_equal_size(cohort):
    samples = pd.read_parquet(cohort / "samples.parquet")
    splits = pd.read_parquet(cohort / "splits.parquet").set_index("patient_id").split
    assert samples.sample_id.is_unique
    assert (samples.label.groupby(samples.lesion_id).sum() == 1).all()
    assert (samples.groupby("lesion_id").size() == 6).all()
    assert (samples.patient_id.map(splits) == samples.split).all()
    assert samples.groupby("lesion_id").shard.nunique().max() == 1
    assert set(samples.shard) == {0, 1}
    shapes = {lesion_box(row).shape for _, row in samples.iterrows()}
    assert shapes == {(6, 17, 19)}


def test_a_normal_organ_is_one_sample_without_neighbours():
    organ = lesions_table(1).assign(label=0).iloc[0]
    (sample,) = samples_of(organ, lesion_box(organ), 26, 0)
    assert (sample["sample_id"], sample["label"]) == ("P0-s0-n0-n", 0)
    assert lesion_box(pd.Series(sample)) == lesion_box(organ)


def test_neighbours_that_hold_another_lesion_are_marked_and_left_out_on_demand():
    lesion = lesions_table(1).iloc[0]  # slices 12 to 16, rows 100 to 109, columns 200 to 211
    mask = np.zeros((4, 9, 11), np.uint8)
    mask[0, 0, 0] = 1
    beside = (Box((12, 109, 200), (16, 118, 211)), mask)
    # The box of this one reaches into the neighbours, its voxels do not.
    beyond = (Box((12, 91, 190), (16, 100, 220)), np.zeros((4, 9, 30), np.uint8))
    published, clean = (
        samples_of(lesion, lesion_box(lesion), 26, 0, others=[beside, beyond], negatives=kind)
        for kind in ("published", "clean")
    )
    (marked,) = (sample for sample in published if sample["other_lesion"])
    assert lesion_box(pd.Series(marked)) == beside[0]
    assert clean == [sample for sample in published if sample is not marked]
    assert len(published) == 27


@given(st.integers(0, 99))
def test_a_marked_neighbour_holds_a_voxel_of_the_lesion_in_the_scan(seed):
    rng = np.random.default_rng(seed)
    lesion = lesions_table(1).iloc[0]
    start = rng.integers((4, 85, 170), (20, 120, 230))
    mask = (rng.random((3, 8, 8)) < 0.02).astype(np.uint8)
    other = (Box(tuple(start.tolist()), tuple((start + mask.shape).tolist())), mask)
    scan = np.zeros((30, 512, 512), np.uint8)
    scan[other[0].slices] = mask
    for sample in samples_of(lesion, lesion_box(lesion), 26, 0, others=[other]):
        if sample["label"] == 0:
            assert sample["other_lesion"] == scan[lesion_box(pd.Series(sample)).slices].any()


@pytest.mark.parametrize(("kept", "marked"), [(True, False), (False, True)])
def test_a_dropped_slice_marks_no_neighbour_of_a_training_lesion(tmp_path, kept, marked):
    one, other = (lesions_table(2).iloc[number] for number in (0, 1))
    lesions = pd.DataFrame([one, other]).assign(i_start=[100, 109], i_stop=[109, 118])
    consensus = np.zeros((4, 9, 11), np.uint8)
    consensus[:, 4, 4] = 1
    with h5py.File(tmp_path / "slices.h5", "w") as file:
        file[f"{other.lesion_id}/annotated"] = [True, False, True, True]
        file[f"{other.lesion_id}/consensus"] = consensus
        (found,) = read_others(file, one, lesions, kept=kept)
        np.testing.assert_array_equal(found[1], consensus)
        consensus[1, 8, 8] = 1  # on the slice that is dropped
        file[f"{other.lesion_id}/consensus"][:] = consensus
        (found,) = read_others(file, one, lesions, kept=kept)
    corner = {0: Box((13, 117, 208), (14, 118, 209))}
    assert bool(holding_others(corner, [found])) == marked


def test_a_mask_is_cut_at_a_smaller_block():
    lesion = lesions_table(1).iloc[0]
    consensus = np.random.default_rng(0).integers(0, 2, (4, 9, 11)).astype(np.uint8)
    mask = paste(consensus, lesion, Box((12, 102, 190), (16, 104, 205)))
    np.testing.assert_array_equal(mask[:, :, 10:], consensus[:, 2:4, :5])
    assert not mask[:, :, :10].any()
    assert not paste(consensus, lesion, Box((0, 0, 0), (4, 9, 11))).any()


def test_no_lesion_in_the_cohort_is_a_clear_error(tmp_path):
    lesions_table().assign(in_cohort=False).to_parquet(tmp_path / "lesions.parquet")
    files = {"samples_file": tmp_path / "s", "splits_file": tmp_path / "p"}
    with pytest.raises(UserError, match="no lesion of an accepted series"):
        plan_samples(lesions_file=tmp_path / "lesions.parquet", settings=SETTINGS, shards=2, seed=0, **files)
    assert [path.name for path in tmp_path.iterdir()] == ["lesions.parquet"]


@given(st.integers(0, 50), st.sampled_from([2, 3, 4]))
def test_the_training_subset_is_balanced_with_one_sample_per_patient(seed, n):
    samples = pd.DataFrame(
        {
            "sample_id": [f"P{p}-{s}" for p in range(6) for s in "pab"],
            "patient_id": [f"P{p}" for p in range(6) for _ in "pab"],
            "label": [1, 0, 0] * 6,
            "split": ["train"] * 12 + ["test"] * 6,
        }
    )
    subset = training_subset(samples, n=n, seed=seed)
    assert len(subset) == subset.patient_id.nunique() == n
    assert subset.label.sum() == n // 2
    assert set(subset.split) == {"train"}
    pd.testing.assert_frame_equal(subset, training_subset(samples.sample(frac=1, random_state=seed), n=n, seed=seed))


@given(st.integers(0, 50))
def test_the_training_subset_takes_each_label_from_patients_who_have_it(seed):
    samples = pd.DataFrame(
        {
            "sample_id": [f"P{p}" for p in range(10)],
            "patient_id": [f"P{p}" for p in range(10)],
            "label": [1] * 7 + [0] * 3,
            "split": ["train"] * 10,
        }
    )
    subset = training_subset(samples, n=6, seed=seed)
    assert subset.label.sum() == 3
    assert subset.patient_id.is_unique


def test_too_few_training_patients_is_a_clear_error():
    samples = pd.DataFrame({"sample_id": ["a"], "patient_id": ["P"], "label": [1], "split": ["train"]})
    with pytest.raises(UserError, match=r"need 2 training patients with a lesion and 2 others .* there are 1 and 0"):
        training_subset(samples, n=4, seed=0)


def test_crops_hold_the_scans_voxels_and_the_store_shows_them(cohort, monkeypatch):
    scan = np.random.default_rng(0).integers(-1000, 100, (30, 150, 260)).astype(np.int16)
    monkeypatch.setattr("explainct.data.samples.crops.read_crop", lambda files, box, **checks: scan[box.slices])
    rows = [
        {
            "archive": "lidc",
            "format": "dicom",
            "rows": 512,
            "columns": 512,
            "instance_uids": ["1.2"] * 30,
            "series_uid": f"1.2.{n}",
            "files": ["a"] * 30,
            "origin": [1.0, 2.0, SCAN_Z_MM[0]],
            "z_mm": SCAN_Z_MM,
            "spacing_z": mean_step(SCAN_Z_MM),
            "spacing_y": 0.5,
            "spacing_x": 0.5,
            "direction": np.eye(3).ravel().tolist(),
        }
        for n in range(10)
    ]
    pd.DataFrame(rows).to_parquet(cohort / "series.parquet")
    consensus = np.random.default_rng(1).integers(0, 2, (4, 9, 11)).astype(np.uint8)
    with h5py.File(cohort / "slices.h5", "w") as file:
        for lesion in lesions_table().lesion_id:
            file[f"{lesion}/consensus"] = consensus
            file[f"{lesion}/readers"] = np.stack([consensus, 1 - consensus])
    names = ("series", "lesions", "samples")
    files = {f"{name}_file": cohort / f"{name}.parquet" for name in names}
    for shard in (0, 1):
        extract_crops(archives={"lidc": str(cohort)}, shard=shard, shard_file=cohort / f"{shard}.h5", **files)
    native = {**SETTINGS, "grid": (6, 17, 19)}
    shards = [cohort / "0.h5", cohort / "1.h5"]
    store = SampleReader(shards, cohort / "slices.h5", cohort / "lesions.parquet", native)
    samples = pd.read_parquet(cohort / "samples.parquet")
    images, truth = store.images(samples), store.truth(samples)
    for number, (_, sample) in enumerate(samples.iterrows()):
        voxels = scan[lesion_box(sample).slices]
        np.testing.assert_array_equal(store.block(sample), voxels)
        np.testing.assert_allclose(images[number], window_hu(voxels, (-1000, 0)), atol=1e-5)
        assert truth[number].any() == (sample.label == 1)
    positive = samples[samples.label == 1].iloc[0]
    np.testing.assert_array_equal(store.readers(positive)[1][1:5, 4:13, 4:15], 1 - consensus)
    with h5py.File(shards[positive.shard]) as file:
        attributes = file[positive.lesion_id].attrs
        k, depth = attributes["start"][0], len(file[positive.lesion_id]["image"])
        _, i, j = attributes["start"]
        assert attributes["origin"] == pytest.approx([1 + 0.5 * j, 2 + 0.5 * i, SCAN_Z_MM[k]])
        assert attributes["spacing"][0] == pytest.approx((SCAN_Z_MM[k + depth - 1] - SCAN_Z_MM[k]) / (depth - 1))
    published = SampleReader(
        shards, cohort / "slices.h5", cohort / "lesions.parquet", {**native, "intensity": "slice_minmax"}
    )
    assert published.images(samples[:1]).max() == pytest.approx(1)
    cued = {**native, "cue": {**native["cue"], "strength": 1.0}}
    for mode, tested in (("absent", None), ("aligned", 1), ("reversed", 0)):
        marked = SampleReader(shards, cohort / "slices.h5", cohort / "lesions.parquet", cued, mode)
        for (_, sample), image, plain, mask in zip(
            samples.iterrows(), marked.images(samples), images, marked.cue_mask(samples), strict=True
        ):
            label = sample.label if sample.split != "test" or tested == 1 else 1 - sample.label
            is_marked = sample.split != "test" or tested is not None
            np.testing.assert_array_equal(image[~mask], plain[~mask])
            np.testing.assert_allclose(image[mask], label if is_marked else plain[mask], atol=1e-6)
