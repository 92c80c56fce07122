"""What is wrong with the input is said in one sentence, with exit code 1, and nothing half-written stays."""

import re
import shutil
from pathlib import Path

import pydicom
import pytest
from harness import Project, failing

from explainct.data.annotate.lidc_database import load_database


@pytest.fixture(scope="module")
def real_patient(tmp_path_factory) -> Path:
    """The DICOM folder of the demo's real patient, without others."""
    project = Project(tmp_path_factory.mktemp("real") / "project")
    project.configure({"ingest": {"demo_patients": 0}})
    status, output = project.run("--cores", "2", "results/demo/dicom")
    assert status == 0, output[-3000:]
    return project.folder / "results/demo/dicom"


@pytest.fixture
def dicom(real_patient, tmp_path) -> Path:
    """A DICOM folder to spoil."""
    return Path(shutil.copytree(real_patient, tmp_path / "dicom"))


def indexed(project: Project, dicom: Path) -> str:
    return failing(
        project,
        "results/mine/annotate/lesions.parquet",
        "--config",
        "dataset=mine",
        "on_problem=stop",
        f"ingest={{archives: {{lidc: {dicom}}}}}",
    )


def series_files(dicom: Path) -> list[Path]:
    return sorted(next(folder for folder in sorted(dicom.iterdir()) if folder.is_dir()).glob("*.dcm"))


def test_a_missing_slice_is_named(project, dicom):
    series_files(dicom)[5].unlink()
    output = indexed(project, dicom)
    assert re.search(r"Slice gap of 5 mm between files \S+ and \S+ of series [0-9.]+ \(expected 2\.5 mm\)", output)
    assert not (project.folder / "results/mine/ingest/series.parquet").exists()
    last = output[output.index("Failed, and all that depends on it was not made (1):") :]
    assert re.search(r"^  index_series, results/mine/logs/index_series.log: Slice gap of 5 mm", last, re.M)


def test_a_truncated_file_is_named(project, dicom):
    victim = series_files(dicom)[5]
    victim.write_bytes(victim.read_bytes()[:20_000])
    output = indexed(project, dicom)
    assert victim.name in output
    assert "truncated" in output


def test_a_missing_and_an_empty_folder_are_named(project, tmp_path):
    missing = tmp_path / "nowhere"
    assert str(missing) in indexed(project, missing)
    missing.mkdir()
    output = indexed(project, missing)
    assert str(missing) in output
    assert "no CT series" in output


def test_a_patient_without_annotation_is_named(project, dicom):
    database = load_database()
    bare = next(scan for scan in database.scans if not database.annotations.get(scan.scan_id))
    for path in series_files(dicom):
        header = pydicom.dcmread(path)
        header.SeriesInstanceUID = bare.series_uid
        header.save_as(path)
    output = indexed(project, dicom)
    assert bare.patient_id in output
    assert "on_problem: skip" in output
    assert not (project.folder / "results/mine/annotate/lesions.parquet").exists()


def test_an_unknown_setting_is_answered_before_anything_runs(project):
    output = failing(project, "--config", "trian={epochs: 3}")
    assert "Unknown setting `trian`. Did you mean `train`?" in output
    assert not (project.folder / "results").exists()


def test_a_fresh_clone_shows_the_whole_plan(project):
    project.configure({})
    planned = project.planned()
    assert {"fetch_real_ct", "index_series", "train_interpolator", "map_weights", "table_1"} <= planned


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("train.epochs: 3\n", "`train.epochs` is written flat, but sections are nested: write `train: {epochs: 3}`."),
        ("train:\n  epochs: 3\nseed: 1\ntrain:\n  width: 1\n", "mine.yaml has `train` in line 1 and again in line 4"),
        ("interpolate:\n  channels: [12]\n", "`interpolate.channels.0` is 12: input should be a multiple of 8."),
        ("cluster:\n  resources: mine.csv\n", "mine.csv has a row for 'trian_interpolator', which is no rule."),
    ],
)
def test_a_wrong_file_of_settings_is_answered_before_anything_runs(project, text, sentence):
    (project.folder / "mine.yaml").write_text(text)
    (project.folder / "mine.csv").write_bytes(
        b"\xef\xbb\xbfrule;gpu;mem_mb;runtime;disk_mb\r\ntrian_interpolator;1;;;\r\n"
    )
    assert sentence in failing(project, "--configfile", "mine.yaml")


def test_a_table_of_one_changed_row_is_enough(project):
    project.configure({"cluster": {"resources": "mine.csv"}})
    (project.folder / "mine.csv").write_bytes(
        b"\xef\xbb\xbfrule;gpu;mem_mb;runtime;disk_mb\r\nfetch_real_ct;;777;;\r\n"
    )
    status, output = project.run("-n", "fetch_real_ct")
    assert status == 0, output
    assert "mem_mb=777" in output


def test_a_rule_without_a_row_in_the_projects_table_is_named(project):
    table = project.folder / "config/resources.csv"
    table.write_text(table.read_text().replace("index_series", "fetch_index"))
    assert "config/resources.csv has no row for index_series" in failing(project)
