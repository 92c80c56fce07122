"""Frames: which slices, where in-plane, and at what scale."""

import h5py
import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from due.errors import DueError
from due.interpolate.frames import load_frames, training_lesions


def load(dataset, margin_mm=2.0, size=16, **changes):
    arguments = {"lesions": dataset.lesions, "slices_file": dataset.slices_file, "margin_mm": margin_mm, "size": size}
    return load_frames(**{**arguments, **changes})


def test_frames_equal_an_independent_resampling(dataset):
    for number, lesion in enumerate(load(dataset)):
        with h5py.File(dataset.slices_file) as file:
            consensus = file[lesion.lesion_id]["consensus"][:].astype(float)
        padded = np.pad(consensus, ((0, 0), (3, 3), (3, 3)))
        assert padded.shape[1:] == (9 + number + 6, 12 - number + 6)
        i, j = np.meshgrid(*(np.linspace(0, edge - 1, 16) for edge in padded.shape[1:]), indexing="ij")
        expected = [map_coordinates(plane, [i, j], order=1) for plane in padded]
        np.testing.assert_allclose(lesion.frames, expected, atol=1e-5)
        assert lesion.frames.dtype == np.float32
        assert lesion.pixel_mm == pytest.approx(np.mean([e - 1 for e in padded.shape[1:]]) * 0.7 / 15)


def test_only_annotated_slices_are_read(dataset):
    with h5py.File(dataset.slices_file, "r+") as file:
        group = file["P1-s0-n0"]
        group["annotated"][:] = [True, False, True, False, True, False, True]
        seen = group["consensus"][::2]
    everything = load(dataset)[1]
    assert everything.z_mm.tolist() == [0, 5, 10, 15]
    with h5py.File(dataset.slices_file, "r+") as file:
        file["P1-s0-n0"]["consensus"][1::2] = 1
        assert np.array_equal(file["P1-s0-n0"]["consensus"][::2], seen)
    assert np.array_equal(load(dataset)[1].frames, everything.frames)


def test_margin_is_cut_at_the_border_of_the_scan(dataset):
    table = dataset.lesions
    table.loc[0, ["i_start", "i_stop"]] = [0, 9]
    shifted = load(dataset, lesions=table)[0]
    assert shifted.frames[:, 0].max() > 0
    assert load(dataset)[0].frames[:, 0].max() == 0
    assert shifted.pixel_mm < load(dataset)[0].pixel_mm


def test_lesions_come_in_order_and_without_annotation_are_empty(dataset):
    with h5py.File(dataset.slices_file, "r+") as file:
        file["P2-s0-n0"]["annotated"][:] = False
    lesions = load(dataset, lesions=dataset.lesions[::-1])
    assert [lesion.patient_id for lesion in lesions] == ["P0", "P1", "P2", "P3", "P4"]
    assert lesions[2].frames.shape == (0, 16, 16)
    assert len(lesions[2].z_mm) == 0


def test_training_lesions_leave_out_validation_and_test_patients(dataset):
    assert training_lesions(dataset.lesions, dataset.splits)["patient_id"].tolist() == ["P0", "P1", "P4"]


def test_missing_lesion_is_named(dataset):
    with h5py.File(dataset.slices_file, "r+") as file:
        del file["P3-s0-n0"]
    with pytest.raises(DueError, match="P3-s0-n0"):
        load(dataset)
