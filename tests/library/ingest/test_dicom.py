"""Series of DICOM files, written and read back."""

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from ct_series import change, cut, small_volume, uncompress, write_series
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.uid import CTImageStorage, DeflatedExplicitVRLittleEndian

from due.errors import DueError
from due.ingest.dicom import PLANTED, read_crop, write_ct_series
from due.ingest.index import index_series
from due.volume import Box

WHOLE = Box((0, 0, 0), (5, 6, 8))


def in_z_order(folder, slices=5):
    return [folder / f"{slices - k}.dcm" for k in range(slices)]


def test_written_series_reads_back_as_the_same_hu(tmp_path):
    volume = write_series(tmp_path)
    crop = read_crop(in_z_order(tmp_path), WHOLE)
    assert crop.dtype == np.int16
    np.testing.assert_array_equal(crop, volume.array)


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_crop_equals_the_same_part_of_the_whole(tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp() / "shared_series"
    volume = small_volume() if folder.exists() else write_series(folder)
    start = tuple(data.draw(st.integers(0, size - 1)) for size in WHOLE.stop)
    stop = tuple(data.draw(st.integers(low + 1, size)) for low, size in zip(start, WHOLE.stop, strict=True))
    box = Box(start, stop)
    np.testing.assert_array_equal(read_crop(in_z_order(folder), box), volume.array[box.slices])


def test_simpleitk_reads_the_same_voxels_and_geometry(tmp_path):
    volume = write_series(tmp_path)
    for path in in_z_order(tmp_path):
        uncompress(path)
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(tmp_path))
    image = sitk.ReadImage(names)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), volume.array)
    assert image.GetSpacing()[::-1] == pytest.approx(volume.spacing)
    assert image.GetOrigin() == pytest.approx(volume.origin)
    assert image.GetDirection() == pytest.approx(volume.direction)


def test_series_is_ct_image_storage_deflated_with_planted_identity(tmp_path):
    write_series(tmp_path)
    dataset = pydicom.dcmread(tmp_path / "5.dcm")
    assert dataset.file_meta.TransferSyntaxUID == DeflatedExplicitVRLittleEndian
    assert dataset.SOPClassUID == dataset.file_meta.MediaStorageSOPClassUID == CTImageStorage
    assert dataset.SOPInstanceUID == dataset.file_meta.MediaStorageSOPInstanceUID
    assert dataset.InstanceNumber == 1
    assert {keyword: str(dataset[keyword].value) for keyword in PLANTED} == PLANTED
    assert len({pydicom.dcmread(path).SOPInstanceUID for path in in_z_order(tmp_path)}) == 5


def test_same_arguments_give_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        write_series(tmp_path / name)
    for path in in_z_order(tmp_path / "one"):
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_rescale_slope_and_signed_pixels_are_applied(tmp_path):
    volume = write_series(tmp_path)
    dataset = pydicom.dcmread(tmp_path / "5.dcm")
    dataset.RescaleSlope, dataset.RescaleIntercept, dataset.PixelRepresentation = 0.5, 10, 1
    stored = np.arange(-24, 24, dtype="<i2").reshape(6, 8)
    dataset.PixelData = stored.tobytes()
    dataset.save_as(tmp_path / "5.dcm")
    crop = read_crop(in_z_order(tmp_path), WHOLE)
    np.testing.assert_array_equal(crop[0], np.rint(stored * 0.5 + 10))
    np.testing.assert_array_equal(crop[1:], volume.array[1:])


def test_only_the_files_of_the_box_are_opened(tmp_path):
    write_series(tmp_path)
    (tmp_path / "1.dcm").unlink()
    assert read_crop(in_z_order(tmp_path), Box((0, 0, 0), (4, 6, 8))).shape == (4, 6, 8)
    with pytest.raises(DueError, match=r"1\.dcm is missing"):
        read_crop(in_z_order(tmp_path), WHOLE)


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("share", [0.5, 0.99])
def test_truncated_file_is_named(tmp_path, compressed, share):
    write_series(tmp_path)
    path = tmp_path / "3.dcm"
    if not compressed:
        uncompress(path)
    cut(path, share)
    with pytest.raises(DueError, match=r"3\.dcm cannot be read.*Download"):
        read_crop(in_z_order(tmp_path), WHOLE)


def test_box_outside_the_series_is_an_error(tmp_path):
    write_series(tmp_path)
    with pytest.raises(DueError, match="does not hold the expected box"):
        read_crop(in_z_order(tmp_path), Box((3, 0, 0), (6, 6, 8)))
    with pytest.raises(DueError, match="does not hold the expected box"):
        read_crop(in_z_order(tmp_path), Box((0, 0, 0), (5, 6, 9)))


def test_decimal_strings_keep_their_value(tmp_path):
    volume = write_series(tmp_path)
    row = index_series(tmp_path, exclude=[], on_problem="stop").iloc[0]
    assert row.origin == pytest.approx(volume.origin, abs=1e-6)
    write_ct_series(
        volume.crop(Box((0, 1, 1), (5, 6, 8))),
        tmp_path / "crop",
        study_uid="1.2",
        series_uid="1.2.9",
        patient_id="P",
        file_names=[f"{k}" for k in range(5)],
    )
    crop = index_series(tmp_path / "crop", exclude=[], on_problem="stop").iloc[0]
    assert crop.origin == pytest.approx((-9.8, 20.95, -125.0), abs=1e-6)


def test_change_without_rescale_reads_stored_values(tmp_path):
    volume = write_series(tmp_path)
    change(tmp_path / "5.dcm", RescaleSlope=None, RescaleIntercept=None)
    crop = read_crop(in_z_order(tmp_path), WHOLE)
    np.testing.assert_array_equal(crop[0], volume.array[0] + 1024)
