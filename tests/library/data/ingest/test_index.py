"""The index of a DICOM folder: what it accepts, what it rejects, and what it says."""

import logging
import os
import shutil

import pydicom
import pytest
from ct_series import SERIES, change, cut, put, uncompress, write_series
from pydicom.data import get_testdata_file
from pydicom.uid import RLELossless, generate_uid

from explainct.data.ingest.dicom_index import index_dicom
from explainct.data.ingest.dicom_io import PLANTED
from explainct.errors import UserError


def index(folder, exclude=(), on_problem="skip"):
    return index_dicom(folder, exclude=exclude, on_problem=on_problem)


def only_reason(folder):
    """Index a folder with one bad series both ways and return the reason."""
    table = index(folder)
    assert table.verdict.tolist() == ["rejected"]
    (reason,) = table.reason
    with pytest.raises(UserError) as error:
        index(folder, on_problem="stop")
    assert str(error.value).startswith(reason)
    assert "`ingest.exclude`" in str(error.value)
    assert "`on_problem: skip`" in str(error.value)
    return reason


def test_row_of_an_accepted_series(tmp_path):
    volume = write_series(tmp_path)
    (row,) = index(tmp_path, on_problem="stop").to_dict("records")
    expected = {
        "format": "dicom",
        "series_uid": SERIES,
        "patient_id": "",
        "files": ["5.dcm", "4.dcm", "3.dcm", "2.dcm", "1.dcm"],
        "instance_uids": [generate_uid(entropy_srcs=[SERIES, str(k)]) for k in range(1, 6)],
        "label_file": "",
        "z_mm": [-125.0, -122.5, -120.0, -117.5, -115.0],
        "rows": 6,
        "columns": 8,
        "slices": 5,
        "spacing_z": 2.5,
        "spacing_y": 0.7,
        "spacing_x": 0.7,
        "origin": list(volume.origin),
        "direction": list(volume.direction),
        "verdict": "accepted",
        "reason": "",
    }
    assert list(row.items()) == list(expected.items())


def test_series_are_told_apart_by_header_not_by_folder(tmp_path):
    one, two = tmp_path / "Ärzte & Bilder", tmp_path / "scan 2" / "日本"
    write_series(one, uid="1.2.30")
    write_series(two, uid="1.2.4")
    (two / "1.dcm").rename(one / "stray without suffix")
    (tmp_path / "README.txt").write_text("no DICOM")
    (tmp_path / "short").write_bytes(b"DICM")
    table = index(tmp_path, on_problem="stop")
    assert table.series_uid.tolist() == ["1.2.30", "1.2.4"]
    assert table.slices.tolist() == [5, 5]
    assert table.files[1][-1] == "Ärzte & Bilder/stray without suffix"


def test_slice_thickness_is_not_looked_at(tmp_path):
    write_series(tmp_path)
    for path in tmp_path.iterdir():
        change(path, SliceThickness=9)
    assert index(tmp_path).spacing_z.tolist() == [2.5]


def test_root_may_be_a_link_and_hidden_names_are_passed_over(tmp_path):
    write_series(tmp_path / "archive")
    write_series(tmp_path / "archive" / ".Trash", uid="1.2.9")
    (tmp_path / "archive" / "._1.dcm").write_bytes(b"resource fork")
    (tmp_path / "data").symlink_to(tmp_path / "archive", target_is_directory=True)
    table = index(tmp_path / "data", on_problem="stop")
    assert table.series_uid.tolist() == [SERIES]
    assert table.files[0][0] == "5.dcm"


def test_links_inside_the_folder_are_followed(tmp_path):
    write_series(tmp_path / ".store" / "objects")
    for k in range(1, 6):
        (tmp_path / f"{k}.dcm").symlink_to(tmp_path / ".store" / "objects" / f"{k}.dcm")
    assert index(tmp_path, on_problem="stop").files[0] == ["5.dcm", "4.dcm", "3.dcm", "2.dcm", "1.dcm"]
    (tmp_path / "deep").mkdir()
    for name in ("b", "a"):
        (tmp_path / "deep" / name).symlink_to(tmp_path / ".store", target_is_directory=True)
    for k in range(1, 6):
        (tmp_path / f"{k}.dcm").unlink()
    assert index(tmp_path, on_problem="stop").files[0][0] == "deep/a/objects/5.dcm"


def test_a_file_reached_in_several_ways_is_one_file(tmp_path):
    write_series(tmp_path / "scan")
    (tmp_path / "again").symlink_to("scan", target_is_directory=True)
    (tmp_path / "scan" / "0.dcm").symlink_to("1.dcm")
    (tmp_path / "scan" / "up").symlink_to("..", target_is_directory=True)
    table = index(tmp_path, on_problem="stop")
    assert table.files.tolist() == [["scan/5.dcm", "scan/4.dcm", "scan/3.dcm", "scan/2.dcm", "scan/1.dcm"]]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("name", ["3.dcm", "."])
def test_what_may_not_be_read_is_a_row(tmp_path, name):
    write_series(tmp_path / "scan")
    (tmp_path / "scan" / name).chmod(0)
    table = index(tmp_path)
    (tmp_path / "scan" / name).chmod(0o700)
    assert "Permission denied" in table.reason.iloc[-1]


def test_names_of_any_characters_stay_on_one_line(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    write_series(tmp_path)
    (tmp_path / "1.dcm").rename(tmp_path / "Schädel\n日本.dcm")
    table = index(tmp_path, on_problem="stop")
    assert table.files[0][-1] == "Schädel\n日本.dcm"
    (tmp_path / "2.dcm").unlink()
    assert "files 3.dcm and 'Schädel\\n日本.dcm' of series" in only_reason(tmp_path)
    assert all("\n" not in record.getMessage() for record in caplog.records)


def test_public_patient_ids_are_taken_over_and_others_never(tmp_path):
    for number, patient in enumerate(["PANCREAS_0001", "MUSTERMANN_0002", "PANCREAS_0003^X"]):
        write_series(tmp_path / str(number), uid=f"1.2.{number}")
        for path in (tmp_path / str(number)).iterdir():
            change(path, PatientID=patient)
    table = index_dicom(tmp_path, exclude=[], on_problem="stop", patient_pattern=r"PANCREAS_\d{4}")
    assert table.patient_id.tolist() == ["PANCREAS_0001", "", ""]
    assert index(tmp_path).patient_id.tolist() == ["", "", ""]


def test_derived_axial_slices_and_missing_optional_elements_are_accepted(tmp_path):
    write_series(tmp_path)
    values = {"ImageType": None, "InstanceNumber": None, "RescaleType": None}
    change(tmp_path / "1.dcm", **values)
    change(tmp_path / "2.dcm", RescaleType="US", ImageType=["DERIVED", "PRIMARY", "AXIAL", "CT_SOM5 SPI"])
    change(tmp_path / "3.dcm", RescaleSlope=2, RescaleIntercept=-1000)
    put(tmp_path / "3.dcm", "PixelPaddingValue", b"\x30\xf8")
    put(tmp_path / "4.dcm", "InstanceNumber", b"four")
    assert index(tmp_path, on_problem="stop").slices.tolist() == [5]


def test_compressed_series_is_accepted(tmp_path):
    write_series(tmp_path)
    for path in tmp_path.iterdir():
        dataset = pydicom.dcmread(path)
        dataset.compress(RLELossless, generate_instance_uid=False)
        dataset.save_as(path)
    assert index(tmp_path, on_problem="stop").slices.tolist() == [5]


def test_excluding_one_of_two_series_with_the_same_instances_keeps_the_other(tmp_path):
    write_series(tmp_path / "one", uid="1.2.1")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    for path in (tmp_path / "two").iterdir():
        change(path, SeriesInstanceUID="1.2.2")
    assert index(tmp_path).verdict.tolist() == ["rejected", "rejected"]
    assert index(tmp_path, exclude=["1.2.2"], on_problem="stop").verdict.tolist() == ["accepted", "rejected"]


def test_other_modalities_are_passed_over(tmp_path):
    write_series(tmp_path)
    change(tmp_path / "1.dcm", Modality="SEG")
    assert index(tmp_path, on_problem="stop").slices.tolist() == [4]


def test_directory_of_a_disc_is_passed_over(tmp_path):
    write_series(tmp_path)
    shutil.copy(get_testdata_file("DICOMDIR"), tmp_path)
    assert index(tmp_path, on_problem="stop").slices.tolist() == [5]


def test_missing_slice(tmp_path):
    write_series(tmp_path)
    (tmp_path / "3.dcm").unlink()
    assert only_reason(tmp_path) == (
        "Slice gap of 5 mm between files 4.dcm and 2.dcm of series 1.2.3.4 (expected 2.5 mm); "
        "the series misses a slice."
    )


def test_several_missing_slices(tmp_path):
    write_series(tmp_path, slices=9)
    for name in ("3.dcm", "4.dcm"):
        (tmp_path / name).unlink()
    assert "misses 2 slices" in only_reason(tmp_path)


def test_repeated_slice(tmp_path):
    write_series(tmp_path)
    change(tmp_path / "3.dcm", ImagePositionPatient=[-10.5, 20.25, -122.5])
    reason = only_reason(tmp_path)
    assert "between files 3.dcm and 4.dcm" in reason
    assert "z = -122.50 mm is there twice" in reason


@pytest.mark.parametrize(("z", "verdict"), [(-120.6, "rejected"), (-119.4, "rejected"), (-119.95, "accepted")])
def test_uneven_spacing_is_judged_relative_to_the_spacing(tmp_path, z, verdict):
    write_series(tmp_path)
    change(tmp_path / "3.dcm", ImagePositionPatient=[-10.5, 20.25, z])
    table = index(tmp_path)
    assert table.verdict.tolist() == [verdict]
    assert ("unevenly spaced" in table.reason[0]) == (verdict == "rejected")


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ({"PixelSpacing": [0.8, 0.8]}, "different pixel spacings: 5.dcm has (0.7, 0.7), 3.dcm has (0.8, 0.8)"),
        ({"Rows": 8, "Columns": 6}, "different sizes: 5.dcm has (6, 8), 3.dcm has (8, 6)"),
        ({"ImageOrientationPatient": [0, 1, 0, 1, 0, 0]}, "different orientation"),
        ({"ImagePositionPatient": [-9.5, 20.25, -120]}, "shifted in-plane by 1.00 mm"),
        ({"ImagePositionPatient": None}, "has no ImagePositionPatient in its header"),
        ({"PixelSpacing": None}, "has no PixelSpacing in its header"),
    ],
)
def test_slices_that_differ_from_the_others(tmp_path, values, what):
    write_series(tmp_path)
    change(tmp_path / "3.dcm", **values)
    assert what in only_reason(tmp_path)


def test_tilted_series(tmp_path):
    write_series(tmp_path)
    for path in tmp_path.iterdir():
        change(path, ImageOrientationPatient=[1, 0, 0, 0, 0.995, 0.0999])
    assert "tilted" in only_reason(tmp_path)


def test_prone_series_is_accepted_with_z_ascending(tmp_path):
    write_series(tmp_path)
    for path in tmp_path.iterdir():
        change(path, ImageOrientationPatient=[-1, 0, 0, 0, 1, 0])
    (row,) = index(tmp_path, on_problem="stop").to_dict("records")
    assert row["z_mm"] == sorted(row["z_mm"])
    assert row["direction"] == [-1, 0, 0, 0, 1, 0, 0, 0, 1]


def test_single_slice(tmp_path):
    write_series(tmp_path, slices=1)
    assert "only 1 slice" in only_reason(tmp_path)


def test_file_with_too_few_pixels_rejects_its_series(tmp_path):
    write_series(tmp_path)
    for path in tmp_path.iterdir():
        uncompress(path)
    cut(tmp_path / "3.dcm", 0.97)
    reason = only_reason(tmp_path)
    assert reason.startswith("File 3.dcm is truncated: 96 bytes of pixels expected, ")
    assert SERIES in reason


@pytest.mark.parametrize("share", [0, 0.1, 0.4, 0.7, 0.99])
def test_deflated_file_that_ends_early_is_a_row_of_its_own(tmp_path, share):
    write_series(tmp_path)
    cut(tmp_path / "1.dcm", share)
    table = index(tmp_path)
    assert table.series_uid.tolist() == [SERIES, "unreadable:1.dcm"]
    assert table.verdict.tolist() == ["accepted", "rejected"]
    assert "File 1.dcm" in table.reason[1]
    with pytest.raises(UserError, match=r"File 1\.dcm"):
        index(tmp_path, on_problem="stop")
    assert index(tmp_path, exclude=["unreadable:1.dcm"], on_problem="stop").slices.tolist() == [4, 1]


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.7, 0.9, 0.99])
def test_uncompressed_file_that_ends_early_never_passes(tmp_path, share):
    write_series(tmp_path)
    for path in tmp_path.iterdir():
        uncompress(path)
    cut(tmp_path / "1.dcm", share)
    assert "rejected" in index(tmp_path).verdict.tolist()


def test_excluded_series_is_listed_and_stops_nothing(tmp_path):
    write_series(tmp_path / "bad", uid="1.2.1")
    (tmp_path / "bad" / "3.dcm").unlink()
    write_series(tmp_path / "good", uid="1.2.2")
    table = index(tmp_path, exclude=["1.2.1"], on_problem="stop")
    assert table.verdict.tolist() == ["rejected", "accepted"]
    assert table.reason.tolist() == ["Excluded by the setting `ingest.exclude`.", ""]


def test_missing_and_empty_folders_are_named(tmp_path, monkeypatch):
    with pytest.raises(UserError, match=f"{tmp_path}/none does not exist"):
        index(tmp_path / "none")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=rf"{tmp_path}/none .'none', taken relative to {tmp_path}."):
        index("none")
    (tmp_path / "README.txt").write_text("no DICOM here")
    with pytest.raises(UserError, match=f"{tmp_path} holds no CT series"):
        index(tmp_path)


def test_no_identity_reaches_table_messages_or_log(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    write_series(tmp_path / "good", uid="1.2.1")
    write_series(tmp_path / "gap", uid="1.2.2")
    (tmp_path / "gap" / "3.dcm").unlink()
    cut(tmp_path / "good" / "1.dcm", 0.9)
    table = index(tmp_path)
    with pytest.raises(UserError) as error:
        index(tmp_path, on_problem="stop")
    written = table.to_csv() + caplog.text + str(error.value)
    assert "rejected" in written
    for word in PLANTED.values():
        assert word not in written


def test_table_survives_parquet(tmp_path):
    write_series(tmp_path / "in", uid="1.2.1")
    write_series(tmp_path / "in" / "bad", uid="1.2.2", slices=1)
    table = index(tmp_path / "in")
    table.to_parquet(tmp_path / "t.parquet", index=False)
    again = type(table)(table).assign(z_mm=[list(z) for z in table.z_mm])
    assert again.z_mm.tolist() == [[-125.0, -122.5, -120.0, -117.5, -115.0], []]
