"""A user's annotation in, the same format out with its gaps filled: one lesion in five formats gives one answer."""

import json
from pathlib import Path

import highdicom as hd
import nibabel as nib
import numpy as np
import pandas as pd
import pydicom
import pytest
import SimpleITK as sitk
from own_files import (
    ACCESSION,
    BIRTH,
    NAME,
    SHAPE,
    circle,
    disc,
    headers,
    make_scan,
    points_of,
    write_nifti,
    write_points,
    write_rtstruct,
    write_seg,
    write_seg_nrrd,
)

from explainct.data.annotate.formats.polygons import fill_polygon
from explainct.data.annotate.formats.read import Reading, read_file
from explainct.data.ingest.user_scan import read_scan
from explainct.errors import UserError
from explainct.predict.fill_scan import fill_scan

MODEL = Path(__file__).parents[3] / "models/uncertainty.pt"
SLICES = (2, 5, 8, 10)
FORMATS = ("outlines.dcm", "seg.dcm", "labels.nii.gz", "labels.seg.nrrd", "points.csv")


def centre(k):
    return 20.2, 28.3 + k / 3


def radius(k):
    return 5 + 2 * np.sin(k / 3)


def planes():
    """Return the outlined slices as masks."""
    return {k: disc(*centre(k), radius(k)) for k in SLICES}


def labels():
    """Return the outlined slices as a label map [D, H, W]."""
    array = np.zeros(SHAPE, np.uint8)
    for k, plane in planes().items():
        array[k] = plane
    return array


def fill(scan, annotation, out, **others):
    settings = {
        "roi": "",
        "ignore_label": None,
        "slices": (),
        "snap": False,
        "model": "predictor",
        "model_file": MODEL,
        "identity": "none",
        "seed": 0,
        "device": "cpu",
        "threads": 1,
    }
    files = {
        "filled_folder": "filled",
        "volumes_folder": "volumes",
        "lesions_file": "lesions.csv",
        "json_file": "lesions.json",
        "preview_file": "preview.png",
        "report_file": "report.html",
        "record_file": "run.json",
    }
    outputs = {name: out / file for name, file in files.items()}
    fill_scan(scan=str(scan), annotation=str(annotation), **settings | others, **outputs)


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """One lesion and a second region in all formats, each filled into a folder of its own."""
    folder = tmp_path_factory.mktemp("own")
    scan = folder / "ct"
    volume = make_scan(scan)
    ring = [(points_of(volume, k, circle(*centre(k), radius(k))), "CLOSED_PLANAR") for k in SLICES]
    other = [(points_of(volume, 4, circle(20, 30, 12)), "CLOSED_PLANAR")]
    write_rtstruct(folder / "outlines.dcm", scan, [("GTV", ring), ("lung", other)])
    write_seg(folder / "seg.dcm", scan, planes())
    write_nifti(folder / "labels.nii.gz", volume, labels())
    lung = np.zeros(SHAPE, bool)
    lung[4] = disc(20, 30, 12)
    write_seg_nrrd(folder / "labels.seg.nrrd", volume, {"GTV": labels() == 1, "lung": lung}, layers=True)
    write_points(folder / "points.csv", volume, {"GTV": {k: circle(*centre(k), radius(k)) for k in SLICES}})
    for name in FORMATS:
        fill(scan, folder / name, folder / f"out_{name}", roi="GTV|label")
    return folder


def written(case, name):
    """Return the file that was written for an input."""
    (path,) = (case / f"out_{name}/filled").glob("*_filled*")
    return path


def mask(case, name):
    """Return the filled lesion of an output file on the scan [D, H, W], by the project's reader."""
    scan = read_scan(case / "ct")
    found = read_file(written(case, name), scan, Reading()).outlines
    one = next((one for one in found if one.lesion.endswith("(filled)")), found[0])
    whole = np.zeros(SHAPE, bool)
    for k, plane in zip(one.slices, one.masks, strict=True):
        whole[(k, *one.box.slices[1:])] = plane
    return whole


def test_five_formats_hold_the_same_voxels_and_the_same_uncertainty(case):
    first = mask(case, FORMATS[0])
    assert first.any((1, 2)).nonzero()[0].tolist() == list(range(2, 11))
    for name in FORMATS[1:]:
        assert np.array_equal(mask(case, name), first), name
    for what in ("probability", "variance"):
        volumes = [nib.load(next((case / f"out_{name}/volumes").glob(f"*_{what}.nii.gz"))) for name in FORMATS]
        assert all(np.allclose(one.get_fdata(), volumes[0].get_fdata(), atol=1e-6) for one in volumes)
        assert all(np.allclose(one.affine, volumes[0].affine, atol=1e-4) for one in volumes)


def test_outlined_slices_are_as_they_were_and_nothing_lies_beyond_them(case):
    for name in FORMATS:
        filled = mask(case, name)
        assert all(np.array_equal(filled[k], plane) for k, plane in planes().items()), name
        assert not filled[[0, 1, 11]].any()


def test_a_structure_set_keeps_its_regions_byte_for_byte_and_names_only_the_scan(case):
    before, after = pydicom.dcmread(case / "outlines.dcm"), pydicom.dcmread(written(case, "outlines.dcm"))
    assert [one.ROIName for one in after.StructureSetROISequence] == ["GTV", "lung", "GTV (filled)"]
    for old, new in zip(before.ROIContourSequence, after.ROIContourSequence, strict=False):
        assert old == new
    known = {one.SOPInstanceUID for one in headers(case / "ct")}
    contours = after.ROIContourSequence[2].ContourSequence
    assert {one.ContourImageSequence[0].ReferencedSOPInstanceUID for one in contours} <= known
    texts = [str(value.original_string) for one in contours for value in one.ContourData]
    assert max(map(len, texts)) <= 16
    assert after.SOPInstanceUID != before.SOPInstanceUID


def test_a_segmentation_keeps_its_frames_and_highdicom_reads_the_new_ones(case):
    before, after = (hd.seg.segread(path) for path in (case / "seg.dcm", written(case, "seg.dcm")))
    assert [one.SegmentLabel for one in after.SegmentSequence] == ["GTV", "GTV (filled)"]
    assert np.array_equal(after.pixel_array[: before.NumberOfFrames], before.pixel_array)
    volume = after.get_volume(segment_numbers=[2])
    upwards = volume.array[..., 0] if volume.affine[2, 0] > 0 else volume.array[::-1, ..., 0]
    assert np.array_equal(upwards > 0, mask(case, "seg.dcm")[2:11])
    sources = [one.SOPInstanceUID for one in headers(case / "ct")]
    by_source = after.get_pixels_by_source_instance(sources[2:11], segment_numbers=[2])
    assert np.array_equal(by_source[..., 0] > 0, mask(case, "seg.dcm")[2:11])


def test_nifti_lies_on_the_scan_and_keeps_type_and_header(case):
    before, after = nib.load(case / "labels.nii.gz"), nib.load(written(case, "labels.nii.gz"))
    assert after.get_data_dtype() == before.get_data_dtype()
    assert np.array_equal(after.affine, before.affine)
    assert np.array_equal(np.asarray(after.dataobj).transpose(2, 1, 0) > 0, mask(case, "labels.nii.gz"))


def test_a_seg_nrrd_keeps_its_segments_and_gets_one_more(case):
    before, after = (sitk.ReadImage(str(path)) for path in (case / "labels.seg.nrrd", written(case, "labels.seg.nrrd")))
    assert [after.GetMetaData(f"Segment{n}_Name") for n in range(3)] == ["GTV", "lung", "GTV (filled)"]
    grid = sitk.Resample(before, after, sitk.Transform(), sitk.sitkNearestNeighbor)
    assert np.array_equal(sitk.GetArrayFromImage(after)[..., :2], sitk.GetArrayFromImage(grid))
    assert np.count_nonzero(sitk.GetArrayFromImage(after)[..., 2]) == mask(case, "labels.seg.nrrd").sum()


def test_a_table_of_points_keeps_its_rows(case):
    before, after = (pd.read_csv(path, dtype=str) for path in (case / "points.csv", written(case, "points.csv")))
    assert after.iloc[: len(before)].equals(before)
    assert set(after["lesion"]) == {"GTV", "GTV (filled)"}


def test_tables_and_page_say_what_was_measured_and_tested(case):
    out = case / "out_outlines.dcm"
    content = json.loads((out / "lesions.json").read_text())
    (row,) = content["lesions"]
    voxels = mask(case, "outlines.dcm")
    assert row["volume_mm3"] == pytest.approx(voxels.sum() * 2.5 * 0.9 * 0.7, abs=0.5)
    assert row["volume_mm3_low"] < row["volume_mm3"] < row["volume_mm3_high"]
    assert row["hidden_slices"] == 2
    assert {one["method"] for one in content["self_test"]} >= {"model", "signed distances"}
    assert len(content["review"]) == row["filled_slices"] == 5
    doubts = [one["uncertainty"] for one in content["review"]]
    assert doubts == sorted(doubts, reverse=True)
    page = (out / "report.html").read_text()
    assert "Research use. Not for clinical use." in page
    assert "http" not in page.replace("http-equiv", "")


def test_the_structured_report_is_unverified_and_holds_measures_and_outlines(case):
    report = hd.sr.srread(case / "out_outlines.dcm/filled/measurements_sr.dcm")
    assert report.VerificationFlag == "UNVERIFIED"
    (group,) = report.content.get_volumetric_roi_measurement_groups()
    (row,) = json.loads((case / "out_outlines.dcm/lesions.json").read_text())["lesions"]
    values = {one.name.meaning: one.value for one in group.get_measurements()}
    assert values == {
        "Volume": row["volume_mm3"],
        "Long axis": row["long_mm"],
        "Short axis": row["short_mm"],
        "Diameter": row["diameter_mm"],
    }
    sources = [one.SOPInstanceUID for one in headers(case / "ct")]
    filled, seen = mask(case, "outlines.dcm"), set()
    for region in group.roi:
        k = sources.index(region.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID)
        drawn = fill_polygon(region.value[:, ::-1] - 0.5, SHAPE[1:])
        assert np.array_equal(drawn, filled[k])
        seen.add(k)
    assert seen == set(range(2, 11))


@pytest.mark.parametrize("name", FORMATS)
def test_no_identity_leaves_unless_it_is_asked_for(case, name):
    for path in (path for path in (case / f"out_{name}").rglob("*") if path.is_file()):
        content = path.read_bytes()
        assert not any(word.encode() in content for word in (NAME, BIRTH, ACCESSION, "PLANTEDID7")), path


def test_identity_is_copied_where_it_is_asked_for(case, tmp_path):
    fill(case / "ct", case / "outlines.dcm", tmp_path, identity="copy", model="sdf", model_file=None)
    held = {path.name for path in tmp_path.rglob("*") if path.is_file() and NAME.encode() in path.read_bytes()}
    assert held == {"outlines_filled.dcm", "measurements_sr.dcm"}


def test_the_same_input_gives_the_same_bytes(case, tmp_path):
    fill(case / "ct", case / "seg.dcm", tmp_path, roi="GTV|label")
    for path in (path for path in tmp_path.rglob("*") if path.is_file() and path.name != "run.json"):
        assert path.read_bytes() == (case / "out_seg.dcm" / path.relative_to(tmp_path)).read_bytes(), path


def test_signed_distances_need_no_model_and_say_no_interval(case, tmp_path):
    fill(case / "ct", case / "labels.nii.gz", tmp_path, model="sdf", model_file=None)
    (row,) = json.loads((tmp_path / "lesions.json").read_text())["lesions"]
    assert row["filled_by"] == "signed distances"
    assert row["volume_mm3_low"] is None
    assert row["hidden_dice_ours"] is None


def test_a_folder_of_annotations_is_filled_file_by_file(case, tmp_path):
    folder = tmp_path / "many"
    folder.mkdir()
    for name in ("outlines.dcm", "points.csv"):
        (folder / name).write_bytes((case / name).read_bytes())
    seed = points_of(make_scan(tmp_path / "ct"), 4, [(20, 30)])
    write_rtstruct(folder / "seed.dcm", case / "ct", [("GTV SEED POINT", [(seed, "POINT")])])
    fill(case / "ct", folder, tmp_path / "out", model="sdf", model_file=None, roi="GTV")
    written = {path.name for path in (tmp_path / "out/filled").glob("*_filled*")}
    assert written == {"outlines_filled.dcm", "points_filled.csv"}
    notes = json.loads((tmp_path / "out/lesions.json").read_text())["notes"]
    assert "seed.dcm holds no gap to fill, and no file was written for it." in notes


def test_an_annotation_without_a_gap_is_refused(case, tmp_path):
    with pytest.raises(UserError, match="no slice to fill"):
        fill(case / "ct", case / "outlines.dcm", tmp_path, roi="lung")
    with pytest.raises(UserError, match="holds no lesion"):
        fill(case / "ct", case / "outlines.dcm", tmp_path, roi="nothing")


def two_in_one(case, tmp_path):
    """Write a structure set with two lesions in one region, and return it with its truth on filled slices."""
    scan = case / "ct"
    volume = make_scan(tmp_path / "unused")
    both = [
        (points_of(volume, k, circle(row, column, 5)), "CLOSED_PLANAR")
        for k in (3, 6)
        for row, column in ((12.2, 15.3), (33.2, 44.3))
    ]
    same = [(points_of(volume, k, circle(12.2, 44.3, 4)), "CLOSED_PLANAR") for k in (3, 5)]
    return write_rtstruct(tmp_path / "two.dcm", scan, [("GTV", both), ("GTV", same)])


def test_lesions_that_share_a_name_are_filled_apart_and_written_as_one(case, tmp_path):
    path = two_in_one(case, tmp_path)
    fill(case / "ct", path, tmp_path / "out", model="sdf", model_file=None)
    content = json.loads((tmp_path / "out/lesions.json").read_text())
    assert [row["lesion"] for row in content["lesions"]] == ["GTV 1", "GTV 2", "GTV"]
    assert any("2 parts that do not overlap" in note for note in content["notes"])
    written = pydicom.dcmread(tmp_path / "out/filled/two_filled.dcm")
    assert [one.ROIName for one in written.StructureSetROISequence] == ["GTV", "GTV", "GTV (filled)", "GTV (filled)"]
    assert [len(one.ContourSequence) for one in written.ROIContourSequence] == [4, 2, 8, 3]


def test_a_nifti_scan_gives_the_answer_of_the_series_that_it_was_made_of(case, tmp_path):
    volume = make_scan(tmp_path / "ct")
    image = write_nifti(tmp_path / "ct.nii.gz", volume, volume.array)
    fill(image, case / "labels.nii.gz", tmp_path / "out")
    rows = [
        json.loads((out / "lesions.json").read_text())["lesions"]
        for out in (tmp_path / "out", case / "out_labels.nii.gz")
    ]
    assert rows[0] == rows[1]


def test_the_diffusion_fills_too(case, tmp_path):
    fill(case / "ct", case / "points.csv", tmp_path, model="diffusion", model_file=MODEL.with_name("diffusion.pt"))
    content = json.loads((tmp_path / "lesions.json").read_text())
    assert content["lesions"][0]["filled_by"] == "model"
    assert content["self_test"][0]["dice"] > 0.8


def test_a_fractional_segmentation_stays_fractional(case, tmp_path):
    images = [headers(case / "ct")[k] for k in SLICES]
    description = hd.seg.segread(case / "seg.dcm").SegmentSequence[0]
    hd.seg.Segmentation(
        images,
        np.stack(list(planes().values())).astype(np.float32) * 0.8,
        hd.seg.SegmentationTypeValues.FRACTIONAL,
        [hd.seg.SegmentDescription.from_dataset(description)],
        "1.2.3.5",
        2,
        "1.2.3.6",
        1,
        "M",
        "M",
        "1",
        "1",
        max_fractional_value=200,
    ).save_as(tmp_path / "share.dcm")
    fill(case / "ct", tmp_path / "share.dcm", tmp_path / "out", model="sdf", model_file=None)
    after = hd.seg.segread(tmp_path / "out/filled/share_filled.dcm")
    assert after.SegmentationType == "FRACTIONAL"
    assert set(np.unique(after.pixel_array)) == {0, 160, 200}
    assert np.array_equal(after.pixel_array[:4], after.pixel_array[4:8])


def test_voxels_of_another_label_are_left_to_it_and_counted(case, tmp_path):
    volume = make_scan(tmp_path / "ct")
    array = labels()
    array[6, 20:23, 29:33] = 7
    path = write_nifti(tmp_path / "two.nii.gz", volume, array)
    fill(case / "ct", path, tmp_path / "out", roi="label 1", model="sdf", model_file=None)
    after = np.asarray(nib.load(tmp_path / "out/filled/two_filled.nii.gz").dataobj).transpose(2, 1, 0)
    assert np.array_equal(after == 7, array == 7)
    notes = json.loads((tmp_path / "out/lesions.json").read_text())["notes"]
    assert "12 filled voxels of 'label 1' belong to another label, and were left to it." in notes
