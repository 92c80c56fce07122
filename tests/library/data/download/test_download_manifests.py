"""The committed manifests: what they hold, and that they are what the packages say."""

import numpy as np
import pytest

from explainct.data.annotate.lidc_scans import cluster_scans, first_scans
from explainct.data.datasets.registry import downloads
from explainct.data.download.manifest import MANIFESTS, read_manifest
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


@pytest.mark.parametrize("archive", downloads().values(), ids=downloads())
def test_a_dataset_and_its_manifest_say_the_same(archive):
    images = read_manifest(MANIFESTS / f"{archive.name}.csv").query("modality == 'CT'")
    scans = images["scans"].sum() if "scans" in images else len(images)
    assert archive.scans == scans
    assert set(images["licence"]) == {archive.licence}
    assert set(images["doi"]) == {archive.doi}
    if "size_mb" in images:
        assert images["size_mb"].sum() < archive.disk_mb


def test_lidc_is_the_contour_databases_scans(database):
    scans = {(scan.patient_id, scan.series_uid) for scan in database.scans}
    table = read_manifest(MANIFESTS / "lidc.csv")
    assert set(zip(table["patient_id"], table["series_uid"], strict=True)) == scans


def test_what_of_lidc_the_checks_will_reject(database):
    # The forecast of docs/own_data.md: more files than positions are repeated slices.
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
