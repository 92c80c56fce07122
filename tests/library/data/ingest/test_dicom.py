"""Series of DICOM files, written and read back."""

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from ct_series import change, cut, small_volume, uncompress, write_series
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.uid import CTImageStorage, DeflatedExplicitVRLittleEndian

from explainct.data.ingest.dicom_index import index_dicom
from explainct.data.ingest.dicom_io import PLANTED, read_crop, write_ct_series
from explainct.errors import UserError
from explainct.runtime.volume import Box

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
    with pytest.raises(UserError, match=r"1\.dcm is missing"):
        read_crop(in_z_order(tmp_path), WHOLE)


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("share", [0.5, 0.99])
def test_truncated_file_is_named(tmp_path, compressed, share):
    write_series(tmp_path)
    path = tmp_path / "3.dcm"
    if not compressed:
        uncompress(path)
    cut(path, share)
    with pytest.raises(UserError, match=r"3\.dcm (cannot be read.*Download|has no)"):
        read_crop(in_z_order(tmp_path), WHOLE)


def test_box_outside_the_series_is_an_error(tmp_path):
    write_series(tmp_path)
    with pytest.raises(UserError, match="does not hold the expected box"):
        read_crop(in_z_order(tmp_path), Box((3, 0, 0), (6, 6, 8)))
    with pytest.raises(UserError, match="does not hold the expected box"):
        read_crop(in_z_order(tmp_path), Box((0, 0, 0), (5, 6, 9)))


def test_decimal_strings_keep_their_value(tmp_path):
    volume = write_series(tmp_path)
    row = index_dicom(tmp_path, exclude=[], on_problem="stop").iloc[0]
    assert row.origin == pytest.approx(volume.origin, abs=1e-6)
    write_ct_series(
        volume.crop(Box((0, 1, 1), (5, 6, 8))),
        tmp_path / "crop",
        study_uid="1.2",
        series_uid="1.2.9",
        patient_id="P",
        file_names=[f"{k}" for k in range(5)],
    )
    crop = index_dicom(tmp_path / "crop", exclude=[], on_problem="stop").iloc[0]
    assert crop.origin == pytest.approx((-9.8, 20.95, -125.0), abs=1e-6)


def test_values_beyond_int16_are_clipped(tmp_path):
    write_series(tmp_path)
    change(tmp_path / "5.dcm", RescaleSlope=1000)
    change(tmp_path / "4.dcm", RescaleSlope=-1000)
    crop = read_crop(in_z_order(tmp_path), WHOLE)
    assert crop[0].max() == 32767
    assert crop[1].min() == -32768


@pytest.mark.parametrize("signed", [0, 1])
def test_bits_beyond_those_stored_are_no_part_of_the_value(tmp_path, signed):
    write_series(tmp_path)
    for number, path in enumerate(in_z_order(tmp_path)):
        noise = np.random.default_rng(number).integers(0, 2**16, (6, 8)).astype("<u2")
        change(path, PixelRepresentation=signed, BitsStored=12, HighBit=11, PixelData=noise.tobytes())
        uncompress(path)
    crop = read_crop(in_z_order(tmp_path), WHOLE)
    image = sitk.ReadImage([str(path) for path in in_z_order(tmp_path)])
    np.testing.assert_array_equal(crop, sitk.GetArrayFromImage(image))
    assert np.ptp(crop) < 2**12


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"RescaleSlope": None}, "has no RescaleSlope in its header"),
        ({"RescaleType": "OD"}, "has RescaleType 'OD' in its header .expected HU."),
        ({"SOPInstanceUID": "1.9"}, r"has SOPInstanceUID '1\.9', where [0-9.]+ was expected"),
        ({"SOPInstanceUID": None}, r"has SOPInstanceUID 'None', where [0-9.]+ was expected"),
        ({"Rows": 8, "Columns": 6}, "holds 8 x 6 voxels .row, column., where 6 x 8 were expected"),
        ({"Rows": 9}, "cannot be read"),
    ],
)
def test_file_that_changed_since_it_was_indexed_is_named(tmp_path, values, message):
    write_series(tmp_path)
    row = index_dicom(tmp_path, exclude=[], on_problem="stop").iloc[0]
    promised = {"size": (row.rows, row.columns), "instance_uids": row.instance_uids}
    change(tmp_path / "3.dcm", **values)
    with pytest.raises(UserError, match=rf"3\.dcm {message}"):
        read_crop(in_z_order(tmp_path), Box((0, 0, 0), (5, 6, 6)), **promised)
    assert read_crop(in_z_order(tmp_path), Box((3, 0, 0), (5, 6, 6)), **promised).shape == (2, 6, 6)


def test_name_with_a_line_break_stays_on_one_line(tmp_path):
    write_series(tmp_path)
    (tmp_path / "5.dcm").rename(tmp_path / "5\n.dcm")
    cut(tmp_path / "5\n.dcm", 0.5)
    with pytest.raises(UserError) as error:
        read_crop([tmp_path / "5\n.dcm"], Box((0, 0, 0), (1, 6, 8)))
    assert "\n" not in str(error.value)
