"""The traps of annotation files, each with a file that holds it: none passes in silence."""

import csv
import re

import numpy as np
import pydicom
import pytest
from own_files import (
    SHAPE,
    SPACING,
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

from explainct.data.annotate.formats.read import Reading, annotation_files, read_annotation
from explainct.data.ingest.user_scan import read_scan
from explainct.errors import UserError

FLIPPED = (1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0)
TURNED = (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0)
CENTRE = (20.2, 30.3)


@pytest.fixture
def ct(tmp_path):
    """A scan of unequal pixels, not square: its folder and its volume."""
    return tmp_path / "ct", make_scan(tmp_path / "ct")


def read(path, folder, **reading):
    return read_annotation(path, read_scan(folder), Reading(**reading))


def rtstruct(tmp_path, ct, *planes, name="GTV", kind="CLOSED_PLANAR", **others):
    """Write one region of contours (slice, corners) and return the file."""
    folder, volume = ct
    contours = [(points_of(volume, k, corners), kind) for k, corners in planes]
    return write_rtstruct(tmp_path / "a.dcm", folder, [(name, contours)], **others)


def whole(outlines, k):
    """Return the mask of a slice on the scan [H, W]."""
    mask = np.zeros(SHAPE[1:], bool)
    box = outlines.box.slices
    mask[box[1:]] = outlines.masks[list(outlines.slices).index(k)]
    return mask


def refused(path, folder, *words, **reading):
    with pytest.raises(UserError) as caught:
        read(path, folder, **reading)
    said = str(caught.value)
    for word in (path.name, *words):
        assert word in said, said
    assert "\n" not in said


@pytest.mark.parametrize("radius", [8.0, 1.6])
@pytest.mark.parametrize("direction", [None, FLIPPED, TURNED], ids=["axial", "flipped", "turned"])
def test_a_disc_has_just_the_pixels_whose_centres_it_holds(tmp_path, radius, direction):
    folder = tmp_path / "ct"
    volume = make_scan(folder, **({"direction": direction} if direction else {}))
    path = rtstruct(tmp_path, (folder, volume), *((k, circle(20.2, 30.3, radius)) for k in (2, 4)))
    (found,) = read(path, folder).outlines
    assert found.slices.tolist() == [2, 4]
    assert np.array_equal(whole(found, 4), disc(20.2, 30.3, radius))


def test_trap_1_a_nested_contour_is_a_hole_and_one_in_it_is_filled(tmp_path, ct):
    rings = [circle(*CENTRE, radius) for radius in (9, 6, 3)]
    path = rtstruct(tmp_path, ct, *((4, ring) for ring in rings))
    (found,) = read(path, ct[0]).outlines
    truth = disc(*CENTRE, 9) & ~disc(*CENTRE, 6) | disc(*CENTRE, 3)
    assert np.array_equal(whole(found, 4), truth)


def test_trap_1_a_keyhole_is_a_hole(tmp_path, ct):
    outer, inner = circle(*CENTRE, 9), circle(*CENTRE, 4)
    path = rtstruct(tmp_path, ct, (4, [*outer, outer[0], *inner, inner[0]]))
    (found,) = read(path, ct[0]).outlines
    assert np.array_equal(whole(found, 4), disc(*CENTRE, 9) & ~disc(*CENTRE, 4))


def test_trap_1_contours_that_overlap_in_part_are_united_with_a_note(tmp_path, ct):
    path = rtstruct(tmp_path, ct, (4, circle(20, 26, 5)), (4, circle(20, 33, 5)))
    annotation = read(path, ct[0])
    assert np.array_equal(whole(annotation.outlines[0], 4), disc(20, 26, 5) | disc(20, 33, 5))
    assert any("2 contours overlap in part" in note and "slice 5" in note for note in annotation.notes)


def test_trap_1_a_contour_that_is_there_twice_counts_once(tmp_path, ct):
    path = rtstruct(tmp_path, ct, (4, circle(*CENTRE, 5)), (4, circle(*CENTRE, 5)))
    annotation = read(path, ct[0])
    assert np.array_equal(whole(annotation.outlines[0], 4), disc(*CENTRE, 5))
    assert any("repeat" in note for note in annotation.notes)


def test_trap_1_contours_that_exclude_each_other_by_their_type_do(tmp_path, ct):
    path = rtstruct(tmp_path, ct, (4, circle(20, 26, 5)), (4, circle(20, 33, 5)), kind="CLOSEDPLANAR_XOR")
    (found,) = read(path, ct[0]).outlines
    assert np.array_equal(whole(found, 4), disc(20, 26, 5) ^ disc(20, 33, 5))


@pytest.mark.parametrize("with_images", [True, False])
def test_trap_2_references_to_images_that_lie_or_are_missing_change_nothing(tmp_path, ct, with_images):
    path = rtstruct(tmp_path, ct, (4, circle(*CENTRE, 5)), (7, circle(*CENTRE, 5)), with_images=with_images)
    assert read(path, ct[0]).outlines[0].slices.tolist() == [4, 7]


def test_trap_3_a_contour_off_the_slices_is_refused_with_its_distance_or_snapped(tmp_path, ct):
    path = rtstruct(tmp_path, ct, (4.5, circle(*CENTRE, 5)))
    refused(path, ct[0], "'GTV'", "1.25 mm off", "snap")
    annotation = read(path, ct[0], snap=True)
    assert annotation.outlines[0].slices[0] in (4, 5)
    assert any("1.25 mm off" in note for note in annotation.notes)


def test_trap_3_a_drift_of_decimals_and_the_end_slices_are_taken(tmp_path, ct):
    path = rtstruct(tmp_path, ct, (-0.19, circle(*CENTRE, 5)), (11.19, circle(*CENTRE, 5)))
    assert read(path, ct[0]).outlines[0].slices.tolist() == [0, 11]


def test_trap_3_a_contour_beyond_the_scan_or_across_slices_is_refused(tmp_path, ct):
    refused(rtstruct(tmp_path, ct, (20, circle(*CENTRE, 5))), ct[0], "'GTV'", "mm off the nearest slice", snap=True)
    refused(rtstruct(tmp_path, ct, (4, circle(2, 30, 9))), ct[0], "'GTV'", "mm beyond the image")
    folder, volume = ct
    leaning = points_of(volume, 4, circle(*CENTRE, 5)) + np.linspace(0, 4, 200)[:, None] * [0, 0, 1]
    path = write_rtstruct(tmp_path / "b.dcm", folder, [("GTV", [(leaning, "CLOSED_PLANAR")])])
    refused(path, folder, "spans 4 mm")


def test_trap_4_points_and_open_contours_are_noted_and_hold_no_area(tmp_path, ct):
    folder, volume = ct
    ring = points_of(volume, 4, circle(*CENTRE, 5))
    regions = [
        ("GTV", [(ring, "CLOSED_PLANAR"), (ring[:9], "OPEN_PLANAR")]),
        ("SEED POINT", [(ring[:1], "POINT")]),
    ]
    annotation = read(write_rtstruct(tmp_path / "a.dcm", folder, regions), folder)
    assert [one.lesion for one in annotation.outlines] == ["GTV"]
    assert np.array_equal(whole(annotation.outlines[0], 4), disc(*CENTRE, 5))
    notes = " ".join(annotation.notes)
    assert "1 contours of the type OPEN_PLANAR" in notes
    assert "'SEED POINT'" in notes


def test_trap_5_slivers_and_contours_of_two_points_do_not_annotate_a_slice(tmp_path, ct):
    sliver = [(20.4, 30.4), (20.4, 34.6), (20.45, 34.6), (20.45, 30.4)]
    planes = (2, circle(*CENTRE, 5)), (4, sliver), (5, [(20, 30), (20, 34)]), (6, [(20, 30)]), (8, circle(*CENTRE, 5))
    annotation = read(rtstruct(tmp_path, ct, *planes), ct[0])
    assert annotation.outlines[0].slices.tolist() == [2, 8]
    assert [k for k in (5, 6, 7) if any(f"slice {k} " in note for note in annotation.notes)] == [5, 6, 7]


def test_trap_7_another_series_or_frame_is_refused_whatever_its_place(tmp_path, ct):
    path = rtstruct(tmp_path, ct, (4, circle(*CENTRE, 5)), series_uid="1.2.9", frame_uid="1.2.8")
    refused(path, ct[0], "1.2.9")
    same_frame = rtstruct(tmp_path, ct, (4, circle(*CENTRE, 5)), series_uid="1.2.9")
    annotation = read(same_frame, ct[0])
    assert len(annotation.outlines) == 1
    assert any("1.2.9" in note and "frame of reference" in note for note in annotation.notes)


def test_trap_7_of_several_series_in_a_folder_the_named_one_is_taken(tmp_path, ct):
    make_scan(ct[0] / "other", series_uid="1.2.77")
    with pytest.raises(UserError, match="holds 2 CT series"):
        read_scan(ct[0])
    assert read_scan(ct[0], {"1.2.77"}).series_uid == "1.2.77"


def test_trap_7_a_region_in_another_frame_is_refused_unless_it_is_not_read(tmp_path, ct):
    path = rtstruct(tmp_path, ct, (4, circle(*CENTRE, 5)))
    dataset = pydicom.dcmread(path)
    dataset.StructureSetROISequence[0].ReferencedFrameOfReferenceUID = "1.2.8"
    dataset.save_as(path)
    refused(path, ct[0], "'GTV'", "1.2.8")
    assert read(path, ct[0], roi="nothing").outlines == []


def test_trap_8_a_sagittal_scan_is_refused(tmp_path):
    make_scan(tmp_path / "ct", direction=(0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0))
    with pytest.raises(UserError, match="axial slices were expected"):
        read_scan(tmp_path / "ct")


@pytest.mark.parametrize("direction", [None, FLIPPED, TURNED], ids=["axial", "flipped", "turned"])
def test_trap_8_label_maps_lie_right_on_turned_scans(tmp_path, direction):
    volume = make_scan(tmp_path / "ct", **({"direction": direction} if direction else {}))
    labels = np.zeros(SHAPE, np.uint8)
    labels[3, 5:9, 7:20] = labels[6, 6:9, 7:12] = 1
    for path in (
        write_nifti(tmp_path / "a.nii.gz", volume, labels),
        write_seg_nrrd(tmp_path / "a.seg.nrrd", volume, {"GTV": labels == 1}),
        write_seg(tmp_path / "s.dcm", tmp_path / "ct", {k: labels[k] for k in (3, 6)}),
    ):
        (found,) = read(path, tmp_path / "ct").outlines
        assert [np.array_equal(whole(found, k), labels[k]) for k in (3, 6)] == [True, True], path


def test_trap_9_a_label_map_off_the_scan_is_refused_in_mm(tmp_path, ct):
    folder, volume = ct
    labels = np.zeros(SHAPE, np.uint8)
    labels[3, 5:9, 7:20] = 1
    moved = type(volume)(volume.array, volume.spacing, tuple(np.add(volume.origin, (0.25, 0, 0))), volume.direction)
    refused(write_nifti(tmp_path / "a.nii", moved, labels), folder, "0.25 mm off")
    coarse = type(volume)(volume.array, (2.5, 1.0, 0.7), volume.origin, volume.direction)
    refused(write_nifti(tmp_path / "b.nii", coarse, labels), folder, "2.5 x 1 x 0.7", "2.5 x 0.9 x 0.7")
    mirrored = type(volume)(volume.array, volume.spacing, volume.origin, FLIPPED)
    refused(write_nifti(tmp_path / "c.nii", mirrored, labels), folder, "beyond")


def test_trap_9_a_label_map_a_little_off_is_taken_with_a_note(tmp_path, ct):
    folder, volume = ct
    labels = np.zeros(SHAPE, np.uint8)
    labels[3, 5:9, 7:20] = 1
    moved = type(volume)(volume.array, volume.spacing, tuple(np.add(volume.origin, (0.1, 0, 0))), volume.direction)
    assert "0.14 voxels off" in " ".join(read(write_nifti(tmp_path / "a.nii", moved, labels), folder).notes)


@pytest.mark.parametrize("slices", [(2, 4, 6, 8), (1, 3, 6, 8)])
def test_trap_10_absent_frames_are_not_annotated_and_stored_empty_ones_are_empty(tmp_path, ct, slices):
    folder, _ = ct
    planes = {k: disc(*CENTRE, 4 + k / 4) for k in slices}
    (found,) = read(write_seg(tmp_path / "a.dcm", folder, planes), folder).outlines
    assert found.slices.tolist() == list(slices)
    assert all(np.array_equal(whole(found, k), plane) for k, plane in planes.items())
    with_empty = planes | {5: np.zeros(SHAPE[1:], bool)}
    path = write_seg(tmp_path / "b.dcm", folder, with_empty, omit_empty=False)
    parts = read(path, folder).outlines
    assert [part.slices.tolist() for part in parts] == [[k for k in slices if k < 5], [k for k in slices if k > 5]]


def test_trap_10_a_frame_that_names_another_slice_is_refused(tmp_path, ct):
    folder, _ = ct
    path = write_seg(tmp_path / "a.dcm", folder, {k: disc(*CENTRE, 5) for k in (2, 4)})
    dataset = pydicom.dcmread(path)
    source = dataset.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence[0].SourceImageSequence[0]
    source.ReferencedSOPInstanceUID = headers(folder)[3].SOPInstanceUID
    dataset.save_as(path)
    refused(path, folder, "Frame 1", "slice 4, 2.5 mm away")


@pytest.mark.parametrize("layers", [False, True])
def test_trap_11_a_cropped_seg_nrrd_is_laid_by_its_origin(tmp_path, ct, layers):
    folder, volume = ct
    masks = {name: np.zeros(SHAPE, bool) for name in ("GTV", "Node")}
    masks["GTV"][4], masks["GTV"][7] = disc(*CENTRE, 5), disc(*CENTRE, 6)
    masks["Node"][4] = disc(22, 33, 5) if layers else disc(35, 50, 4)
    path = write_seg_nrrd(tmp_path / "a.seg.nrrd", volume, masks, layers)
    found = {one.lesion: one for one in read(path, folder).outlines}
    assert set(found) == set(masks)
    assert np.array_equal(whole(found["GTV"], 7), masks["GTV"][7])
    assert np.array_equal(whole(found["Node"], 4), masks["Node"][4])


def test_trap_12_a_value_that_marks_what_is_not_annotated_is_no_lesion(tmp_path, ct):
    folder, volume = ct
    labels = np.full(SHAPE, 2, np.uint8)
    for k in (2, 5, 8):
        labels[k] = disc(*CENTRE, 5)
    labels[5] = 0
    path = write_nifti(tmp_path / "a.nii.gz", volume, labels)
    refused(path, folder, "the value 2 fills 100% of slice 1", "ignore_label: 2")
    parts = read(path, folder, ignore_label=2).outlines
    assert [part.slices.tolist() for part in parts] == [[2], [8]]  # slice 5 is known to be empty
    labels[8, 40:] = 2
    refused(write_nifti(path, volume, labels), folder, "slice 9", "ignore label 2", ignore_label=2)


def test_trap_13_names_are_chosen_by_a_pattern_and_may_repeat(tmp_path, ct):
    folder, volume = ct
    ring = [(points_of(volume, 4, circle(*CENTRE, 5)), "CLOSED_PLANAR")]
    path = write_rtstruct(tmp_path / "a.dcm", folder, [("GTV 1", ring), ("GTV 1", ring), ("lung", ring)])
    assert [one.key for one in read(path, folder, roi="^GTV").outlines] == [1, 2]


def test_trap_14_lesions_of_one_value_are_told_apart_after_linking_across_gaps(tmp_path, ct):
    folder, volume = ct
    labels = np.zeros(SHAPE, np.uint8)
    for k in (2, 5, 8):
        labels[k] = disc(14, 20, 4) | disc(36, 45, 4)
    labels[10] = disc(36, 25, 4)
    annotation = read(write_nifti(tmp_path / "a.nii.gz", volume, labels), folder)
    assert sorted(part.slices.tolist() for part in annotation.outlines) == [[2, 5, 8], [2, 5, 8], [11 - 1]]
    assert any("3 parts" in note and "3, 6, 9" in note for note in annotation.notes)


def test_trap_17_slices_that_are_named_are_annotated_even_where_they_are_empty(tmp_path, ct):
    folder, volume = ct
    labels = np.zeros(SHAPE, np.uint8)
    for k in (2, 4, 8):
        labels[k] = disc(*CENTRE, 5)
    path = write_nifti(tmp_path / "a.nii.gz", volume, labels)
    assert read(path, folder, slices=(2, 8)).outlines[0].slices.tolist() == [2, 8]
    parts = read(path, folder, slices=(2, 4, 6, 8)).outlines
    assert [part.slices.tolist() for part in parts] == [[2, 4], [8]]
    with pytest.raises(UserError, match="Slice 13 under `slices` is none of the 12"):
        read(path, folder, slices=(2, 12))


def test_a_table_of_points_says_row_and_column_of_what_is_no_number(tmp_path, ct):
    folder, volume = ct
    path = write_points(tmp_path / "a.csv", volume, {"GTV": {4: circle(*CENTRE, 5), 6: circle(*CENTRE, 5)}})
    assert np.array_equal(whole(read(path, folder).outlines[0], 6), disc(*CENTRE, 5))
    rows = list(csv.reader(path.open()))
    rows[7][3] = "abc"
    path.write_text("\n".join(map(",".join, rows)))
    refused(path, folder, "row 8, column y_mm: 'abc'")
    path.write_text("lesion,x,y\nGTV,1,2\n")
    refused(path, folder, "x_mm, y_mm, z_mm")


def test_points_may_be_voxels(tmp_path, ct):
    folder, _ = ct
    lines = [f"GTV,{k},{row},{column}" for k in (4, 6) for row, column in circle(*CENTRE, 5)]
    path = tmp_path / "a.csv"
    path.write_text("lesion;slice;row;column\n".replace(";", ",") + "\n".join(lines))
    assert np.array_equal(whole(read(path, folder).outlines[0], 4), disc(*CENTRE, 5))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.xml", b"<AIM/>", "dcmqi"),
        ("a.json", b"{}", "RTSTRUCT"),
        ("a.png", b"\x89PNG", "no known format"),
        ("a.nii.gz", b"broken", "cannot be read"),
        ("a.nrrd", b"NRRD0004\n", "cannot be read"),
    ],
)
def test_files_of_other_formats_and_broken_ones_are_refused(tmp_path, ct, name, content, words):
    path = tmp_path / name
    path.write_bytes(content)
    refused(path, ct[0], words)


def test_a_dicom_annotation_needs_a_dicom_scan(tmp_path, ct):
    _, volume = ct
    nifti = write_nifti(tmp_path / "ct.nii.gz", volume, volume.array)
    refused(rtstruct(tmp_path, ct, (4, circle(*CENTRE, 5))), nifti, "ct.nii.gz", "DICOM series")
    assert read_scan(nifti).shape == SHAPE
    assert read_scan(nifti).geometry.spacing == pytest.approx(SPACING)


def test_an_image_of_another_modality_or_a_missing_path_is_refused(tmp_path, ct):
    refused(next(ct[0].glob("*.dcm")), ct[0], "'CT'")
    with pytest.raises(UserError, match="does not exist"):
        annotation_files(tmp_path / "nothing")
    with pytest.raises(UserError, match="does not exist"):
        read_scan(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=re.escape("holds no file")):
        annotation_files(tmp_path / "empty")
    with pytest.raises(UserError, match="holds no CT series"):
        read_scan(tmp_path / "empty")
