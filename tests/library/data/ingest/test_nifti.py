"""NIfTI images: the index with its checks, and boxes of voxels in the axes of a DICOM series."""

import gzip
import logging
import os
import tracemalloc
from itertools import product
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st
from mini_pancreas import make_msd, write_nifti

from explainct.data.ingest.affine import Geometry
from explainct.data.ingest.nifti_io import index_nifti, read_nifti_crop
from explainct.errors import UserError
from explainct.runtime.volume import Box, Volume

SIGNS = ["".join(letters) for letters in product("RL", "AP", "SI")]
AXES = [*SIGNS, "SPL", "PIR", "LSA"]
SPACING, ORIGIN = (2.5, 0.75, 0.625), (-10.5, 20.25, -125.0)
SHAPE = (5, 6, 8)
COLUMNS = (
    "format series_uid patient_id files instance_uids label_file z_mm rows columns slices "
    "spacing_z spacing_y spacing_x origin direction verdict reason"
)


def small_volume(seed=0, shape=SHAPE):
    array = np.random.default_rng(seed).integers(-1024, 3000, shape).astype(np.int16)
    return Volume(array, SPACING, ORIGIN)


def write(folder, name="scan.nii.gz", axes="LPS", seed=0):
    volume = small_volume(seed)
    write_nifti(volume, folder / "imagesTr" / name, axes=axes)
    return volume


def index(folder, exclude=(), on_problem="skip"):
    return index_nifti(folder, exclude=list(exclude), on_problem=on_problem)


def whole(shape=SHAPE):
    return Box((0, 0, 0), tuple(shape))


@pytest.mark.parametrize("axes", AXES)
def test_no_axis_is_flipped_whatever_the_order_of_the_file(tmp_path, axes):
    volume = write(tmp_path, axes=axes)
    path = tmp_path / "imagesTr" / "scan.nii.gz"
    assert "".join(nib.aff2axcodes(nib.load(path).affine)) == axes
    crop = read_nifti_crop(path, whole())
    reference = sitk.DICOMOrient(sitk.ReadImage(str(path)), "LPS")
    np.testing.assert_array_equal(crop, sitk.GetArrayFromImage(reference))
    np.testing.assert_array_equal(crop, volume.array)
    (row,) = index(tmp_path, on_problem="stop").to_dict("records")
    assert (row["slices"], row["rows"], row["columns"]) == SHAPE
    np.testing.assert_allclose([row["spacing_z"], row["spacing_y"], row["spacing_x"]], SPACING, rtol=1e-6)
    for k, i, j in ((0, 0, 0), (4, 1, 2), (1, 5, 0), (2, 0, 7)):
        place = Volume(crop, SPACING, tuple(row["origin"]), tuple(row["direction"])).position((k, i, j))
        np.testing.assert_allclose(place, reference.TransformIndexToPhysicalPoint((j, i, k)), atol=1e-4)
        assert row["z_mm"][k] == pytest.approx(-125 + 2.5 * k)


@pytest.mark.parametrize("axes", SIGNS)
def test_hand_placed_marks_are_found_where_the_affine_puts_them(tmp_path, axes):
    """Voxels marked at places in RAS, without any of the tools that wrote or read the other tests' files."""
    signs = np.array([1 if letter in "RAS" else -1 for letter in axes])
    sizes, shape, corner = np.array([1.0, 2.0, 3.0]), np.array([7, 6, 5]), np.array([10.0, 20.0, 30.0])
    affine = np.diag([*(signs * sizes), 1])
    affine[:3, 3] = np.where(signs > 0, corner, corner + sizes * (shape - 1))
    stored = np.zeros(shape, np.int16)
    marks = {"left": (10, 24, 36), "posterior": (12, 20, 36), "top": (12, 24, 42)}  # in RAS
    for value, place in enumerate(marks.values(), 1):
        stored[tuple(np.rint((np.array(place) - affine[:3, 3]) / np.diag(affine)[:3]).astype(int))] = value
    nib.save(nib.Nifti1Image(stored, affine), tmp_path / "scan.nii")
    crop = read_nifti_crop(tmp_path / "scan.nii", whole((5, 6, 7)))
    # Left is the smallest x of RAS and the last column; posterior is the smallest y and the last row.
    assert [tuple(np.argwhere(crop == value)[0].tolist()) for value in (1, 2, 3)] == [(2, 3, 6), (2, 5, 4), (4, 3, 4)]


def test_geometry_survives_the_columns_of_the_table(tmp_path):
    write(tmp_path, axes="PIR")
    (row,) = index(tmp_path).to_dict("records")
    geometry = Geometry.of_series(row)
    assert geometry.shape == SHAPE
    again = geometry.columns()
    for name in ("z_mm", "origin", "direction", "spacing_z", "spacing_y", "spacing_x"):
        np.testing.assert_allclose(again[name], row[name], atol=1e-9)
    np.testing.assert_array_equal(geometry.orientation, [[2, 1], [1, -1], [0, -1]])


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("orientations")
    paths = []
    for number, axes in enumerate(AXES):
        suffix = ".nii.gz" if number % 2 else ".nii"
        paths.append(folder / f"{axes}{suffix}")
        write_nifti(small_volume(), paths[-1], axes=axes)
    return paths


@given(data=st.data())
def test_a_crop_is_the_part_of_the_whole(files, data):
    limits = [data.draw(st.lists(st.integers(0, size), min_size=2, max_size=2, unique=True)) for size in SHAPE]
    box = Box(tuple(min(pair) for pair in limits), tuple(max(pair) for pair in limits))
    crop = read_nifti_crop(data.draw(st.sampled_from(files)), box)
    assert crop.dtype == np.int16
    np.testing.assert_array_equal(crop, small_volume().array[box.slices])


@pytest.mark.parametrize(
    ("stored", "slope", "inter", "expected"),
    [
        (np.uint16(24), 2, -1024, -976),
        (np.int16(-7), 0, 100, -7),  # a slope of 0 means that values are not scaled, whatever the intercept
        (np.int16(-7), np.nan, np.nan, -7),
        (np.float32(-999.6), 1, 0, -1000),
        (np.int32(70000), 1, 0, 32767),
        (np.float64(-1e9), 1, 0, -32768),
        (np.uint8(3), 0.25, 0.1, 1),
    ],
)
def test_values_become_rounded_hu(tmp_path, stored, slope, inter, expected):
    path = tmp_path / "imagesTr" / "scan.nii"
    write(tmp_path, path.name)
    image = nib.Nifti1Image(np.full((3, 3, 3), stored), np.eye(4))
    nib.save(image, path)
    set_header(path, scl_slope=slope, scl_inter=inter)
    assert index(tmp_path, on_problem="stop").verdict.tolist() == ["accepted"]
    crop = read_nifti_crop(path, whole((3, 3, 3)))
    assert crop.dtype == np.int16
    assert np.unique(crop).tolist() == [expected]


def test_a_crop_holds_one_plane_beside_itself(tmp_path):
    shape = (300, 64, 64)
    image = nib.Nifti1Image(np.arange(np.prod(shape), dtype=np.int32).astype(np.int16).reshape(shape).T, np.eye(4))
    nib.save(image, tmp_path / "scan.nii")
    nib.save(image, tmp_path / "scan.nii.gz")
    plane = 2 * 64 * 64
    for name in ("scan.nii", "scan.nii.gz"):
        read_nifti_crop(tmp_path / name, Box((0, 0, 0), (1, 1, 1)))  # so that no import is counted
        tracemalloc.start()
        crop = read_nifti_crop(tmp_path / name, Box((200, 0, 0), (210, 64, 64)))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        # The crop; and of one plane the stored values, and values being rounded and clipped; and buffers of gzip.
        assert crop.nbytes <= peak < crop.nbytes + 6 * plane + 2**17 < 300 * plane / 8


# What can be wrong with a file. Each fault spoils `imagesTr/victim.nii.gz`, or puts something in its place.


def victim(folder):
    return folder / "imagesTr" / "victim.nii.gz"


def uncompressed(path):
    """Replace a compressed file by itself, unpacked, under the same name but for `.gz`."""
    plain = path.with_suffix("")
    plain.write_bytes(gzip.decompress(path.read_bytes()))
    path.unlink()
    return plain


def set_header(path, **values):
    """Set fields of the header in the file itself, which nibabel does not let one save."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rb") as file:
        content = file.read()
    header = np.frombuffer(content[:348], nib.nifti1.header_dtype).copy()
    for name, value in values.items():
        header[name] = value
    with opener(path, "wb") as file:
        file.write(header.tobytes() + content[348:])


def header(**values):
    return lambda folder: set_header(victim(folder), **values)


def image(array=None, affine=None):
    """Put another image in the victim's place."""

    def spoil(folder):
        stored = np.zeros((4, 5, 6), np.int16) if array is None else array
        nib.save(nib.Nifti1Image(stored, np.eye(4) if affine is None else affine), victim(folder))

    return spoil


def content(change):
    return lambda folder: victim(folder).write_bytes(change(victim(folder).read_bytes()))


def cut_unpacked(folder):
    plain = uncompressed(victim(folder))
    plain.write_bytes(plain.read_bytes()[:-100])


def flip_a_bit(folder):
    """Change a voxel in an otherwise whole stream: only the check sum shows it."""
    packed = gzip.compress(gzip.decompress(victim(folder).read_bytes()), compresslevel=0)
    victim(folder).write_bytes(packed[:-200] + bytes([packed[-200] ^ 1]) + packed[-199:])


def twin(folder):
    (folder / "imagesTr" / "victim.nii").write_bytes(gzip.decompress(victim(folder).read_bytes()))


def leave(folder):
    outside = folder.parent / f"{folder.name}_outside.nii.gz"
    victim(folder).rename(outside)
    victim(folder).symlink_to(outside)


def leave_by_folder(folder):
    """The folder of images is a link that leaves; so do all images."""
    outside = folder.parent / f"{folder.name}_outside"
    (folder / "imagesTr").rename(outside)
    (folder / "imagesTr").symlink_to(outside)


def link_to(target):
    def spoil(folder):
        victim(folder).unlink()
        victim(folder).symlink_to(target)

    return spoil


def rename(name):
    return lambda folder: victim(folder).rename(folder / "imagesTr" / os.fsdecode(name))


def turned(degrees, shear=0.0):
    angle = np.deg2rad(degrees)
    affine = np.eye(4)
    affine[:2, :2] = [[np.cos(angle), -np.sin(angle) + shear], [np.sin(angle), np.cos(angle)]]
    return affine


FILE = r"File imagesTr/victim\.nii\.gz "
FAULTS = {
    "empty": (content(lambda _: b""), FILE + r"cannot be read as NIfTI\.$"),
    "half a stream": (content(lambda c: c[: len(c) // 2]), FILE + "cannot be read as NIfTI"),
    "stream without its end": (content(lambda c: c[:-4]), FILE + "cannot be read as NIfTI"),
    "not compressed": (content(gzip.decompress), FILE + "cannot be read as NIfTI"),
    "other bytes": (content(lambda _: b"P5 no NIfTI" * 99), FILE + "cannot be read as NIfTI"),
    "changed voxel": (flip_a_bit, FILE + "cannot be read as NIfTI"),
    "voxels missing": (
        content(lambda c: gzip.compress(gzip.decompress(c)[:-100])),
        FILE + r"is truncated: 480 bytes of voxels expected, 380 there\.$",
    ),
    "voxels missing, not compressed": (cut_unpacked, r"victim\.nii is truncated: 480 bytes of voxels expected, 380"),
    "huge size": (
        header(dim=[3, 32767, 32767, 32767, 1, 1, 1, 1]),
        "is truncated: 7036[0-9]+ bytes of voxels expected",
    ),
    "negative size": (header(dim=[3, 8, -6, 5, 1, 1, 1, 1]), FILE + "is 8 x -6 x 5 voxels"),
    "4D": (image(np.zeros((4, 5, 6, 2), np.int16)), FILE + "is 4 x 5 x 6 x 2 voxels, where 3 dimensions"),
    "4D of one": (header(dim=[4, 8, 6, 5, 1, 1, 1, 1]), FILE + "is 8 x 6 x 5 x 1 voxels, where 3 dimensions"),
    "2D": (image(np.zeros((4, 5), np.int16)), FILE + "is 4 x 5 voxels, where 3 dimensions"),
    "one slice": (image(np.zeros((4, 5, 1), np.int16)), FILE + r"has only 1 slice \(at least 2 expected\)"),
    "complex": (image(np.zeros((4, 5, 6), np.complex64)), FILE + "holds voxels of the type complex64, where numbers"),
    "colour": (
        image(np.zeros((4, 5, 6), np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]))),
        FILE + "holds voxels of the type RGB",
    ),
    "NaN": (image(np.full((4, 5, 6), np.nan, np.float32)), FILE + "holds values that are not finite"),
    "NaN intercept": (header(scl_slope=1, scl_inter=np.nan), FILE + r"has an invalid header \(.*intercept nan"),
    "metres": (header(xyzt_units=1), FILE + "has sizes in the unit meter, where mm was expected"),
    "no affine": (header(sform_code=0, qform_code=0), FILE + "has no affine: its sform_code and qform_code are 0"),
    "NaN affine": (header(srow_y=[0, np.nan, 0, 0]), FILE + r"has an affine that is not finite: \[\["),
    "singular affine": (header(srow_y=[0, 0, 0, 0]), FILE + r"has voxels of 0\.625 x 0 x 2\.5 mm, where"),
    "axes alike": (
        image(affine=np.array([[1, 0, 0, 0], [0, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 1.0]])),
        FILE + "has axes off those of the patient",
    ),
    "huge voxels": (image(affine=np.diag([1, 1, 70, 1.0])), FILE + r"has voxels of 1 x 1 x 70 mm, where 0\.01 to 25"),
    "negative pixdim": (
        header(qform_code=0, pixdim=[1, -0.625, 0.75, 2.5, 0, 0, 0, 0]),
        FILE + r"has an invalid header \(pixdim",
    ),
    "pixdim of its own": (
        header(qform_code=0, pixdim=[1, 1, 0.75, 2.5, 0, 0, 0, 0]),
        FILE + r"has voxels of 1 x 0\.75 x 2\.5 mm by its pixdim, but of 0\.625 x 0\.75 x 2\.5 mm by its affine",
    ),
    "two affines": (header(qoffset_z=-122), FILE + r"has an sform and a qform that differ by 3\.00 mm"),
    "two affines that mirror": (header(quatern_b=0, quatern_c=0, quatern_d=0), FILE + "has an sform and a qform that"),
    "oblique": (image(affine=turned(2)), FILE + r"has axes off those of the patient: \[\[0\.9994, 0\.0349"),
    "sheared": (image(affine=turned(0, shear=0.01)), FILE + "has axes off those of the patient"),
    "two of one id": (twin, r"Files imagesTr/victim\.nii and imagesTr/victim\.nii\.gz are two images of the same id"),
    "link that leaves": (leave, FILE + "is a link that leaves the folder"),
    "broken link": (link_to("nowhere.nii.gz"), FILE + "is a link to a file that is missing"),
    "link in a circle": (link_to("victim.nii.gz"), FILE + "is a link to a file that is missing"),
    "folder": (lambda folder: (victim(folder).unlink(), victim(folder).mkdir()), FILE + "cannot be read as NIfTI"),
    "undecodable name": (rename(b"vic\xfftim.nii.gz"), r"File '.*vic\\udcfftim\.nii\.gz' has a name that is no id"),
    "line break in the name": (rename(b"vic\ntim.nii.gz"), r"File '.*vic\\ntim\.nii\.gz' has a name that is no id"),
    "name with a blank": (rename(b"vic tim.nii.gz"), r"File imagesTr/vic tim\.nii\.gz has a name that is no id"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faulty_image_is_rejected_with_the_reason_and_no_other(tmp_path, fault, caplog):
    spoil, reason = FAULTS[fault]
    write(tmp_path, "good.nii.gz", seed=1)
    write(tmp_path, "victim.nii.gz")
    (good, before) = index(tmp_path, on_problem="stop").to_dict("records")
    assert before["verdict"] == "accepted"
    spoil(tmp_path)
    table = index(tmp_path)
    rows = {row["series_uid"]: row for row in table.to_dict("records")}
    assert rows.pop("good") == good
    for row in rows.values():
        assert row["verdict"] == "rejected"
        assert pd.Series(row["reason"]).str.contains(reason, regex=True).all(), row["reason"]
        assert row["reason"] in caplog.text
        assert "\n" not in row["reason"]
        assert (row["z_mm"], row["rows"], row["origin"]) == ([], 0, [])
        assert np.isnan(row["spacing_z"])
    assert rows
    table.to_parquet(tmp_path / "table.parquet")
    with pytest.raises(UserError, match=reason.removesuffix("$")):
        index(tmp_path, on_problem="stop")
    excluded = index(tmp_path, exclude=rows, on_problem="stop").set_index("series_uid").reason
    assert excluded.pop("good") == ""
    assert set(excluded) == {"Excluded by the setting `ingest.exclude`."}


def test_a_folder_of_images_that_leaves_is_not_followed(tmp_path):
    write(tmp_path / "archive")
    leave_by_folder(tmp_path / "archive")
    (row,) = index(tmp_path / "archive").to_dict("records")
    assert "is a link that leaves the folder" in row["reason"]


def test_links_inside_the_folder_are_followed_and_the_folder_may_be_one(tmp_path):
    write(tmp_path / "archive")
    (tmp_path / "archive" / ".store").mkdir()
    path = tmp_path / "archive" / "imagesTr" / "scan.nii.gz"
    path.rename(tmp_path / "archive" / ".store" / "f00")
    path.symlink_to("../.store/f00")
    (tmp_path / "link").symlink_to("archive")
    assert index(tmp_path / "link", on_problem="stop").verdict.tolist() == ["accepted"]


def test_slightly_off_axes_and_forms_are_accepted(tmp_path):
    write(tmp_path, "victim.nii.gz")
    image(affine=turned(0.05))(tmp_path)
    assert index(tmp_path, on_problem="stop").verdict.tolist() == ["accepted"]
    write(tmp_path, "victim.nii.gz")
    set_header(victim(tmp_path), qoffset_z=-125.2)
    assert index(tmp_path, on_problem="stop").verdict.tolist() == ["accepted"]


def test_bytes_behind_the_voxels_do_no_harm(tmp_path):
    volume = write(tmp_path, "victim.nii.gz")
    content(lambda c: gzip.compress(gzip.decompress(c) + bytes(99)))(tmp_path)
    assert index(tmp_path, on_problem="stop").verdict.tolist() == ["accepted"]
    np.testing.assert_array_equal(read_nifti_crop(victim(tmp_path), whole()), volume.array)


@pytest.mark.parametrize("code", ["sform_code", "qform_code"])
def test_one_affine_is_enough(tmp_path, code):
    write(tmp_path, "victim.nii.gz", axes="LAS")
    set_header(victim(tmp_path), **{code: 0})
    (row,) = index(tmp_path, on_problem="stop").to_dict("records")
    np.testing.assert_allclose(row["origin"], ORIGIN, rtol=1e-6)


def test_miniature_archive_is_indexed(tmp_path):
    names = make_msd(tmp_path, patients=3)
    table = index(tmp_path, on_problem="stop")
    assert table.columns.tolist() == COLUMNS.split()
    assert table.series_uid.tolist() == table.patient_id.tolist() == names
    assert table.files.tolist() == [[f"imagesTr/{name}.nii.gz"] for name in names]
    assert set(table.format) == {"nifti"}
    assert set(table.verdict) == {"accepted"}
    assert all(len(z) == slices for z, slices in zip(table.z_mm, table.slices, strict=True))
    pd.testing.assert_frame_equal(table, index(tmp_path))


def test_identity_in_a_header_does_not_leave_it(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    write(tmp_path, "good.nii.gz")
    write(tmp_path, "victim.nii.gz")
    for name in ("good", "victim"):
        set_header(
            tmp_path / "imagesTr" / f"{name}.nii.gz",
            descrip=b"PLANTED^NAME",
            aux_file=b"PLANTED",
            xyzt_units=name != "good",
        )
    table = index(tmp_path)
    assert table.verdict.tolist() == ["accepted", "rejected"]
    assert "PLANTED" not in table.to_csv() + caplog.text


def test_missing_and_empty_folders_are_named(tmp_path):
    with pytest.raises(UserError, match=f"{tmp_path}/none holds no folder `imagesTr`.*`ingest.archives`"):
        index(tmp_path / "none")
    (tmp_path / "imagesTr").mkdir()
    (tmp_path / "imagesTr" / "._scan.nii.gz").write_bytes(b"fork")
    (tmp_path / "imagesTr" / "notes.txt").write_bytes(b"no image")
    with pytest.raises(UserError, match=f"{tmp_path}/imagesTr holds no NIfTI images"):
        index(tmp_path)


def test_what_changed_after_the_index_is_said(tmp_path):
    write(tmp_path)
    path = tmp_path / "imagesTr" / "scan.nii.gz"
    with pytest.raises(UserError, match=r"does not hold the expected box from \(0, 0, 0\) to \(5, 6, 9\)"):
        read_nifti_crop(path, whole((5, 6, 9)))
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(UserError, match=r"scan\.nii\.gz cannot be read; a whole NIfTI file was expected"):
        read_nifti_crop(path, whole())
    with pytest.raises(UserError, match=r"gone\.nii is missing"):
        read_nifti_crop(Path(tmp_path, "gone.nii"), whole())
