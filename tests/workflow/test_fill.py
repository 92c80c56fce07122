"""`snakemake fill` as a user calls it: one scan, a cohort by its sheet, and what is wrong with them."""

import shutil

import pandas as pd
import pytest
from harness import ROOT, Project, failing
from own_files import circle, make_scan, points_of, write_nifti, write_points, write_rtstruct

SLICES = (2, 5, 8)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project with a scan, good annotations and one of another scan, and a sheet of them."""
    project = Project(tmp_path_factory.mktemp("fill") / "a project")
    shutil.copytree(ROOT / "models", project.folder / "models")
    data = project.folder / "data"
    volume = make_scan(data / "ct")
    make_scan(data / "other", series_uid="1.2.77")
    ring = [(points_of(volume, k, circle(20.2, 28, 6)), "CLOSED_PLANAR") for k in SLICES]
    write_rtstruct(data / "good.dcm", data / "ct", [("GTV", ring)])
    write_rtstruct(data / "wrong.dcm", data / "other", [("GTV", ring)])
    write_points(data / "points.csv", volume, {"GTV": {k: circle(20.2, 28, 6) for k in SLICES}})
    write_nifti(data / "empty.nii.gz", volume, volume.array * 0)
    rows = ["P1,CT1,ct,good.dcm,A", "P2,CT1,ct,wrong.dcm,A", "P3,CT1,ct,points.csv,B", "P4,CT1,ct,empty.nii.gz,B"]
    (data / "samples.csv").write_text("patient,scan,image,annotation,site\n" + "\n".join(rows))
    return project


def test_rows_that_cannot_be_filled_are_named_and_the_others_are_done(project):
    settings = ("--config", "fill={sheet: data/samples.csv, name: cohort, model: sdf}", "device=cpu")
    said = failing(project, "fill", "--keep-going", *settings)
    summary = said.partition("Failed, and all that depends on it")[2]
    assert "data/wrong.dcm names the series 1.2.77" in summary
    assert "data/empty.nii.gz holds no lesion" in summary
    assert "good.dcm" not in summary
    done = sorted(path.parent.name for path in project.folder.glob("results/predict/cohort/*/report.html"))
    assert done == ["P1_CT1", "P3_CT1"]
    sheet = project.folder / "data/samples.csv"
    rows = sheet.read_text().splitlines()
    sheet.write_text("\n".join([rows[0], rows[1], rows[3]]))
    status, output = project.run("--cores", "1", "fill", *settings)
    assert status == 0, output
    assert "fill_scan" not in output.partition("Select jobs")[2]
    table = pd.read_csv(project.folder / "results/predict/cohort/cohort.csv")
    assert table["patient"].tolist() == ["P1", "P3"]
    assert table["site"].tolist() == ["A", "B"]
    assert table["volume_mm3"].nunique() == 1
    assert project.planned("fill", *settings) == set()


def test_a_change_of_the_annotation_fills_anew_and_nothing_else_does(project):
    settings = ("--config", "fill={scan: data/ct, annotation: data/points.csv, name: one, model: sdf}", "device=cpu")
    status, output = project.run("--cores", "1", "fill", *settings)
    assert status == 0, output
    assert "Research use. Not for clinical use." in output
    assert project.planned("fill", *settings) == set()
    path = project.folder / "data/points.csv"
    path.write_text(path.read_text() + "\n")
    assert project.planned("fill", *settings) == {"fill_scan", "fill"}


def test_without_a_scan_the_job_says_what_to_give(project):
    assert "There is no scan to fill." in failing(project, "fill")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (("--config", "fill={scan: data/ct}"), "`scan` is given without `annotation`"),
        (("--config", "fill={sheet: data/samples.csv, roi: GTV}"), "`sheet` is given with `roi`"),
        (("--config", "fill={sheet: data/nothing.csv}"), "data/nothing.csv does not exist"),
    ],
)
def test_what_is_missing_or_does_not_fit_is_said_before_any_job(project, settings, words):
    output = failing(project, "fill", *settings)
    assert words in output
    assert "Select jobs to execute" not in output
