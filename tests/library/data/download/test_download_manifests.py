"""The committed manifests: what they hold, and that they are what the packages say."""

import numpy as np
import pytest

from explainct.data.annotate.lidc_database import load_database
from explainct.data.annotate.lidc_scans import cluster_scans, first_scans
from explainct.data.datasets.scan_count import MANIFESTS, scans_in
from explainct.data.download.manifest import read_manifest
from explainct.data.ingest.dicom_geometry_checks import STEP_TOLERANCE

NAMES = ["lidc.csv", "msd_pancreas.csv", "nih_pancreas.csv"]


def test_manifests_are_those_of_the_packages(tmp_path):
    pytest.importorskip("idc_index_data")
    from explainct.data.download.make_manifests import make_manifests

    make_manifests(tmp_path)
    assert sorted(path.name for path in MANIFESTS.iterdir()) == NAMES
    for name in NAMES:
        assert (tmp_path / name).read_bytes() == (MANIFESTS / name).read_bytes()


@pytest.mark.parametrize(
    ("archive", "counts", "files", "gigabytes"),
    [
        ("lidc", {"CT": (1018, 1010)}, 243_958, 128.4),
        ("nih_pancreas", {"CT": (80, 80), "SEG": (80, 80)}, 19_022, 10.2),
    ],
)
def test_manifests_hold_the_whole_archive(archive, counts, files, gigabytes):
    table = read_manifest(MANIFESTS / f"{archive}.csv")
    found = table.groupby("modality").agg(series=("series_uid", "nunique"), patients=("patient_id", "nunique"))
    assert {modality: tuple(row) for modality, row in found.iterrows()} == counts
    assert table["instances"].sum() == files
    assert round(table["size_mb"].sum() / 1000, 1) == gigabytes
    assert table["series_uid"].str.fullmatch(r"[0-9.]{1,64}").all()
    assert table["patient_id"].str.fullmatch(r"(LIDC-IDRI|PANCREAS)-?_?\d{4}").all()
    assert table["url"].str.fullmatch(r"s3://idc-open-data/[0-9a-f-]{36}/").all()
    assert table["licence"].isin(["CC BY 3.0", "CC BY 4.0"]).all()
    assert not table.duplicated(["url"]).any()


@pytest.mark.parametrize(("archive", "scans"), [("lidc", 1018), ("nih_pancreas", 80), ("msd_pancreas", 281)])
def test_scans_of_an_archive_to_be_downloaded_are_images_not_label_maps(tmp_path, archive, scans):
    assert scans_in(archive, tmp_path / "none") == scans_in(archive, tmp_path) == scans


@pytest.mark.parametrize(
    ("archive", "files", "scans"),
    [
        ("lidc", ["a/1/x.dcm", "b/1/x.dcm", "b/2/x.dcm", ".DS_Store"], 2),
        ("lidc", ["LIDC-IDRI/a/1/x.dcm", "LIDC-IDRI/b/1/x.dcm"], 2),
        ("nih_pancreas", [f"{number}.dcm" for number in range(100)], 80),
        ("msd_pancreas", ["imagesTr/a.nii.gz", "imagesTr/._a.nii.gz", "imagesTr/b.nii.gz", "labelsTr/a.nii.gz"], 2),
    ],
)
def test_scans_of_a_part_are_its_patients_or_images(tmp_path, archive, files, scans):
    for file in files:
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert scans_in(archive, tmp_path) == scans


def test_lidc_is_the_contour_databases_scans():
    scans = {(scan.patient_id, scan.series_uid) for scan in load_database().scans}
    table = read_manifest(MANIFESTS / "lidc.csv")
    assert set(zip(table["patient_id"], table["series_uid"], strict=True)) == scans


def test_what_of_lidc_the_checks_will_reject():
    # The forecast of docs/own_data.md: more files than positions are repeated slices.
    database = load_database()
    files = read_manifest(MANIFESTS / "lidc.csv").set_index("series_uid")["instances"]
    lesions = cluster_scans(database)
    repeated, uneven, lost = set(), set(), 0
    for scan in database.scans:
        steps = np.diff(scan.z_mm)
        is_repeated = files[scan.series_uid] != len(scan.z_mm)
        is_uneven = np.abs(steps - np.median(steps)).max() > STEP_TOLERANCE * np.median(steps)
        repeated |= {scan.patient_id[-4:]} if is_repeated else set()
        uneven |= {scan.patient_id[-4:]} if is_uneven else set()
        if is_repeated or is_uneven:
            assert scan.scan_id in first_scans(database)
            lost += len(lesions[scan.scan_id])
    assert uneven == {"0123", "0267", "0514", "0672"}
    assert repeated == {"0085", "0146", "0418", "0572", "0979"}
    assert lost == 8
