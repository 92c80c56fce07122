"""Times of stages from benchmark files in Snakemake's format."""

import pandas as pd
import pytest
from matplotlib.image import imread

from explainct.errors import UserError
from explainct.report.stage_times import duration, stage_times, times_of_rules
from explainct.runtime.job_list import JobFiles, read_job_list, write_job_list

HEADER = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"


@pytest.fixture
def job_list(tmp_path):
    """Write jobs with their benchmarks, given as rule, file, seconds and memory, and return the list of them."""

    def write(*jobs):
        for _, path, seconds, rss in jobs:
            file = tmp_path / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{HEADER}{seconds}\t0:00:01\t{rss}\t1\t1\t1\t0\t0\t50\t1\n")
        write_job_list([JobFiles(rule, str(tmp_path / path), "") for rule, path, *_ in jobs], tmp_path / "jobs.json")
        return tmp_path / "jobs.json"

    return write


@pytest.fixture
def jobs(job_list):
    return job_list(
        ("ingest", "benchmarks/ingest.tsv", 2.5, 100.25),
        ("train_classifier", "benchmarks/train_classifier/due/n20_lambda1.0.tsv", 30, 900),
        ("train_classifier", "benchmarks/train_classifier/baseline/n20_lambda1.0.tsv", 20, 1100),
        ("table_1", "benchmarks/table_1.tsv", 0.02, "NA"),
    )


def test_jobs_of_a_rule_are_added_up(jobs):
    table = times_of_rules(jobs).set_index("stage")
    assert table.index.tolist() == ["train_classifier", "ingest", "table_1"]
    assert table.loc["train_classifier"].tolist() == [2, 50.0, 1100.0]
    assert table.loc["ingest", "max_rss_mib"] == 100.25
    assert pd.isna(table.loc["table_1", "max_rss_mib"])


def test_records_of_jobs_that_are_not_of_this_run_do_not_count(jobs):
    old = jobs.with_name("benchmarks") / "train_classifier/res_g/n20_lambda1.0.tsv"
    old.parent.mkdir()
    old.write_text(f"{HEADER}1000\t0:16:40\t9000\t1\t1\t1\t0\t0\t50\t1\n")
    assert times_of_rules(jobs).set_index("stage").loc["train_classifier"].tolist() == [2, 50.0, 1100.0]


def test_a_job_whose_result_came_from_the_cache_has_no_time(job_list):
    file = job_list(("table_1", "benchmarks/table_1.tsv", 1, 2))
    write_job_list([*read_job_list(file), JobFiles("table_1", "", ""), JobFiles("ingest", "none.tsv", "")], file)
    assert times_of_rules(file)[["stage", "jobs"]].to_numpy().tolist() == [["table_1", 1]]


def test_csv_and_chart_are_written(jobs, tmp_path):
    def write():
        stage_times(job_list_file=jobs, dataset="demo", csv=tmp_path / "t.csv", png=tmp_path / "t.png")
        return (tmp_path / "t.png").read_bytes()

    assert write() == write()
    assert pd.read_csv(tmp_path / "t.csv")["jobs"].sum() == 4


def test_the_chart_of_a_long_run_is_no_higher_than_a_window(job_list, tmp_path):
    file = job_list(*((f"rule_{n}", f"benchmarks/rule_{n}.tsv", 4**n % 90_000, 90 * n) for n in range(32)))
    png = tmp_path / "t.png"
    stage_times(job_list_file=file, dataset="demo", csv=tmp_path / "t.csv", png=png)
    height, width, _ = imread(png).shape
    assert width == 1500  # shown at about two thirds of that
    assert height < 1100


@pytest.mark.parametrize(("seconds", "words"), [(0.04, "0.0 s"), (119, "119.0 s"), (150, "2.5 min"), (9000, "2.5 h")])
def test_a_duration_is_read_in_a_unit_of_its_own(seconds, words):
    assert duration(seconds) == words


def test_what_is_missing_is_said_in_words(job_list, tmp_path):
    with pytest.raises(UserError, match=r"list of the run's jobs, .+nothing.json, is missing"):
        times_of_rules(tmp_path / "nothing.json")
    with pytest.raises(UserError, match=r"No job of .+ has a benchmark"):
        times_of_rules(job_list())
