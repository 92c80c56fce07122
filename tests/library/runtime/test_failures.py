"""What is said of failed jobs at the end of a run."""

import pytest

from explainct.runtime.failures import KILLED, failures, reason

STARTED = "2026-11-22 10:00:00,000 INFO device: cpu\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{STARTED}2026-11-22 10:00:01,000 ERROR The file a.dcm is cut. Get it again.\n", "The file a.dcm is cut."),
        (
            f"{STARTED}2026-11-22 10:00:01,000 ERROR unexpected error\nTraceback (most recent call last):\n"
            '  File "a.py", line 1\nValueError: no such axis\n',
            "ValueError: no such axis",
        ),
        (STARTED, KILLED),
        ("", KILLED),
    ],
    ids=["mistake", "defect", "killed", "empty"],
)
def test_the_reason_is_the_logs_last_error(tmp_path, text, said):
    (tmp_path / "a.log").write_text(text)
    assert reason(tmp_path / "a.log").startswith(said)


def test_a_job_without_a_log_was_killed(tmp_path):
    assert reason(tmp_path / "none.log") == KILLED


def test_each_failed_job_is_a_line(tmp_path):
    text = failures([("table_1", tmp_path / "b.log"), ("split_patients", tmp_path / "a.log")])
    assert text.splitlines() == [
        "Failed, and all that depends on it was not made (2):",
        f"  split_patients, {tmp_path / 'a.log'}: {KILLED}",
        f"  table_1, {tmp_path / 'b.log'}: {KILLED}",
    ]
