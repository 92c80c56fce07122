"""Times of stages from benchmark files in Snakemake's format."""

import pandas as pd
import pytest
from matplotlib.image import imread

from explainct.errors import UserError
from explainct.report.stage_times import duration, stage_times, times_of_rules

HEADER = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"


@pytest.fixture
def folder(tmp_path):
    def write(path, seconds, rss):
        file = tmp_path / "benchmarks" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{HEADER}{seconds}\t0:00:01\t{rss}\t1\t1\t1\t0\t0\t50\t1\n")

    write("ingest.tsv", 2.5, 100.25)
    write("train_classifier/due/n20_lambda1.0.tsv", 30, 900)
    write("train_classifier/baseline/n20_lambda1.0.tsv", 20, 1100)
    write("table_1.tsv", 0.02, "-")
    return tmp_path / "benchmarks"


def test_jobs_of_a_rule_are_added_up(folder):
    table = times_of_rules(folder).set_index("stage")
    assert table.index.tolist() == ["train_classifier", "ingest", "table_1"]
    assert table.loc["train_classifier"].tolist() == [2, 50.0, 1100.0]
    assert table.loc["ingest", "max_rss_mib"] == 100.25
    assert pd.isna(table.loc["table_1", "max_rss_mib"])


def test_csv_and_chart_are_written(folder, tmp_path):
    def write():
        stage_times(benchmark_folder=folder, dataset="demo", csv=tmp_path / "t.csv", png=tmp_path / "t.png")
        return (tmp_path / "t.png").read_bytes()

    assert write() == write()
    assert pd.read_csv(tmp_path / "t.csv")["jobs"].sum() == 4


def test_the_chart_of_a_long_run_is_no_higher_than_a_window(tmp_path):
    for number in range(32):
        path = tmp_path / f"benchmarks/rule_{number}.tsv"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{HEADER}{4**number % 90_000}\t0:00:01\t{90 * number}\t1\t1\t1\t0\t0\t50\t1\n")
    png = tmp_path / "t.png"
    stage_times(benchmark_folder=png.parent / "benchmarks", dataset="demo", csv=tmp_path / "t.csv", png=png)
    height, width, _ = imread(png).shape
    assert width == 1500  # shown at about two thirds of that
    assert height < 1100


@pytest.mark.parametrize(("seconds", "words"), [(0.04, "0.0 s"), (119, "119.0 s"), (150, "2.5 min"), (9000, "2.5 h")])
def test_a_duration_is_read_in_a_unit_of_its_own(seconds, words):
    assert duration(seconds) == words


def test_an_empty_folder_is_said_in_words(tmp_path):
    with pytest.raises(UserError, match="no benchmarks"):
        times_of_rules(tmp_path)
