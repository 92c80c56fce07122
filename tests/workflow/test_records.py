"""What is said of a run: before it, what it will take; after it, what it took; and both of this run's own jobs only."""

import json
import re

import pandas as pd
import yaml


def forecasts(project, *arguments):
    """Return what a dry run says that the jobs will take; it says so above and below the list of jobs."""
    status, output = project.run("-n", *arguments)
    assert status == 0, output
    said = re.findall(r"^Expected: .+$", output, re.M)
    assert len(said) == 2
    assert said[0] == said[1]
    return said[0]


def test_a_dry_run_forecasts_from_jobs_of_this_dataset_and_these_settings_only(finished):
    same = forecasts(finished, "--forceall")
    assert "by the records of equal jobs in results/demo/benchmarks, results/published/benchmarks;" in same
    assert "at most 0 min of" not in same
    # A method that has models is trained seed by seed when it is trained again; that was not done before.
    assert "for train_classifier without such a record" in same
    longer = forecasts(finished, "--forceall", "--config", "uncertainty={epochs: 300}")
    assert set(re.search(r"for (.+) without such a record", longer)[1].split(", ")) == {
        "run_record",
        "train_classifier",
        "train_uncertainty",
    }
    other = forecasts(finished, "--configfile", "config/lidc.yaml")
    assert "by the records of equal jobs" not in other or "results/demo" not in other


def test_times_and_devices_are_of_this_runs_jobs_only(finished):
    results = finished.folder / "results/demo"
    stages = pd.read_csv(results / "stages.csv").set_index("stage")["jobs"]
    devices = yaml.safe_load((results / "run.yaml").read_text())["devices"]
    # The record and the log of a method that is no longer in the settings, and of a rule that is asked for by name.
    record = next((results / "benchmarks/train_all_seeds").glob("due_*.tsv"))
    old = [
        record.with_name("haics_n4_lambda1.tsv"),
        results / "benchmarks/benchmark_toy.tsv",
        results / "logs/train_all_seeds/haics_n4_lambda1.log",
    ]
    for path in old[:2]:
        path.write_text(record.read_text())
    old[2].write_text("2026-01-01 10:00:00,000 INFO device: GPU 0, NVIDIA A100, float32\n")
    try:
        status, output = finished.run("--cores", "2", "--forcerun", "run_record", "stage_times")
        assert status == 0, output[-3000:]
        pd.testing.assert_series_equal(
            pd.read_csv(results / "stages.csv").set_index("stage")["jobs"].sort_index(), stages.sort_index()
        )
        assert yaml.safe_load((results / "run.yaml").read_text())["devices"] == devices
    finally:
        for path in old:
            path.unlink()


def test_the_list_of_jobs_is_whole_after_a_part_of_them_ran(finished):
    listed = finished.folder / "results/demo/logs/jobs.json"
    jobs = json.loads(listed.read_text())
    assert {"extract_annotations", "train_all_seeds"} <= {job["rule"] for job in jobs}
    assert finished.run("--cores", "2", "--forcerun", "table_1", "--", "results/demo/due/tables/table1.csv")[0] == 0
    assert json.loads(listed.read_text()) == jobs
