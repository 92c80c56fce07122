"""The whole workflow at a tiny size: complete, repeatable, resumable, and rerun exactly where it must be."""

import json
import re
import shutil
import subprocess
import sys
import time
from importlib.metadata import version

import pandas as pd
import pytest
import yaml
from harness import ROOT, TINY, Project, failing, kill

STUDY = "results/lidc_contours/due/interpolation_study"
TABLES = ("table1.csv", "table1.md", "table1.tex")
RAN = {
    "train_all_seeds",
    "plot_progress",
    "explain_classifier",
    "evaluate_classifier",
    "table_1",
    "figure_4",
    "figure_5",
    "table1_figure",
    "reliability_figure",
    "compare_methods",
    "browse_lesions",
}
"""Some rules of a whole first run."""

AFTER_RESULTS = {"stage_times", "run_record", "default"}
PREDICTOR_OF_STUDY = {"train_study_model", "sample_study_variance", "train_study_uncertainty"}


def test_table_1_has_every_method_and_metric(finished):
    table = pd.read_csv(finished.folder / "results/demo/due/tables/table1.csv")
    columns = ["dataset", "method", "metric", "mean", "std", "n_seeds", "published_mean", "published_std"]
    assert list(table.columns) == columns
    assert set(table.method) == {"due", "res_l"}
    assert (table.n_seeds == 2).all()
    metrics = table.groupby("method").metric.agg(frozenset)
    assert metrics.nunique() == 1
    assert {
        "roc_auc",
        "average_precision",
        "iou",
        "precision",
        "accuracy_chosen_threshold",
        "hit_rate",
    } <= metrics.iloc[0]
    assert table["mean"].between(0, 1).all()
    assert "semi-synthetic cohort" in (finished.folder / "results/demo/due/tables/table1.md").read_text()


def test_the_record_of_the_run_repeats_it(finished, tmp_path):
    record = yaml.safe_load((finished.folder / "results/demo/run.yaml").read_text())
    assert record["code"].keys() == {path.stem for path in (ROOT / "workflow/scripts").glob("*.py")}
    assert record["packages"]["torch"] == version("torch")
    assert all(re.match(r"cpu, 1 threads|.+, bfloat16", name) for name in record["devices"]["train_all_seeds"])
    assert {"train_interpolator", "sample_variance", "explain_classifier"} <= record["devices"].keys()
    assert "table_1" not in record["devices"]
    settings = tmp_path / "again.yaml"
    settings.write_text(yaml.safe_dump(record["settings"]))
    assert finished.planned("--configfile", str(settings)) == set()


def test_a_second_run_has_nothing_to_do(finished):
    status, output = finished.run("--cores", "2")
    assert status == 0
    assert "Nothing to be done" in output


def test_both_snakefiles_have_the_same_target(project):
    root, own = (project.planned("-s", name) for name in ("Snakefile", "workflow/Snakefile"))
    assert root - {"default"} == own - {"all"}


def test_no_checkpoint_or_part_is_left(finished):
    left = [path.name for path in (finished.folder / "results").rglob("*") if path.name.startswith((".part", "last"))]
    assert left == []


def test_nothing_of_the_planted_identity_leaves_the_dicom_folder(finished):
    results = finished.folder / "results"
    planted = [path for path in results.rglob("*") if path.is_file() and b"PLANTED" in path.read_bytes()]
    birth = [path for path in results.rglob("*.log") if b"19010203" in path.read_bytes()]
    assert birth == []
    assert {path.relative_to(results).parts[:2] for path in planted} <= {("demo", "dicom")}
    some = next((results / "demo/dicom").rglob("*.dcm"))
    code = f"import pydicom; print(pydicom.dcmread({str(some)!r}).PatientName)"
    assert "PLANTED" in subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout


def test_masks_are_exported_without_the_planted_identity(finished):
    status, output = finished.run("--cores", "2", "export")
    assert status == 0, output[-3000:]
    folder = finished.folder / "results/demo/export"
    lesions = pd.read_parquet(finished.folder / "results/demo/annotate/lesions.parquet").query("in_cohort")
    exported = [path for path in folder.glob("*/*") if path.is_dir()]
    assert {path.name for path in exported} == set(lesions["lesion_id"])
    for path in exported:
        assert {"consensus.nii.gz", "reader0.nii.gz", "segmentation.dcm"} <= {file.name for file in path.iterdir()}
        assert b"PLANTED" not in (path / "segmentation.dcm").read_bytes()
    assert len(list(folder.glob("*/*/interpolated.nii.gz"))) > 0


@pytest.mark.parametrize(
    "target",
    [
        "count_lidc",
        "interpolation_study",
        "benchmark_annotation",
        "benchmark_crop",
        "benchmark_supervision",
        *(f"resources/archives/{archive}.csv" for archive in ("lidc", "nih_pancreas", "msd_pancreas")),
    ],
)
def test_what_is_asked_for_by_name_has_a_plan(finished, target):
    assert len(finished.planned(target)) == 1


@pytest.mark.parametrize(
    ("target", "planned"),
    [
        ("interpolation_study", {*PREDICTOR_OF_STUDY, "fill_hidden_slices", "interpolation_study"}),
        ("check_sampler", {"train_study_model", "check_sampler"}),
        ("benchmark_uncertainty", {*PREDICTOR_OF_STUDY, "benchmark_uncertainty"}),
        (
            f"{STUDY}/filled/diffusion_draws.h5",
            {"train_study_model", "fill_hidden_slices"},
        ),
    ],
)
def test_what_the_study_learns_has_a_plan(project, target, planned):
    assert project.planned(target, "--configfile", "config/lidc_contours.yaml") == planned


@pytest.mark.parametrize("dataset", ["lidc", "pancreas"])
def test_the_papers_experiments_have_a_plan_for_each_dataset(project, dataset):
    files = [str(ROOT / "config" / f"{name}.yaml") for name in ("paper", dataset)]
    planned = project.planned("--configfile", *files)
    assert {"table_1", "figure_3", "figure_4", "figure_5", "figure_6"} <= planned


@pytest.mark.parametrize("name", [path.name for path in sorted((ROOT / "config").glob("*.yaml"))])
def test_every_file_of_settings_has_a_plan(project, name):
    # The paper's sizes are for a dataset of their own, whose file goes behind them.
    names = [name, "lidc.yaml"] if name == "paper.yaml" else [name]
    project.configure({})
    planned = project.planned("--configfile", *(str(ROOT / "config" / name) for name in names))
    assert {"index_series", "train_interpolator", "table_1"} <= planned


@pytest.mark.parametrize("target", ["figure_3", "figure_6"])
def test_sweeps_have_a_plan(finished, target):
    assert {target, "train_classifier"} <= finished.planned(target)


def test_the_planted_cue_has_a_plan(project):
    planned = project.planned("cue_table", "--configfile", str(ROOT / "config/demo_cue.yaml"))
    assert {"train_all_seeds", "predict_cued", "cue_table"} <= planned
    assert "explain_classifier" not in planned


def test_the_annotation_study_trains_what_its_conditions_share_once(project):
    status, output = project.run("-n", "annotation_study", "--configfile", str(ROOT / "config/annotation_study.yaml"))
    assert status == 0, output
    planned = {rule: int(jobs) for rule, jobs in re.findall(r"^(\w+) +(\d+)$", output, re.M)}
    once = ("make_demo_cohort", "extract_crops", "train_interpolator", "train_uncertainty", "train_all_seeds")
    assert [planned[rule] for rule in once] == [1] * 5
    # Four numbers of slices by two kinds of outlines, and five methods that see them.
    assert planned["thin_annotation"] == planned["map_thinned_weights"] == 8
    assert planned["train_thinned"] == planned["explain_thinned"] == planned["evaluate_thinned"] == 40
    assert not {"train_classifier", "map_weights"} & planned.keys()


@pytest.mark.slow
def test_killed_in_training_and_resumed_in_a_folder_with_a_space_gives_the_same_bytes(finished, tmp_path):
    other = Project(tmp_path / "another folder")
    process = other.start("--cores", "2", "table_1")
    runs = other.folder / "results/demo/classifiers/lesion"
    deadline = time.monotonic() + 600
    while not list(runs.rglob("last.pt")):
        assert process.poll() is None, process.stdout.read()[-6000:]
        assert time.monotonic() < deadline
        time.sleep(0.02)
    kill(process)
    killed = list(runs.rglob("last.pt"))
    assert killed
    status, output = other.run("--cores", "2", "table_1")
    assert status == 0, output[-6000:]
    logs = [path.read_text() for path in (other.folder / "results/demo/logs").glob("train_*/*.log")]
    assert any(re.search(r"resuming after epoch \d of 3", text) for text in logs)
    for name in TABLES:
        here, there = (project.folder / "results/demo/due/tables" / name for project in (finished, other))
        assert here.read_bytes() == there.read_bytes(), name
    for model in sorted((finished.folder / "results/demo").rglob("model.pt")):
        assert (other.folder / model.relative_to(finished.folder)).read_bytes() == model.read_bytes(), model


def test_the_chart_of_time_and_memory_has_every_rule_that_ran(finished):
    stages = pd.read_csv(finished.folder / "results/demo/stages.csv").set_index("stage")
    folder = finished.folder / "results/demo/benchmarks"
    # Another test may have asked for the masks since.
    assert set(stages.index) >= {path.stem for path in folder.iterdir()} - AFTER_RESULTS - {"export_masks"}
    assert set(stages.index) >= RAN
    assert stages.loc["train_all_seeds", "jobs"] == 2
    assert (stages["seconds"] > 0).all()


@pytest.fixture(scope="module")
def report(finished):
    """What the report holds: its results by path, and its text; made where the SLURM executor has left a table."""
    table = finished.folder / ".snakemake/slurm_efficiency/efficiency_report_0f1e2d3c-aaaa.csv"
    table.parent.mkdir()
    table.write_text(",JobID,RuleName,CPU Efficiency (%),Memory Usage (%)\n0,101.0,train_classifier,90.7,25.1\n")
    try:
        assert finished.planned() == set()
        status, output = finished.run(
            "--report", "results/demo/report.html", "--report-stylesheet", "workflow/report/report.css"
        )
    finally:
        shutil.rmtree(table.parent)
    assert status == 0, output[-3000:]
    text = (finished.folder / "results/demo/report.html").read_text()
    return json.loads(re.search(r"^ *var results = (\{.+\});$", text, re.M)[1]), text


def test_the_report_says_under_each_figure_what_made_it(finished, report):
    results, text = report
    code = yaml.safe_load((finished.folder / "results/demo/run.yaml").read_text())["code"]
    pictures = {path for path in results if path.endswith(".png")}
    assert {"results/demo/due/figures/figure4.png", "results/demo/stages.png"} < pictures
    for path, result in results.items():
        rule = result["job_properties"]["rule"]
        words = re.sub(r"<[^>]+>|\n", " ", result["caption"])
        if "slurm" not in path:
            assert re.search(rf"Made by rule +{rule} *, code +{code[rule]} *;", words), (path, words)
    assert "semi-synthetic cohort" in text
    assert "Seeds of the classifiers: 0, 1;" in text


def test_the_report_shows_the_record_and_what_slurm_says(report):
    results, _ = report
    assert results["results/demo/run.html"]["mime_type"] == "text/html"
    slurm = results[".snakemake/slurm_efficiency/efficiency_report_0f1e2d3c-aaaa.csv"]
    assert slurm["labels"] == {"result": "SLURM efficiency 0f1e2d3c (CSV)"}
    assert "sacct" in slurm["caption"]


def test_a_checkpoint_of_another_configuration_is_set_aside_and_the_training_starts_anew(finished):
    folder = finished.folder / "results/demo/classifiers/lesion/due/n4_lambda1"
    target = "results/demo/classifiers/lesion/due/n4_lambda1/seed0/model.pt"
    moved = finished.folder / "kept"
    shutil.move(folder, moved)
    try:
        process = finished.start("--cores", "2", target)
        while not list(folder.rglob("last.pt")):
            assert process.poll() is None
            time.sleep(0.02)
        kill(process)
        changed = yaml.safe_dump({"train": {**TINY["train"], "learning_rate": 0.01}})
        (finished.folder / "changed.yaml").write_text(changed)
        status, output = finished.run("--cores", "2", target, "--configfile", "changed.yaml")
        assert status == 0, output[-3000:]
        assert "set aside" in output
        assert list(folder.rglob("*.set_aside"))
        assert (finished.folder / target).exists()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.move(moved, folder)


def test_a_gpu_that_is_not_there_is_a_clear_error(finished):
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    target = "results/demo/due/interpolation/model.pt"
    kept = (finished.folder / target).read_bytes()
    try:
        output = failing(finished, target, "--config", "device=cuda")
        assert "`device: cuda` asks for a GPU" in output
        assert not (finished.folder / target).exists()
    finally:
        (finished.folder / target).write_bytes(kept)
