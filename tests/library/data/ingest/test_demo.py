"""The demo cohort, made from a small invented CT and LIDC's real contours."""

import dataclasses
import hashlib
import logging

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from explainct.data.annotate.clustering import cluster_annotations
from explainct.data.annotate.consensus import reader_masks
from explainct.data.demo.cohort import make_demo_cohort
from explainct.data.demo.lenders import choose_subjects, find_subject, scan_spacing
from explainct.data.ingest.dicom_index import index_dicom
from explainct.data.ingest.dicom_io import PLANTED, read_crop
from explainct.data.samples.blocks import neighbours
from explainct.errors import UserError

MARGIN_MM = 4.0


@pytest.fixture(scope="module")
def source_files(tmp_path_factory):
    """Write a CT of 133 slices with 360 x 360 mm: two lungs of noise in a body of 40 HU."""
    folder = tmp_path_factory.mktemp("source")
    labels = np.zeros((133, 96, 96), dtype=np.uint8)
    labels[5:128, 20:76, 10:42], labels[5:128, 20:76, 54:86] = 10, 12
    noise = np.random.default_rng(0).normal(0, 20, labels.shape)
    hu = np.where(labels, -850, 40) + noise.round()
    for array, name in ((hu.astype(np.float32), "ct.nii"), (labels, "labels.nii")):
        image = sitk.GetImageFromArray(array)
        image.SetSpacing((3.75, 3.75, 2.5))
        image.SetOrigin((-166.0, 187.6, -340.0))
        image.SetDirection((1, 0, 0, 0, -1, 0, 0, 0, 1))
        sitk.WriteImage(image, str(folder / name))
    return {"ct_file": folder / "ct.nii", "labels_file": folder / "labels.nii"}


def make(folder, source_files, database, **changes):
    arguments = {"patients": 1, "slices": 5, "margin_mm": MARGIN_MM, "seed": 3} | changes
    make_demo_cohort(dicom_folder=folder, **source_files, database=database, **arguments)
    return folder


def contents(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory, source_files, database):
    return make(tmp_path_factory.mktemp("cohort"), source_files, database)


@pytest.fixture(scope="module")
def subject(database):
    return choose_subjects(database, patients=1, slices=5, margin_mm=MARGIN_MM, seed=3)[0]


def test_real_scan_lies_where_the_database_says(cohort, database, source_files):
    scan = next(scan for scan in database.scans if scan.patient_id == "LIDC-IDRI-0001")
    table = index_dicom(cohort, exclude=[], on_problem="stop").set_index("series_uid")
    row = table.loc[scan.series_uid]
    np.testing.assert_allclose(row.z_mm, scan.z_mm)
    names = {contour.k: contour.file_name for a in database.annotations[scan.scan_id] for contour in a.contours}
    assert names
    assert all(row.files[k] == f"LIDC-IDRI-0001/{name}" for k, name in names.items())
    ct = sitk.GetArrayFromImage(sitk.ReadImage(str(source_files["ct_file"])))
    plane = pydicom.dcmread(cohort / row.files[60])
    np.testing.assert_array_equal(plane.pixel_array + plane.RescaleIntercept, ct[60, ::-1])


def test_lesion_lies_under_its_contours(cohort, subject, database):
    table = index_dicom(cohort, exclude=[], on_problem="stop").set_index("series_uid")
    assert len(table) == 2
    row = table.loc[subject.scan.series_uid]
    first = subject.around.start[0]
    np.testing.assert_allclose(row.z_mm, subject.scan.z_mm[first : subject.around.stop[0]], atol=0.01)
    assert (row.rows, row.columns) == (512, 512)
    assert row.spacing_y == subject.scan.pixel_spacing
    # Found anew by position, as the next stage does it, not by the indices that placed it.
    ks = np.searchsorted(np.array(row.z_mm), subject.scan.z_mm[subject.lesion.start[0] : subject.lesion.stop[0]] - 0.05)
    masks, lesion = reader_masks(subject.readers, subject.scan)
    box = lesion.shifted((-first, 0, 0))
    assert ks.tolist() == list(range(box.start[0], box.stop[0]))
    crop = read_crop([cohort / file for file in row.files], box)
    inside, outside = crop[masks.all(axis=0)], crop[~masks.any(axis=0)]
    assert inside.mean() > outside.mean() + 200
    assert np.median(outside) < -700


def test_image_covers_all_neighbouring_blocks(cohort, subject):
    folder = cohort / subject.scan.patient_id
    around = subject.around
    assert subject.around.shape == tuple(3 * size for size in subject.block.shape)
    assert len(list(folder.iterdir())) == around.shape[0]
    table = index_dicom(cohort, exclude=[], on_problem="stop").set_index("series_uid")
    files = [cohort / file for file in table.loc[subject.scan.series_uid].files]
    crop = read_crop(files, around.shifted((-around.start[0], 0, 0)))
    assert (crop > -1024).mean() > 0.99


def test_identity_is_planted_and_does_not_leave_the_headers(cohort, source_files, database, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    make(tmp_path, source_files, database)
    table = index_dicom(tmp_path, exclude=[], on_problem="skip")
    headers = pydicom.dcmread(next((tmp_path / "LIDC-IDRI-0001").iterdir()))
    written = table.to_csv() + caplog.text + (tmp_path / "README.txt").read_text(encoding="utf-8")
    assert "LIDC-IDRI-0001" in written
    for keyword, word in PLANTED.items():
        assert str(headers[keyword].value) == word
        assert word not in written
    assert "SEMI-SYNTHETIC" in written
    # The same seed again, in another folder.
    assert contents(tmp_path) == contents(cohort)


def test_another_seed_gives_another_cohort(subject, database):
    other = choose_subjects(database, patients=3, slices=5, margin_mm=MARGIN_MM, seed=4)
    assert subject.scan.patient_id not in [one.scan.patient_id for one in other]


@pytest.mark.parametrize("slices", [5, 9])
def test_subjects_meet_the_conditions(database, slices):
    subjects = choose_subjects(database, patients=12, slices=slices, margin_mm=MARGIN_MM, seed=0)
    ids = [subject.scan.patient_id for subject in subjects]
    assert ids == sorted(set(ids))
    assert "LIDC-IDRI-0001" not in ids
    for subject in subjects:
        shape = (len(subject.scan.z_mm), 512, 512)
        assert len(subject.readers) in (3, 4)
        assert subject.mask.any(axis=(1, 2)).sum() >= slices
        assert max(np.multiply(subject.lesion.shape, subject.spacing)) <= 40
        assert len(neighbours(subject.block, shape)) == 26
        annotations = database.annotations[subject.scan.scan_id]
        within = []
        for cluster in cluster_annotations(annotations, subject.scan.slice_thickness):
            _, box = reader_masks(cluster, subject.scan)
            if box.start[0] >= subject.around.start[0] and box.stop[0] <= subject.around.stop[0]:
                within.append(box)
        assert within == [subject.lesion]


def test_fewer_patients_are_among_more(database):
    few, more = (
        {
            subject.scan.patient_id
            for subject in choose_subjects(database, patients=n, slices=5, margin_mm=MARGIN_MM, seed=0)
        }
        for n in (3, 8)
    )
    assert few < more


def test_unevenly_spaced_and_empty_scans_are_not_chosen(database, subject):
    annotations = database.annotations[subject.scan.scan_id]
    assert find_subject(subject.scan, annotations, slices=5, margin_mm=MARGIN_MM) is not None
    assert find_subject(subject.scan, (), slices=5, margin_mm=MARGIN_MM) is None
    z = subject.scan.z_mm.copy()
    z[-1] += 0.2 * scan_spacing(subject.scan)[0]
    uneven = dataclasses.replace(subject.scan, z_mm=z)
    assert scan_spacing(uneven) == scan_spacing(subject.scan)
    assert find_subject(uneven, annotations, slices=5, margin_mm=MARGIN_MM) is None


def test_too_many_patients_is_an_error(database):
    few = type(database)(database.scans[:40], database.annotations)
    with pytest.raises(UserError, match=r"`ingest.demo_patients` is 900, but only \d+ LIDC patients suit"):
        choose_subjects(few, patients=900, slices=5, margin_mm=MARGIN_MM, seed=0)
