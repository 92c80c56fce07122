"""What a run is said to take before it starts."""

import pytest

from explainct.runtime.forecast import expected, seconds_by_rule
from explainct.runtime.requests import Request

REQUESTS = {"train": Request(1, 2000, 60, 300), "table": Request(0, 500, 30, 10)}


def test_records_of_all_datasets_count_by_rule(tmp_path):
    for name, seconds in {
        "a/benchmarks/train/x.tsv": 10,
        "b/benchmarks/train/y.tsv": 30,
        "b/benchmarks/table.tsv": 2,
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"s\th:m:s\n{seconds}\t0:00:01\n")
    assert seconds_by_rule(tmp_path) == {"train": 20, "table": 2}
    assert seconds_by_rule(tmp_path / "none") == {}


def test_records_count_where_there_are_some_and_limits_elsewhere():
    text = expected({"train": 10, "table": 4, "default": 1}, REQUESTS, {"train": 720.0})
    assert "14 jobs" in text
    assert "2.0 h of jobs that can use a GPU and 0 min of others by the records" in text
    assert "at most 0 min of jobs that can use a GPU and 2.0 h of others for table without a record" in text
    assert "at most 3.0 GB" in text


@pytest.mark.parametrize(
    ("seconds", "text"), [(36, "6 min of"), (720, "2.0 h of"), (5_000_000, "13,889 h of"), (0, "0 min of")]
)
def test_times_are_written_as_people_do(seconds, text):
    assert f"{text} jobs that can use a GPU" in expected({"train": 10}, REQUESTS, {"train": seconds})


@pytest.mark.parametrize(
    ("seconds", "absent"), [({}, "by the records"), ({"train": 1, "table": 1}, "without a record")]
)
def test_nothing_is_said_of_what_there_is_not(seconds, absent):
    assert absent not in expected({"train": 1, "table": 1}, REQUESTS, seconds)
