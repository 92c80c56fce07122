"""Archives as they are downloaded, in miniature: any layout, with something broken, runs to Table 1."""

import os
from pathlib import Path

import pandas as pd
import pydicom
import pytest
import yaml
from harness import TINY, Project, failing
from mini_pancreas import make_msd, make_nih

from explainct.config import read_config

BROKEN = "LIDC-IDRI-0001"


def lay_out(dicom: Path, archive: Path, layout: str) -> None:
    """Lay out a folder of DICOM files as TCIA or IDC does; links are free."""
    for path in sorted(dicom.rglob("*.dcm")):
        header = pydicom.dcmread(path, stop_before_pixels=True)
        series, number = str(header.SeriesInstanceUID), int(header.InstanceNumber)
        if layout == "tcia":
            place = Path(header.PatientID, "01-01-2000-NA-NA-30178", f"{series[-5:]}.000000-NA", f"1-{number:03}.dcm")
        else:
            place = Path(header.PatientID, header.StudyInstanceUID, f"CT_{series}", f"{header.SOPInstanceUID}.dcm")
        target = archive / place
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(path, target)


def settings_files(config: str) -> tuple[str, ...]:
    """Return what names a configuration that is shipped, with the settings of `run`."""
    return ("--configfile", f"config/{config}.yaml", "tiny.yaml")


def run(project: Project, config: str, settings: dict) -> str:
    """Run to Table 1 and the cohort's flow with a configuration that is shipped; return what was printed."""
    (project.folder / "tiny.yaml").write_text(yaml.safe_dump(settings))
    arguments = ("--cores", "2", "table_1", f"results/{config}/annotate/flow.csv", *settings_files(config))
    assert "figure_4" in project.planned(*settings_files(config))
    status, output = project.run(*arguments)
    assert status == 0, output[-6000:]
    return output


def tiny(archives: dict[str, Path], scans_per_shard: int) -> dict:
    """Return all settings at a tiny size, but for the dataset; shards are of the published number of scans."""
    settings = read_config(TINY)
    del settings["dataset"]
    settings["ingest"]["archives"] = {name: str(folder) for name, folder in archives.items()}
    settings["samples"]["scans_per_shard"] = scans_per_shard
    settings["train"]["methods"] = ["due"]
    return settings


@pytest.mark.slow
def test_idcs_layout_beside_the_demo_gives_the_same_table_and_leaves_the_demos(finished, tmp_path):
    archive, lidc, results = tmp_path / "archive", settings_files("lidc"), finished.folder / "results"
    tables = {name: results / f"{name}/due/tables/table1.csv" for name in ("demo", "lidc")}
    before = {path: path.read_bytes() for path in (results / "demo").rglob("*") if path.is_file()}
    lay_out(results / "demo/dicom", archive, "idc")
    settings = tiny({"lidc": archive}, scans_per_shard=600)
    settings["interpolate"]["annotation_from"] = "all"  # as the demo
    run(finished, "lidc", settings)
    demo, mine = (pd.read_csv(tables[name]) for name in ("demo", "lidc"))
    assert set(mine["dataset"]) == {"lidc"}
    demo = demo[demo["method"] == "due"].reset_index(drop=True)
    pd.testing.assert_frame_equal(mine.drop(columns="dataset"), demo.drop(columns="dataset"), check_exact=True)
    series = [
        pd.read_parquet(results / name / "ingest/series.parquet").drop(columns="files") for name in ("demo", "lidc")
    ]
    pd.testing.assert_frame_equal(*series)
    # The one, the other, and back: neither dataset runs again, and no file of the demo has changed.
    assert finished.planned() == set()
    assert finished.planned("table_1", "cohort_flow", *lidc) == set()
    status, output = finished.run("--cores", "2")
    assert status == 0
    assert "Nothing to be done" in output
    assert {path: path.read_bytes() for path in (results / "demo").rglob("*") if path.is_file()} == before
    (next(archive.rglob("*.dcm")).parent / "added.dcm").touch()
    assert "index_series" in finished.planned("cohort_flow", *lidc)
    assert finished.planned() == set()


@pytest.mark.slow
def test_one_broken_series_in_tcias_layout_is_listed_and_the_rest_is_done(finished, tmp_path, project):
    lay_out(finished.folder / "results/demo/dicom", tmp_path / "archive", "tcia")
    victims = sorted((tmp_path / "archive" / BROKEN).rglob("*.dcm"))
    victims[5].unlink()
    (uid,) = {pydicom.dcmread(path, stop_before_pixels=True).SeriesInstanceUID for path in victims[:1]}
    settings = tiny({"lidc": tmp_path / "archive"}, scans_per_shard=600)
    settings["train"]["seeds"] = [0]
    output = run(project, "lidc", settings)
    results = project.folder / "results"
    assert "1 series were left out; results/lidc/annotate/flow.csv has the reasons." in output
    (lost,) = pd.read_csv(results / "lidc/ingest/left_out.csv").to_dict("records")
    assert lost["series_uid"] == uid
    assert "the series misses a slice" in lost["reason"]
    flow = pd.read_csv(results / "lidc/annotate/flow.csv", keep_default_na=False)
    assert lost["reason"] in set(flow["reason"])
    before, after = (
        pd.read_parquet(path / "annotate/lesions.parquet").query("in_cohort").set_index("lesion_id")
        for path in (finished.folder / "results/demo", results / "lidc")
    )
    assert set(after.index) == set(before.index[before["patient_id"] != BROKEN])
    assert (results / "lidc/due/tables/table1.csv").exists()
    assert (results / "lidc/annotate/flow.png").exists()


@pytest.mark.slow
def test_pancreas(tmp_path, project):
    msd, nih = tmp_path / "Task07_Pancreas", tmp_path / "Pancreas-CT"
    make_msd(msd, patients=12, seed=0)
    make_nih(nih, patients=8, seed=0, labels="seg")
    (msd / "labelsTr/pancreas_001.nii.gz").unlink()
    settings = tiny({"msd_pancreas": msd, "nih_pancreas": nih}, scans_per_shard=200)
    settings["samples"] |= {"train": 0.4, "validation": 0.25, "margin_mm": 0, "negatives_per_lesion": 0}
    settings["train"]["seeds"] = [0]
    run(project, "pancreas", settings)
    results = project.folder / "results"
    samples = pd.read_parquet(results / "pancreas/samples/samples.parquet")
    assert samples["label"].value_counts().to_dict() == {1: 11, 0: 8}
    assert (samples.groupby("split")["label"].nunique() == 2).all()
    table = pd.read_csv(results / "pancreas/due/tables/table1.csv")
    assert set(table["dataset"]) == {"pancreas"}
    assert table["mean"].between(0, 1).all()
    left_out = pd.read_csv(results / "pancreas/ingest/left_out.csv")
    assert left_out["series_uid"].tolist() == ["pancreas_001"]
    assert "has no label" in left_out["reason"].item()


def test_an_archive_that_no_dataset_has_is_refused_before_any_job(project):
    output = failing(project, "--config", "dataset=mine", "ingest={archives: {lidcc: somewhere}}")
    assert "Setting `ingest.archives` names `lidcc`, which is no archive of any dataset. Did you mean `lidc`?" in output
    assert not (project.folder / "results").exists()
