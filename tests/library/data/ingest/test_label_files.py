"""Label maps of the pancreas archives: matched with their images, checked, and read on the grid of the image."""

import gzip
import os
import re
import shutil

import highdicom as hd
import nibabel as nib
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from mini_pancreas import make_msd, make_nih, make_scan, write_nifti, write_seg
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid

from explainct.data.ingest.affine import Geometry
from explainct.data.ingest.dicom_index import REMEDY, index_dicom
from explainct.data.ingest.dicom_io import write_ct_series
from explainct.data.ingest.label_maps import match_msd_labels, match_nih_labels, read_label
from explainct.data.ingest.nifti_io import index_nifti
from explainct.errors import UserError
from explainct.runtime.volume import Volume

PATTERN = r"PANCREAS_\d{4}"


def msd(folder, on_problem="skip"):
    return match_msd_labels(folder, images(folder), on_problem=on_problem)


def nih(folder, on_problem="skip"):
    return match_nih_labels(folder, images(folder), on_problem=on_problem)


def images(folder):
    """Index the images of an archive, whose labels are still to be matched."""
    if (folder / "imagesTr").exists():
        return index_nifti(folder, exclude=[], on_problem="stop")
    return index_dicom(folder, exclude=[], on_problem="stop", patient_pattern=PATTERN)


def rows(table):
    return {row["patient_id"]: row for row in table.to_dict("records")}


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """The three forms of archives, to be copied by the tests that change them."""
    folder = tmp_path_factory.mktemp("archives")
    make_msd(folder / "msd", patients=2)
    make_nih(folder / "nifti", patients=2)
    make_nih(folder / "seg", patients=2, labels="seg")
    return folder


@pytest.fixture(scope="module")
def indexed(archives):
    """The images of each archive."""
    return {name: images(archives / name) for name in FAULTS}


@pytest.fixture
def copy(archives, tmp_path):
    return lambda name: shutil.copytree(archives / name, tmp_path / name)


def test_msd_labels_are_found_and_read_like_simpleitk_reads_them(archives):
    table = msd(archives / "msd", on_problem="stop")
    assert table.label_file.tolist() == ["labelsTr/pancreas_001.nii.gz", "labelsTr/pancreas_002.nii.gz"]
    assert set(table.verdict) == {"accepted"}
    for row in table.to_dict("records"):
        label = read_label(archives / "msd", row)
        file = archives / "msd" / row["label_file"]
        reference = sitk.GetArrayFromImage(sitk.DICOMOrient(sitk.ReadImage(str(file)), "LPS"))
        np.testing.assert_array_equal(label, reference)
        assert label.dtype == np.uint8
        assert np.unique(label).tolist() == [0, 1, 2]
        assert (label == 2).any(axis=(1, 2)).sum() >= 5


def test_seg_and_nifti_give_the_same_label_of_the_same_patient(archives):
    nifti, seg = (nih(archives / name, on_problem="stop") for name in ("nifti", "seg"))
    assert sorted(nifti.label_file) == [f"TCIA_pancreas_labels/label000{n}.nii.gz" for n in (1, 2)]
    assert sorted(seg.label_file) == [f"PANCREAS_000{n}/seg/1-1.dcm" for n in (1, 2)]
    for number in range(2):
        label = read_label(archives / "nifti", nifti.iloc[number])
        np.testing.assert_array_equal(label, read_label(archives / "seg", seg.iloc[number]))
        assert np.unique(label).tolist() == [0, 1]


@pytest.mark.parametrize("axes", ["LPS", "RAI", "SPL", "PIR"])
def test_label_file_may_order_its_axes_otherwise_than_the_image(copy, axes):
    folder = copy("msd")
    (row, _) = msd(folder).to_dict("records")
    label = read_label(folder, row)
    spacing = (row["spacing_z"], row["spacing_y"], row["spacing_x"])
    write_nifti(Volume(label, spacing, row["origin"], row["direction"]), folder / row["label_file"], axes=axes)
    assert set(msd(folder, on_problem="stop").verdict) == {"accepted"}
    np.testing.assert_array_equal(read_label(folder, row), label)


@pytest.mark.parametrize(
    "direction", [(-1, 0, 0, 0, -1, 0, 0, 0, 1), (-1, 0, 0, 0, 1, 0, 0, 0, 1), (0, 1, 0, 1, 0, 0, 0, 0, 1)]
)
@pytest.mark.parametrize("form", ["nifti", "seg"])
def test_label_follows_an_image_that_lies_otherwise(tmp_path, direction, form):
    """A prone patient's rows run to the front: labels turn to the image's axes, not to the patient's."""
    image, label = make_scan(np.random.default_rng(0), tumour=False)
    image, label = (Volume(one.array, one.spacing, one.origin, direction) for one in (image, label))
    write_ct(image, tmp_path, files=files_of(image))
    if form == "seg":
        write_seg(label.array, [tmp_path / name for name in files_of(image)], tmp_path / "label.dcm")
    else:
        write_nifti(label, tmp_path / "label0001.nii.gz", axes="LAS")
    (row,) = nih(tmp_path, on_problem="stop").to_dict("records")
    np.testing.assert_array_equal(read_label(tmp_path, row), label.array)
    np.testing.assert_allclose(Geometry.of_series(row).columns()["direction"], direction, atol=1e-9)


def files_of(image):
    return [f"{k}.dcm" for k in range(len(image.array))]


def write_ct(image, folder, files, series="1.2.3", patient="PANCREAS_0001"):
    write_ct_series(image, folder, study_uid="1.2", series_uid=series, patient_id=patient, file_names=files)


def test_seg_goes_before_nifti(copy, archives):
    folder = copy("seg")
    shutil.copytree(archives / "nifti" / "TCIA_pancreas_labels", folder / "labels")
    table = nih(folder, on_problem="stop")
    assert sorted(table.label_file) == [f"PANCREAS_000{n}/seg/1-1.dcm" for n in (1, 2)]


def test_labels_are_told_by_headers_not_by_folders(copy):
    folder = copy("seg")
    for number, other in ((1, 2), (2, 1)):
        (folder / f"PANCREAS_000{number}/seg/1-1.dcm").rename(folder / f"PANCREAS_000{other}/{number}")
    table = rows(nih(folder, on_problem="stop"))
    assert table["PANCREAS_0001"]["label_file"] == "PANCREAS_0002/1"


# What can be wrong with a label. Each fault spoils the label of the first patient.

MSD, NIFTI, SEG = "labelsTr/pancreas_001.nii.gz", "TCIA_pancreas_labels/label0001.nii.gz", "PANCREAS_0001/seg/1-1.dcm"
MSD_LABEL, NIH_LABEL, SEG_LABEL = (f"^Label {name.replace('.', r'[.]')} " for name in (MSD, NIFTI, SEG))


def remove(file):
    return lambda folder: (folder / file).unlink()


def content(file, change):
    return lambda folder: (folder / file).write_bytes(change((folder / file).read_bytes()))


def values(file, change, dtype=None):
    """Change the stored values of a NIfTI label."""

    def spoil(folder):
        label = nib.load(folder / file)
        array = change(np.asarray(label.dataobj).astype(dtype or np.uint8))
        nib.save(nib.Nifti1Image(array, label.affine), folder / file)

    return spoil


def put(value):
    def change(array):
        array[1, 2, 3] = value
        return array

    return change


def moved(file, change):
    """Change the affine of a NIfTI label."""

    def spoil(folder):
        label = nib.load(folder / file)
        nib.save(nib.Nifti1Image(np.asarray(label.dataobj), label.affine @ change), folder / file)

    return spoil


def shift(x, y, z):
    return nib.affines.from_matvec(np.eye(3), [x, y, z])


def link_out(folder):
    outside = folder.parent / "outside.nii.gz"
    (folder / MSD).rename(outside)
    (folder / MSD).symlink_to(outside)


def header(change):
    """Change the header of the SEG."""

    def spoil(folder):
        dataset = pydicom.dcmread(folder / SEG)
        change(dataset)
        dataset.save_as(folder / SEG)

    return spoil


def frames(change):
    """Apply a change to the plane position of every frame of the SEG."""

    def move(dataset):
        for number, frame in enumerate(dataset.PerFrameFunctionalGroupsSequence):
            place = frame.PlanePositionSequence[0].ImagePositionPatient
            frame.PlanePositionSequence[0].ImagePositionPatient = change(number, *map(float, place))

    return header(move)


def unknown_instance(dataset):
    dataset.ReferencedSeriesSequence[0].ReferencedInstanceSequence[0].ReferencedSOPInstanceUID = "1.2.3.4.5"


def other_series(dataset):
    dataset.ReferencedSeriesSequence[0].SeriesInstanceUID = "1.2.3.4.5"


def no_reference(dataset):
    del dataset.ReferencedSeriesSequence


def wider(dataset):
    dataset.Columns, dataset.Rows = dataset.Rows, dataset.Columns


def second(file, other):
    def spoil(folder):
        (folder / other).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / file, folder / other)

    return spoil


def second_segment(folder):
    """Replace the SEG by one of two segments."""
    row = rows(nih(folder))["PANCREAS_0001"]
    label = read_label(folder, row)
    label[row["slices"] // 2, 1, 1] = 2
    description = [hd.seg.SegmentDescription(n, f"{n}", codes.SCT.Organ, codes.SCT.Pancreas, "MANUAL") for n in (1, 2)]
    hd.seg.Segmentation(
        [pydicom.dcmread(folder / file) for file in row["files"]],
        label,
        "BINARY",
        description,
        generate_uid(),
        2,
        generate_uid(),
        1,
        "DUE",
        "miniature",
        "1",
        "1",
    ).save_as(folder / SEG)


FAULTS = {
    "msd": {
        "missing": (remove(MSD), f"^Image imagesTr/pancreas_001.nii.gz has no label; {MSD} was expected[.]$"),
        "truncated": (content(MSD, lambda c: c[:-9]), MSD_LABEL + "cannot be read as NIfTI[.]$"),
        "voxels missing": (
            content(MSD, lambda c: gzip.compress(gzip.decompress(c)[:-9])),
            MSD_LABEL + r"is truncated: \d+ bytes of voxels expected, \d+ there[.]$",
        ),
        "4D": (values(MSD, lambda array: array[..., None]), MSD_LABEL + r"is 47 x 43 x 32 x 1 voxels, where 3 dim"),
        "fewer slices": (
            values(MSD, lambda array: array[:, :, :-1]),
            MSD_LABEL + "is 47 x 43 x 31 voxels, its image 47 x 43 x 32[.]$",
        ),
        "rows and columns": (values(MSD, lambda array: array.transpose(1, 0, 2)), MSD_LABEL + "is 43 x 47 x 32 voxels"),
        "shifted": (moved(MSD, shift(0, 0, 1)), MSD_LABEL + "lies 2[.]5 mm away from its image[.]$"),
        "flipped": (moved(MSD, nib.affines.from_matvec(np.diag([-1, 1, 1]))), MSD_LABEL + "lies 69 mm away"),
        "stretched": (moved(MSD, np.diag([1, 1, 1.1, 1])), MSD_LABEL + "lies 7[.]75 mm away from its image"),
        "oblique": (moved(MSD, nib.affines.from_matvec([[1, 0.1, 0], [0, 1, 0], [0, 0, 1]])), MSD_LABEL + "has axes"),
        "unknown value": (values(MSD, put(3)), MSD_LABEL + "holds the value 3, where 0 to 2 was expected[.]$"),
        "negative value": (values(MSD, put(-1), np.int16), MSD_LABEL + "holds the value -1, where"),
        "large value": (values(MSD, put(257), np.int16), MSD_LABEL + "holds the value 257, where"),
        "fraction": (values(MSD, put(0.5), np.float32), MSD_LABEL + "holds the value 0[.]5, where"),
        "NaN": (values(MSD, put(np.nan), np.float32), MSD_LABEL + "holds values that are not finite"),
        "empty": (values(MSD, np.zeros_like), MSD_LABEL + "is empty[.]$"),
        "no tumour": (values(MSD, lambda array: array.clip(max=1)), MSD_LABEL + "holds no voxel of the value 2"),
        "link that leaves": (link_out, MSD_LABEL + "is a link that leaves the folder"),
    },
    "nifti": {
        "missing": (remove(NIFTI), "^Series .* has no label; a DICOM SEG that references it, or label0001.nii.gz, was"),
        "flipped": (
            moved(NIFTI, nib.affines.from_matvec(np.diag([1, -1, 1]))),
            NIH_LABEL + "lies 54 mm away from its image[.] .* use the DICOM SEG labels of IDC instead[.]$",
        ),
        "fewer slices": (
            values(NIFTI, lambda array: array[:, :, 1:]),
            NIH_LABEL + "is 43 x 37 x 34 voxels, its image 43 x 37 x 35[.] .*SEG",
        ),
        "unknown value": (values(NIFTI, put(2)), NIH_LABEL + "holds the value 2, where 0 to 1 was expected[.]$"),
        "empty": (values(NIFTI, np.zeros_like), NIH_LABEL + "is empty[.]$"),
        "two": (second(NIFTI, "more/label0001.nii.gz"), f"^Series .* has two labels: {NIFTI} and more/label0001"),
    },
    "seg": {
        "missing": (remove(SEG), "^Series .* has no label; a DICOM SEG"),
        "half": (content(SEG, lambda c: c[: len(c) // 2]), SEG_LABEL + "cannot be read as a segmentation on evenly"),
        "pixels missing": (content(SEG, lambda c: c[:-999]), SEG_LABEL + "cannot be read as a segmentation on evenly"),
        "other series": (header(other_series), "^Series .* has no label; a DICOM SEG"),
        "no reference": (header(no_reference), "^Series .* has no label; a DICOM SEG"),
        "unknown instance": (header(unknown_instance), SEG_LABEL + "references the instance 1[.]2[.]3[.]4[.]5, which"),
        "shifted": (frames(lambda _, x, y, z: [x + 7, y, z]), SEG_LABEL + "lies 7 mm away from its image[.]$"),
        "between slices": (frames(lambda _, x, y, z: [x, y, z + 1.2]), SEG_LABEL + "lies 0[.]8 mm away"),
        "beyond": (frames(lambda _, x, y, z: [x, y, z + 60]), SEG_LABEL + "reaches beyond the 35 slices of its image"),
        "below": (frames(lambda _, x, y, z: [x, y, z - 60]), SEG_LABEL + "reaches beyond the 35 slices of its image"),
        "uneven": (frames(lambda n, x, y, z: [x, y, z + 0.4 * (n == 3)]), SEG_LABEL + "cannot be read as a"),
        "rows and columns": (header(wider), SEG_LABEL + r"is 37 x 43 x \d+ voxels, its image 43 x 37 x"),
        "two segments": (second_segment, SEG_LABEL + "holds the value 2, where 0 to 1 was expected"),
        "two": (second(SEG, "more/2.dcm"), f"^Series .* has two labels: {SEG} and more/2.dcm"),
    },
}


@pytest.mark.parametrize(("archive", "fault"), [(archive, fault) for archive in FAULTS for fault in FAULTS[archive]])
def test_scan_with_a_faulty_label_is_rejected_with_the_reason_and_no_other(copy, indexed, archive, fault, caplog):
    spoil, reason = FAULTS[archive][fault]
    folder = copy(archive)
    match = match_msd_labels if archive == "msd" else match_nih_labels
    before = rows(match(folder, indexed[archive], on_problem="stop"))
    spoil(folder)
    table = match(folder, indexed[archive], on_problem="skip")
    first, second = sorted(before)
    assert table.columns.tolist() == list(before[first])
    after = rows(table)
    assert after[second] == before[second]
    row = after[first]
    assert row["verdict"] == "rejected"
    np.testing.assert_equal(row["z_mm"] + row["instance_uids"] + row["origin"], [])
    assert np.isnan(row["spacing_x"])
    assert (row["files"], row["label_file"]) == (before[first]["files"], "")
    assert row["reason"] in caplog.text
    assert re.search(reason, row["reason"]), row["reason"]
    with pytest.raises(UserError) as error:
        match(folder, indexed[archive], on_problem="stop")
    assert str(error.value) == f"{row['reason']} {REMEDY}"
    table.to_parquet(folder / "table.parquet")


def test_unreadable_seg_is_listed_and_its_image_has_no_label(copy):
    folder = copy("seg")
    content(SEG, lambda c: c[:600])(folder)
    series = index_dicom(folder, exclude=[], on_problem="skip", patient_pattern=PATTERN)
    table = match_nih_labels(folder, series, on_problem="skip")
    reasons = table[table.verdict == "rejected"].set_index("series_uid").reason
    assert reasons.pop(f"unreadable:{SEG}").startswith(f"File {SEG} ")
    assert "has no label" in reasons.item()
    assert table[table.verdict == "accepted"].patient_id.tolist() == ["PANCREAS_0002"]


@pytest.mark.parametrize("name", [b"seg\n.dcm", b"s\xffg.dcm"])
def test_label_whose_name_no_table_can_hold_is_passed_over(copy, name, caplog):
    folder = copy("seg")
    (folder / SEG).rename(folder / os.fsdecode(name))
    table = nih(folder)
    assert sorted(table.verdict) == ["accepted", "rejected"]
    assert "is passed over: rename it" in caplog.text


def test_dicom_of_other_modalities_is_no_label(copy):
    folder = copy("seg")
    report = pydicom.dcmread(folder / SEG)
    report.Modality = "SR"
    report.save_as(folder / "report.dcm")
    assert set(nih(folder, on_problem="stop").verdict) == {"accepted"}


def test_rejected_images_need_no_label(copy):
    folder = copy("msd")
    (folder / MSD).unlink()
    series = index_nifti(folder, exclude=["pancreas_001"], on_problem="stop")
    table = match_msd_labels(folder, series, on_problem="stop")
    assert table.verdict.tolist() == ["rejected", "accepted"]
    assert table.label_file.tolist() == ["", "labelsTr/pancreas_002.nii.gz"]


def test_nifti_label_of_a_patient_with_two_series_is_not_guessed(tmp_path):
    make_nih(tmp_path, patients=1)
    image, _ = make_scan(np.random.default_rng(5), tumour=False)
    write_ct(image, tmp_path / "more", files_of(image))
    table = nih(tmp_path)
    assert set(table.verdict) == {"rejected"}
    assert all("Label label0001.nii.gz may be of any of the series 1.2.3 and 1.2.826" in one for one in table.reason)


def test_series_of_no_public_patient_is_rejected(tmp_path):
    image, _ = make_scan(np.random.default_rng(0), tumour=False)
    write_ct(image, tmp_path, files_of(image), patient="A real name")
    (row,) = nih(tmp_path).to_dict("records")
    assert row["reason"] == "Series 1.2.3 is of no patient of NIH Pancreas-CT; PANCREAS_0001 was expected."


def test_empty_slices_between_and_a_single_frame_are_placed(tmp_path):
    image, label = make_scan(np.random.default_rng(0), tumour=False)
    write_ct(image, tmp_path, files_of(image))
    images = [tmp_path / name for name in files_of(image)]
    filled = np.flatnonzero(label.array.any(axis=(1, 2)))
    for kept in (filled[[0, 1, 5, 6]], filled[3:4]):
        some = np.zeros_like(label.array)
        some[kept] = label.array[kept]
        write_seg(some, images, tmp_path / "seg.dcm")
        (row,) = nih(tmp_path, on_problem="stop").to_dict("records")
        np.testing.assert_array_equal(read_label(tmp_path, row), some)


def test_label_that_changed_after_the_index_is_said(copy):
    folder = copy("msd")
    row = rows(msd(folder))["pancreas_001"]
    values(MSD, put(7))(folder)
    with pytest.raises(UserError, match=r"holds the value 7, where .* run the stage `ingest` again"):
        read_label(folder, row)
    (folder / MSD).unlink()
    with pytest.raises(UserError, match=r"Label labelsTr/pancreas_001\.nii\.gz is missing"):
        read_label(folder, row)


def test_miniature_archives_are_repeatable(archives, tmp_path):
    make_msd(tmp_path / "msd", patients=2)
    make_nih(tmp_path / "seg", patients=2, labels="seg")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 70
    for path in files:
        assert path.read_bytes() == (archives / path.relative_to(tmp_path)).read_bytes()
