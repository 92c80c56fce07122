"""What a run is said to take before it starts."""

from pathlib import Path

import pytest
from toy import run_toy

from explainct.runtime.forecast import PlannedJob, forecast, seconds_by_job
from explainct.runtime.requests import Request

REQUESTS = {"train": Request(1, 2000, 60, 300), "table": Request(0, 500, 30, 10)}
TRAIN = PlannedJob(
    "train",
    {"method": "due", "n": "4", "seed": "0"},
    {"arguments": {"epochs": 3}, "code": "1f"},
    "results/lidc/benchmarks/train/due/0.tsv",
)
TABLE = PlannedJob("table", {}, {"arguments": {}, "code": "2e"}, "results/published/benchmarks/table.tsv")


@pytest.fixture
def record(tmp_path, monkeypatch):
    """Write the record of a job as Snakemake does with `benchmark-extended`."""
    monkeypatch.chdir(tmp_path)

    def write(job, seconds, name=TRAIN.benchmark):
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        head = "s\th:m:s\trule_name\twildcards\tparams\tinput_size_mb\n"
        path.write_text(f"{head}{seconds}\t0:00:01\t{job.rule}\t{job.wildcards}\t{job.params}\t{{'a \"b': 1.5}}\n")

    return write


def test_the_time_of_a_job_is_the_median_of_its_equals(record):
    for seed, seconds in enumerate((10, 30, 50)):
        job = TRAIN._replace(wildcards={**TRAIN.wildcards, "seed": str(seed)})
        record(job, seconds, f"results/lidc/benchmarks/train/due/{seed}.tsv")
    record(TABLE, 2, TABLE.benchmark)
    folders = ["results/lidc/benchmarks", "results/published/benchmarks"]
    assert seconds_by_job([*folders, "none"]) == {TRAIN.key(): 30, TABLE.key(): 2}
    assert seconds_by_job(folders[1:]) == {TABLE.key(): 2}
    assert [TRAIN.records(), TABLE.records(), TABLE._replace(benchmark="").records()] == [*folders, ""]


def test_records_of_another_dataset_do_not_count(record):
    record(TRAIN, 36, "results/demo/benchmarks/train/due/0.tsv")
    assert "by the records" not in forecast([TRAIN], REQUESTS)


@pytest.mark.parametrize(
    ("change", "counts"),
    [
        ({"params": {**TRAIN.params, "code": "00"}}, True),
        ({"wildcards": {**TRAIN.wildcards, "seed": "5"}}, True),
        ({"params": {**TRAIN.params, "arguments": {"epochs": 300}}}, False),
        ({"wildcards": {**TRAIN.wildcards, "n": "1000"}}, False),
        ({"wildcards": {**TRAIN.wildcards, "method": "res"}}, False),
        ({"rule": "table"}, False),
    ],
    ids=["code", "seed", "settings", "samples", "method", "rule"],
)
def test_only_records_of_these_settings_count(record, change, counts):
    record(TRAIN._replace(**change), 36)
    text = forecast([TRAIN], REQUESTS)
    assert ("by the records of equal jobs" in text) is counts
    assert ("for train without such a record" in text) is not counts


@pytest.mark.parametrize(
    "text",
    ["", "s\th:m:s\n3\t0:00:03\n", "s\trule_name\twildcards\tparams\n3\ttrain\t{}\n", "s\trule_name\n3\ttrain\t{'a"],
    ids=["empty", "not extended", "no params", "cut"],
)
def test_a_record_that_does_not_say_its_settings_does_not_count(tmp_path, text):
    (tmp_path / "train.tsv").write_text(text)
    assert seconds_by_job([tmp_path]) == {}


def test_records_count_where_there_are_some_and_limits_elsewhere(record):
    record(TRAIN, 720)
    text = forecast([TRAIN] * 10 + [TABLE] * 4 + [PlannedJob("default", {}, {})], REQUESTS)
    assert "14 jobs" in text
    assert "2.0 h of jobs that can use a GPU and 0 min of others by the records of equal jobs in results/lidc/" in text
    assert "at most 0 min of jobs that can use a GPU and 2.0 h of others for table without such a record" in text
    assert "at most 3.0 GB" in text


@pytest.mark.parametrize(
    ("seconds", "text"), [(36, "6 min of"), (720, "2.0 h of"), (5_000_000, "13,889 h of"), (0, "0 min of")]
)
def test_times_are_written_as_people_do(record, seconds, text):
    record(TRAIN, seconds)
    assert f"{text} jobs that can use a GPU" in forecast([TRAIN] * 10, REQUESTS)


def test_nothing_is_said_of_what_there_is_not(record):
    assert "by the records" not in forecast([TRAIN, TABLE], REQUESTS)
    record(TRAIN, 1)
    assert "without such" not in forecast([TRAIN], REQUESTS)


TOY = """
from snakemake.logging import logger
from snakemake_interface_logger_plugins.common import LogEvent
from explainct.runtime.forecast import forecast
from explainct.runtime.log_events import OnEvent
from explainct.runtime.requests import Request
from explainct.runtime.snakemake_internals import planned_jobs

def say():
    logger.warning(forecast(planned_jobs(workflow), {"train": Request(1, 2000, 60, 300)}))

logger.addHandler(OnEvent(LogEvent.RUN_INFO, say))

rule train:
    output: "{method}.txt"
    benchmark: "benchmarks/train/{method}.tsv"
    params:
        arguments={"epochs": config["epochs"], "window": [-1000, 400.5, None], "name": 'a "b" \\t'},
        code=config["code"],
    shell: "touch {output}"
"""


def test_snakemakes_own_records_are_understood_and_dry_runs_show_what_they_say(tmp_path):
    def said(*arguments, epochs=3):
        config = ("--config", f"epochs={epochs}", "code=1f", "--benchmark-extended")
        lines = run_toy(tmp_path, TOY, "due.txt", *arguments, *config).splitlines()
        return [line for line in lines if line.startswith("Expected: ")]

    assert ["at most 1.0 h of jobs that can use a GPU" in text for text in said("-n")] == [True, True]
    assert len(said()) == 1
    assert ["0 min of jobs that can use a GPU" in text for text in said("-n", "--forceall")] == [True, True]
    assert ["at most 1.0 h" in text for text in said("-n", "--forceall", epochs=300)] == [True, True]
