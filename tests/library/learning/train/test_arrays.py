"""Reading training samples, and drawing batches."""

import dataclasses
from types import SimpleNamespace

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from explainct.config.methods import METHODS
from explainct.data.samples.tasks import TASKS
from explainct.errors import UserError
from explainct.learning.train.arrays import (
    WEIGHTS,
    epoch_batches,
    images_on_disk,
    known_planes,
    load_training_arrays,
)

GRID, LESION = (3, 4, 5), TASKS["lesion"]
SAMPLES = pd.DataFrame(
    {
        "sample_id": ["a-n03", "b-p", "c-p", "d-n00"],
        "lesion_id": ["a", "b", "c", "d"],
        "label": [0, 1, 1, 0],
    },
    # Not counted from 0: rows of a larger table keep their labels.
    index=[7, 3, 9, 1],
)


class Store:
    def images(self, samples):
        return np.stack([np.full(GRID, ord(name) / 200, np.float32) for name in samples.lesion_id])


@pytest.fixture
def weight_files(tmp_path):
    """Two shards: c, then a and b."""
    rng = np.random.default_rng(0)
    paths = [tmp_path / "0.h5", tmp_path / "1.h5"]
    for path, lesions in zip(paths, ("c", "ab"), strict=True):
        with h5py.File(path, "w") as file:
            for lesion in lesions:
                file[f"{lesion}/nearest"] = rng.integers(0, 2, GRID, dtype=np.uint8)
                file[f"{lesion}/interpolated"] = rng.random(GRID).astype(np.float16)
                file[f"{lesion}/signed_distance"] = rng.random(GRID).astype(np.float16)
                file[f"{lesion}/annotated"] = rng.random(GRID[0]) < 0.5
                for name in ("weight", *WEIGHTS.values()):
                    if name not in file[lesion]:
                        file[f"{lesion}/{name}"] = rng.random(GRID).astype(np.float16)
                file[f"{lesion}/mask_published"] = rng.integers(0, 2, GRID, dtype=np.uint8)
    return paths


def stored(path, name):
    with h5py.File(path) as file:
        return file[name][:].astype(np.float32)


def test_due_reads_interpolation_and_weights_of_lesions_only(weight_files):
    arrays = load_training_arrays(SAMPLES, Store(), weight_files, METHODS["due"], LESION)
    assert arrays.images.shape == (4, 1, *GRID)
    assert [array.dtype for array in (arrays.images, arrays.labels, *arrays.compared)] == [
        *("float32", "int64", "float32", "float32")
    ]
    assert arrays.mask is None
    assert arrays.labels.tolist() == [0, 1, 1, 0]
    np.testing.assert_array_equal(arrays.target[1], stored(weight_files[1], "b/interpolated"))
    np.testing.assert_array_equal(arrays.weights[1], stored(weight_files[1], "b/weight"))
    np.testing.assert_array_equal(arrays.target[2], stored(weight_files[0], "c/interpolated"))
    assert not arrays.target[[0, 3]].any()
    assert not arrays.weights[[0, 3]].any()


@pytest.mark.parametrize(
    ("method", "target", "weights"),
    [
        ("due_minmax", "interpolated", "weight_published"),
        ("due_readers", "interpolated", "weight_readers"),
        ("due_sdf", "signed_distance", "weight"),
    ],
)
def test_ablations_read_what_their_names_say(weight_files, method, target, weights):
    arrays = load_training_arrays(SAMPLES, Store(), weight_files, METHODS[method], LESION)
    np.testing.assert_array_equal(arrays.target[1], stored(weight_files[1], f"b/{target}"))
    np.testing.assert_array_equal(arrays.weights[1], stored(weight_files[1], f"b/{weights}"))


def test_due_published_reads_a_mask_and_the_weights_at_published_times(weight_files):
    arrays = load_training_arrays(SAMPLES, Store(), weight_files, METHODS["due_published"], LESION)
    names = ("interpolated", "weight_published_times", "mask_published")
    for array, name in zip(arrays.compared, names, strict=True):
        np.testing.assert_array_equal(array[1], stored(weight_files[1], f"b/{name}"))
        np.testing.assert_array_equal(array[2], stored(weight_files[0], f"c/{name}"))
        assert not array[[0, 3]].any()
    assert [name for name, method in METHODS.items() if method.mask != "none"] == ["due_published"]


def test_methods_on_cells_know_which_planes_are_annotated(weight_files):
    arrays = load_training_arrays(SAMPLES, Store(), weight_files, METHODS["gradia_3d"], LESION)
    np.testing.assert_array_equal(arrays.target[1], stored(weight_files[1], "b/nearest"))
    annotated = stored(weight_files[1], "b/annotated")
    np.testing.assert_array_equal(arrays.weights[1], np.broadcast_to(annotated[:, None, None], GRID))


@pytest.mark.parametrize(
    ("annotated", "known"),
    [("00100", "11111"), ("01010", "11011"), ("10001", "10001"), ("11111", "11111"), ("01101", "11101")],
)
def test_annotated_slices_alone_weigh_all_planes_but_those_of_gaps(weight_files, annotated, known):
    flags, expected = ([mark == "1" for mark in marks] for marks in (annotated, known))
    assert known_planes(np.array(flags)).tolist() == expected
    grid = (len(flags), *GRID[1:])
    with h5py.File(weight_files[1], "r+") as file:
        del file["b"]
        file["b/nearest"], file["b/annotated"] = np.ones(grid, np.uint8), np.array(flags)
    store = SimpleNamespace(images=lambda samples: np.zeros((len(samples), *grid), np.float32))
    arrays = load_training_arrays(SAMPLES.iloc[1:2], store, weight_files, METHODS["annotated_alone"], LESION)
    np.testing.assert_array_equal(arrays.weights[0], np.broadcast_to(np.array(expected)[:, None, None], grid))


def test_methods_of_two_dimensions_read_the_middle_slice(weight_files):
    flat, solid = (
        load_training_arrays(SAMPLES, Store(), weight_files, METHODS[m], LESION) for m in ("gradia", "baseline_plus")
    )
    middle = slice(GRID[0] // 2, GRID[0] // 2 + 1)
    np.testing.assert_array_equal(flat.images, solid.images[:, :, middle])
    np.testing.assert_array_equal(flat.target, solid.target[:, middle])
    np.testing.assert_array_equal(flat.weights, solid.weights[:, middle])


@pytest.mark.parametrize("at_once", [1, 3, 64])
def test_images_on_disk_are_those_of_the_store_and_leave_nothing(tmp_path, monkeypatch, at_once):
    monkeypatch.setattr("explainct.learning.train.arrays.READ_AT_ONCE", at_once)
    with images_on_disk(SAMPLES, Store(), tmp_path) as images:
        assert isinstance(images, np.memmap)
        np.testing.assert_array_equal(images[:, 0], Store().images(SAMPLES))
        assert torch.from_numpy(images[1:3]).dtype == torch.float32
    assert list(tmp_path.iterdir()) == []


def test_a_disk_too_small_for_the_images_is_a_clear_error(tmp_path, monkeypatch):
    monkeypatch.setattr("explainct.runtime.files.shutil.disk_usage", lambda folder: SimpleNamespace(free=100))
    with pytest.raises(UserError, match="MiB are free"), images_on_disk(SAMPLES, Store(), tmp_path):
        pass


def test_baseline_plus_reads_the_nearest_annotation_with_equal_weights(weight_files):
    arrays = load_training_arrays(SAMPLES, Store(), weight_files, METHODS["baseline_plus"], LESION)
    np.testing.assert_array_equal(arrays.target[2], stored(weight_files[0], "c/nearest"))
    assert (arrays.weights[1:3] == 1).all()
    assert not arrays.weights[[0, 3]].any()


def test_baseline_needs_no_weight_file():
    arrays = load_training_arrays(SAMPLES, Store(), [], METHODS["baseline"], LESION)
    assert not arrays.target.any()
    assert not arrays.weights.any()


def test_a_lesion_without_weights_is_named(weight_files):
    with pytest.raises(UserError, match=r"Training lesion b has no weights in .*0.h5 \(1 of 2 lesions missing\)"):
        load_training_arrays(SAMPLES, Store(), weight_files[:1], METHODS["due"], LESION)


def test_weights_of_another_grid_are_refused(weight_files):
    with h5py.File(weight_files[1], "a") as file:
        del file["b/interpolated"]
        file["b/interpolated"] = np.zeros((2, 4, 5), np.float16)
    with pytest.raises(UserError, match=r"1.h5 has the annotation of b on a grid of \(2, 4, 5\).*\(3, 4, 5\)"):
        load_training_arrays(SAMPLES, Store(), weight_files, METHODS["due"], LESION)


def test_fingerprint_tells_arrays_apart(weight_files):
    due, again = (
        load_training_arrays(SAMPLES, Store(), weight_files, METHODS["due_published"], LESION) for _ in range(2)
    )
    assert due.fingerprint() == again.fingerprint()
    for field in dataclasses.fields(due):
        changed = getattr(due, field.name).copy()
        changed.flat[-1] += 1
        assert dataclasses.replace(due, **{field.name: changed}).fingerprint() != due.fingerprint()


@settings(max_examples=50, deadline=None)
@given(count=st.integers(2, 60), size=st.integers(2, 20), seed=st.integers(0, 9), epoch=st.integers(0, 9))
def test_batches_hold_every_sample_once_and_never_one_alone(count, size, seed, epoch):
    batches = epoch_batches(count, size, seed=seed, epoch=epoch)
    assert sorted(number for batch in batches for number in batch.tolist()) == list(range(count))
    assert all(2 <= len(batch) <= size + 1 for batch in batches)
    assert all(len(batch) == size for batch in batches[:-1])


def test_batches_depend_on_seed_and_epoch_only():
    def order(seed, epoch):
        return [batch.tolist() for batch in epoch_batches(20, 5, seed=seed, epoch=epoch)]

    assert order(0, 0) == order(0, 0)
    assert order(0, 0) != order(0, 1)
    assert order(0, 0) != order(1, 0)
