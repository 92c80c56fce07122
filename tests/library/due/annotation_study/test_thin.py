"""Thinned annotation: which slices stay, whose outlines they are, and that nothing of the others is left."""

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explainct.data.annotate.annotated_slices import evenly_annotated
from explainct.due.annotation_study.thin import draw_reader, thin_annotation
from explainct.errors import UserError

SHAPE = (13, 6, 7)
FILLED = {"train": slice(1, 12), "short": slice(4, 6), "test": slice(0, 13)}
SPLIT = {"train": "train", "short": "train", "test": "test"}


@pytest.fixture
def source(tmp_path):
    """Return the annotation of two training lesions and a test lesion, with three readers, and the table of samples."""
    generator = np.random.default_rng(0)
    with h5py.File(tmp_path / "slices.h5", "w") as file:
        for name, where in FILLED.items():
            readers = np.zeros((3, *SHAPE), np.uint8)
            readers[:, where] = generator.integers(0, 2, readers[:, where].shape)
            readers[:, where, 3, 3] = 1
            group = file.create_group(name)
            group["readers"], group["consensus"] = readers, (readers.mean(0) >= 0.5).astype(np.uint8)
            group["annotated"] = np.zeros(SHAPE[0], bool)
            group["z_mm"] = 2.5 * np.arange(SHAPE[0])
            group.create_dataset("instance_uid", data=[f"1.{k}" for k in range(SHAPE[0])], dtype=h5py.string_dtype())
    rows = [(f"{name}-{end}", name, split, end == "p") for name, split in SPLIT.items() for end in ("p", "n01")]
    samples = pd.DataFrame(rows, columns=["sample_id", "lesion_id", "split", "label"]).astype({"label": int})
    samples.to_parquet(tmp_path / "samples.parquet")
    return {"slices_file": tmp_path / "slices.h5", "samples_file": tmp_path / "samples.parquet"}


def thinned(source, tmp_path, *, outlines="consensus", slices="3", seed=0):
    """Return the arrays of each lesion that `thin_annotation` writes."""
    out = tmp_path / f"{outlines}_{slices}_{seed}.h5"
    thin_annotation(**source, outlines=outlines, slices=slices, seed=seed, thinned_file=out)
    with h5py.File(out) as file:
        return {name: {key: values[:] for key, values in group.items()} for name, group in file.items()}


def original(source, name):
    with h5py.File(source["slices_file"]) as file:
        return {key: values[:] for key, values in file[name].items()}


@given(st.lists(st.booleans(), min_size=1, max_size=40), st.integers(2, 12))
def test_evenly_annotated_slices_have_the_outermost_and_equal_steps(filled, count):
    filled = np.array(filled)
    kept = evenly_annotated(filled, count)
    assert not (kept & ~filled).any()
    assert kept.sum() == min(count, filled.sum())
    ranks = np.flatnonzero(kept[filled])
    if len(ranks):
        assert (ranks[0], ranks[-1]) == (0, filled.sum() - 1)
    if len(ranks) > 1:
        step = (filled.sum() - 1) / (len(ranks) - 1)
        np.testing.assert_allclose(ranks, step * np.arange(len(ranks)), atol=0.5)


@pytest.mark.parametrize("outlines", ["consensus", "single"])
@pytest.mark.parametrize("slices", ["2", "3", "5", "all"])
def test_only_training_lesions_are_written_and_nothing_of_hidden_slices(source, tmp_path, outlines, slices):
    found = thinned(source, tmp_path, outlines=outlines, slices=slices)
    assert set(found) == {"train", "short"}
    for name, lesion in found.items():
        before, shown = original(source, name), lesion["annotated"]
        number = 0
        if outlines == "single":
            number = draw_reader(before["readers"], lesion_id=name, seed=0)
            np.testing.assert_array_equal(lesion["readers"][0], lesion["consensus"])
        truth = before["consensus"] if outlines == "consensus" else before["readers"][number]
        assert len(lesion["readers"]) == (3 if outlines == "consensus" else 1)
        np.testing.assert_array_equal(lesion["consensus"][shown], truth[shown])
        assert not lesion["consensus"][~shown].any()
        assert not lesion["readers"][:, ~shown].any()
        wanted = 11 if name == "train" else 2
        assert shown.sum() == (wanted if slices == "all" else min(int(slices), wanted))
        for key in ("z_mm", "instance_uid"):
            np.testing.assert_array_equal(lesion[key], before[key])


def test_the_reader_is_the_same_for_every_number_of_slices_and_another_for_another_seed(source, tmp_path):
    few, many = (thinned(source, tmp_path, outlines="single", slices=slices)["train"] for slices in ("2", "all"))
    shown = few["annotated"]
    np.testing.assert_array_equal(few["consensus"][shown], many["consensus"][shown])
    readers = original(source, "train")["readers"]
    drawn = {draw_reader(readers, lesion_id="train", seed=seed) for seed in range(20)}
    assert drawn == {0, 1, 2}


def test_a_reader_who_outlined_no_voxel_is_not_drawn():
    readers = np.zeros((3, *SHAPE), np.uint8)
    readers[1, 4, 2, 2] = 1
    assert {draw_reader(readers, lesion_id="a", seed=seed) for seed in range(5)} == {1}
    with pytest.raises(UserError, match="None of the 3 readers of lesion a"):
        draw_reader(np.zeros_like(readers), lesion_id="a", seed=0)


def test_without_training_lesions_there_is_an_error(source, tmp_path):
    samples = pd.read_parquet(source["samples_file"])
    samples[samples["split"] == "test"].to_parquet(source["samples_file"])
    with pytest.raises(UserError, match="no training lesion"):
        thinned(source, tmp_path)
