"""A volume written as DICOM and read back is the same volume at the same place, for us and for two other readers."""

import os

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from ct_series import change, uncompress
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.pixels import apply_modality_lut

from explainct.data.ingest.dicom_index import index_dicom
from explainct.data.ingest.dicom_io import read_crop, write_ct_series
from explainct.runtime.volume import Box, Volume

AXES = {
    "head first, supine": (1, 0, 0, 0, 1, 0),
    "head first, prone": (-1, 0, 0, 0, -1, 0),
    "feet first, supine": (-1, 0, 0, 0, 1, 0),
    "feet first, prone": (1, 0, 0, 0, -1, 0),
    "lying on a side": (0, 1, 0, -1, 0, 0),
    "rows and columns exchanged": (0, 1, 0, 1, 0, 0),
    "turned in-plane": (0.8, 0.6, 0, -0.6, 0.8, 0),
}
"""Directions of a row and of a column of axial slices."""

NAMES = {"ascending": range(5), "descending": range(5, 0, -1), "mixed": (3, 0, 4, 1, 2)}


def direction(axes):
    """Return the direction matrix of a volume whose slices go up."""
    return tuple(np.array([axes[:3], axes[3:], (0, 0, 1)], dtype=float).T.ravel().tolist())


def phantom(axes):
    """A volume with another mark on each face, and a corner of its own: no flip and no exchange of axes keeps it."""
    array = np.zeros((5, 6, 8), dtype=np.int16)
    for axis in range(3):
        faces = np.moveaxis(array, axis, 0)
        faces[0] += 100 * 2**axis
        faces[-1] += 800 * 2**axis
    array[0, 0, 0], array[1, 2, 3] = 50, -1000
    return Volume(array, spacing=(2.5, 0.6, 0.8), origin=(-10.5, 20.25, -125.0), direction=direction(axes))


def write(volume, folder, names=tuple(range(5))):
    files = [f"{name}.dcm" for name in names]
    write_ct_series(volume, folder, study_uid="1.2", series_uid="1.2.3", patient_id="P", file_names=files)


def read(folder):
    """Index a folder with one good series and return its volume."""
    row = index_dicom(folder, exclude=[], on_problem="stop").iloc[0]
    array = read_crop([folder / file for file in row.files], Box((0, 0, 0), (row.slices, row.rows, row.columns)))
    spacing = (row.spacing_z, row.spacing_y, row.spacing_x)
    return Volume(array, spacing, tuple(row.origin), tuple(row.direction)), row


def assert_same(one, other):
    np.testing.assert_array_equal(one.array, other.array)
    np.testing.assert_allclose(one.spacing, other.spacing, rtol=1e-7)
    np.testing.assert_allclose(one.origin, other.origin, atol=1e-6)
    np.testing.assert_allclose(one.direction, other.direction, atol=1e-9)


def millimetres(low, high):
    return st.floats(low, high).map(lambda value: round(value, 6))


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_volume_comes_back(tmp_path_factory, data):
    shape = data.draw(st.tuples(st.integers(2, 6), st.integers(1, 9), st.integers(1, 9)))
    hu = np.random.default_rng(data.draw(st.integers(0, 99))).integers(-1024, 31744, shape).astype(np.int16)
    spacing = data.draw(st.tuples(*[millimetres(0.1, 10)] * 3))
    origin = data.draw(st.tuples(*[millimetres(-999, 999)] * 3))
    volume = Volume(hu, spacing, origin, direction(data.draw(st.sampled_from(list(AXES.values())))))
    folder = tmp_path_factory.mktemp("any")
    write(volume, folder, range(shape[0]))
    assert_same(read(folder)[0], volume)


@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("axes", AXES.values(), ids=AXES)
def test_phantom_comes_back_unflipped(tmp_path, axes, names):
    volume = phantom(axes)
    write(volume, tmp_path, names)
    for path in tmp_path.iterdir():
        change(path, InstanceNumber=100 - int(pydicom.dcmread(path).InstanceNumber))
    again, row = read(tmp_path)
    assert_same(again, volume)
    assert row.files == [f"{name}.dcm" for name in names]


@pytest.mark.parametrize("axes", AXES.values(), ids=AXES)
def test_each_voxel_lies_where_simpleitk_has_it(tmp_path, axes):
    write(phantom(axes), tmp_path)
    for path in tmp_path.iterdir():
        uncompress(path)
    volume, _ = read(tmp_path)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(os.fspath(tmp_path)))
    image = reader.Execute()
    assert image.GetSize() == volume.array.shape[::-1]
    for index in np.ndindex(image.GetSize()):
        point = image.TransformIndexToPhysicalPoint(index)
        offset = np.reshape(volume.direction, (3, 3)).T @ np.subtract(point, volume.origin)
        j, i, k = np.rint(offset / volume.spacing[::-1]).astype(int)
        assert volume.position((k, i, j)) == pytest.approx(point, abs=1e-6)
        assert volume.array[k, i, j] == image[index]


@pytest.mark.parametrize("axes", AXES.values(), ids=AXES)
def test_each_slice_is_what_pydicom_reads_at_its_place(tmp_path, axes):
    write(phantom(axes), tmp_path, NAMES["mixed"])
    for number, path in enumerate(sorted(tmp_path.iterdir())):
        change(path, RescaleSlope=1 + number / 2, RescaleIntercept=-100 * number)
    volume, row = read(tmp_path)
    for k, (file, uid) in enumerate(zip(row.files, row.instance_uids, strict=True)):
        dataset = pydicom.dcmread(tmp_path / file)
        assert dataset.SOPInstanceUID == uid
        np.testing.assert_array_equal(volume.array[k], apply_modality_lut(dataset.pixel_array, dataset))
        assert dataset.ImagePositionPatient == pytest.approx(volume.position((k, 0, 0)), abs=1e-6)
        across, down = np.reshape(dataset.ImageOrientationPatient, (2, 3)).astype(float)
        y, x = (float(size) for size in dataset.PixelSpacing)
        corner = np.array(dataset.ImagePositionPatient, dtype=float) + 5 * y * down + 7 * x * across
        assert corner == pytest.approx(volume.position((k, 5, 7)), abs=1e-6)
