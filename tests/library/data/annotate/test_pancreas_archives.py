"""From the folders of the pancreas archives to lesions, scans, and what was left out."""

import pandas as pd
import pytest
from mini_pancreas import make_msd, make_nih

from explainct.data.annotate.extract_annotations import extract_annotations
from explainct.data.datasets.registry import DATASETS, dataset_of
from explainct.data.ingest.index_series import index_series
from explainct.errors import UserError

SETTINGS = {"consensus": 0.5, "keep_every": 2, "scans": "first", "inseparable": "keep"}


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """Three scans with a tumour, one of them without its label, and two without a tumour."""
    folder = tmp_path_factory.mktemp("archives")
    make_msd(folder / "msd", patients=3, seed=1)
    make_nih(folder / "nih", patients=2, seed=1, labels="nifti")
    (folder / "msd/labelsTr/pancreas_002.nii.gz").unlink()
    return {"nih_pancreas": str(folder / "nih"), "msd_pancreas": str(folder / "msd")}


def index(archives, folder, on_problem="skip"):
    """Index archives and return the table of series, and that of those left out."""
    files = {"series_file": folder / "series", "left_out_file": folder / "left_out.csv"}
    functions = {name: dataset_of([name]).archive(name).index for name in archives}
    index_series(archives=archives, index=functions, exclude=[], on_problem=on_problem, **files)
    return pd.read_parquet(files["series_file"]), pd.read_csv(files["left_out_file"])


def test_the_index_is_in_order_and_lists_what_is_left_out(archives, tmp_path):
    table, lost = index(archives, tmp_path)
    assert table["archive"].tolist() == ["msd_pancreas"] * 3 + ["nih_pancreas"] * 2
    assert table["patient_id"].tolist() == [
        "pancreas_001",
        "pancreas_002",
        "pancreas_003",
        "PANCREAS_0001",
        "PANCREAS_0002",
    ]
    (lost,) = lost.to_dict("records")
    assert (lost["archive"], lost["series_uid"], lost["files"]) == ("msd_pancreas", "pancreas_002", 1)
    assert "has no label" in lost["reason"]
    with pytest.raises(UserError, match="pancreas_002"):
        index(archives, tmp_path, "stop")


def test_no_id_but_those_of_the_archive_is_taken_over(archives, tmp_path):
    as_lidc, lost = index({"lidc": archives["nih_pancreas"]}, tmp_path, "stop")
    assert as_lidc["patient_id"].tolist() == ["", ""]
    assert lost.empty


def test_annotations_of_both_archives(archives, tmp_path):
    index(archives, tmp_path)
    files = {f"{name}_file": tmp_path / name for name in ("series", "lesions", "slices", "scans")}
    extract = DATASETS["pancreas"].extract
    extract_annotations(archives=archives, extract=extract, settings=SETTINGS, on_problem="skip", **files)
    lesions = pd.read_parquet(tmp_path / "lesions").set_index("patient_id")
    assert lesions["label"].to_dict() == {
        "pancreas_001": 1,
        "pancreas_003": 1,
        "PANCREAS_0001": 0,
        "PANCREAS_0002": 0,
    }
    assert lesions["in_cohort"].all()
    assert (lesions["annotated_slices"] <= (lesions["slices"] + 2) // 2).all()
    scans = pd.read_parquet(tmp_path / "scans").set_index("patient_id")
    assert scans.index[~scans["used"]].tolist() == ["pancreas_002"]
    assert (scans["reason"] != "").equals(~scans["used"])


def test_annotations_of_lidc_come_from_the_database(archives, tmp_path):
    index({"lidc": archives["nih_pancreas"]}, tmp_path, "stop")
    files = {f"{name}_file": tmp_path / name for name in ("series", "lesions", "slices", "scans")}
    with pytest.raises(UserError, match="is not in the LIDC database"):
        extract_annotations(
            archives={"lidc": ""}, extract=DATASETS["lidc"].extract, settings=SETTINGS, on_problem="stop", **files
        )
