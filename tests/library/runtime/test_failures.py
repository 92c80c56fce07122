"""What is said of failed jobs at the end of a run: what is known, and no guess."""

import logging
import os
import re

import pytest
from snakemake_interface_logger_plugins.common import LogEvent
from toy import run_toy

from explainct.runtime.failures import Failures, last_error, last_words

STARTED = "2026-11-22 10:00:00,000 INFO device: cpu\n"
TOY = """
from snakemake.logging import logger
from explainct.runtime.failures import Failures
failures = Failures()
logger.addHandler(failures)
onerror:
    print(failures.summary())
onsuccess:
    print(repr(failures.summary()))
"""
RULE = """
rule {name}:
    input: {input!r}
    output: "{name}.txt"
    log: "{name}.log"
    retries: {retries}
    {body}
"""
BODIES = {
    "bash": ("shell: 'if then'", "exit code 2; it wrote no log; what it printed, if anything, stands above."),
    "code": ("shell: 'exit 7'", "exit code 7; it wrote no log"),
    "imports": ("script: 'imports.py'", "exit code 1; it wrote no log"),
    "stale": ("script: 'imports.py'", "exit code 1; it wrote no log"),
    "killed": ("script: 'killed.py'", "ended by SIGKILL; it wrote no log"),
    "inner": (
        "shell: 'exit 137'",
        "exit code 137 (a shell's code for SIGKILL); it wrote no log",
    ),
    "quiet": ("shell: 'echo reading >{log}; exit 3'", 'exit code 3; its log names no error and ends with "reading"'),
    "empty": ("shell: '>{log}; exit 3'", "exit code 3; it wrote no log"),
    "mistake": ("shell: 'echo x ERROR The file is cut. >{log}; exit 1'", "The file is cut."),
    "missing": ("shell: 'echo reading >{log}'", "Job 9 completed successfully, but some output files are missing."),
    "late": ("shell: 'touch {output}'", "Output late.txt has older modification time"),
    "twice": ("shell: '[ -e again ] && touch {output} || {{ touch again; exit 5; }}'", None),
}


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """The lines on failed jobs of a run in which each job fails in its own way, by rule."""
    folder = tmp_path_factory.mktemp("toy")
    (folder / "imports.py").write_text("import there_is_no_such_module\n")
    (folder / "killed.py").write_text("import os\nos.kill(os.getpid(), 9)\n")
    (folder / "stale.log").write_text("2026-11-22 10:00:01,000 ERROR A reason of an earlier run.\n")
    (folder / "late.in").touch()
    os.utime(folder / "late.in", (4_000_000_000, 4_000_000_000))
    rules = [
        RULE.format(name=name, body=body, retries=int(name == "twice"), input=["late.in"] * (name == "late"))
        for name, (body, _) in BODIES.items()
    ]
    targets = f"rule all:\n    input: {[f'{name}.txt' for name in BODIES]}\n"
    output = run_toy(folder, "\n".join([TOY, targets, *rules]), "--keep-going", "--latency-wait", "0")
    head, *lines = output[output.index("Failed, and all") :].splitlines()
    assert head == f"Failed, and all that depends on it was not made ({len(BODIES) - 1}):", output
    return dict(line.strip().split(", ", 1) for line in lines if line.startswith("  "))


@pytest.mark.parametrize("name", [name for name, (_, words) in BODIES.items() if words])
def test_what_is_known_of_a_failed_job_is_said(said, name):
    log, words = said[name].split(": ", 1)
    assert log == f"{name}.log"
    assert re.sub(r"^Job \d+", "Job 9", words).startswith(BODIES[name][1])


def test_a_job_that_succeeded_when_tried_again_did_not_fail(said):
    assert said.keys() == BODIES.keys() - {"twice"}


def test_nothing_is_said_where_nothing_failed(tmp_path):
    toy = TOY + 'rule a:\n    output: "a.txt"\n    retries: 1\n    shell: "[ -e b ] && touch {output} || touch b"\n'
    assert "\n''\n" in run_toy(tmp_path, toy, "--latency-wait", "0", "--quiet", "progress")


def heard(*records):
    """Return what is said after records of Snakemake's log."""
    failures = Failures()
    for fields in records:
        failures.handle(logging.makeLogRecord({"levelno": logging.ERROR, "msg": "", **fields}))
    return failures.summary()


def test_of_a_job_on_a_cluster_the_words_of_the_executor_and_its_log_are_known(tmp_path):
    job = {"jobid": 3, "rule_name": "train", "log": [str(tmp_path / "train.log")], "output": ["a"], "benchmark": None}
    failed = {
        **job,
        "event": LogEvent.JOB_ERROR,
        "rule_msg": "SLURM-job '17' failed, SLURM status is: 'OUT_OF_MEMORY'. Reason: Unknown.",
        "log": [*job["log"], ".snakemake/slurm_logs/17.log"],
    }
    assert heard({**job, "event": LogEvent.JOB_INFO}, failed).splitlines()[1] == (
        f"  train, {tmp_path / 'train.log'}: SLURM-job '17' failed, SLURM status is: 'OUT_OF_MEMORY'. Reason: Unknown; "
        "it wrote no log; see .snakemake/slurm_logs/17.log."
    )


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (f"{STARTED}2026-11-22 10:00:01,000 ERROR The file a.dcm is cut. Get it again.\n", "The file a.dcm is cut."),
        (
            f"{STARTED}2026-11-22 10:00:01,000 ERROR unexpected error\nTraceback (most recent call last):\n"
            '  File "a.py", line 1\nValueError: no such axis\n',
            "ValueError: no such axis",
        ),
        (STARTED, ""),
        ("", ""),
    ],
    ids=["mistake", "defect", "none", "empty"],
)
def test_the_reason_is_the_logs_last_error(text, error):
    assert last_error(text.splitlines()).startswith(error)
    assert bool(last_error(text.splitlines())) == bool(error)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "RuleException:\nA in file x, line 1:\nCommand 'y' returned non-zero exit status 130.",
            "exit code 130 (a shell's code for SIGINT)",
        ),
        ("A:\nCommand 'y' died with <Signals.SIGSEGV: 11>.", "ended by SIGSEGV"),
        ("WorkflowError in rule a in file b, line 1:\nOutput c\nis wrong.", "Output c is wrong"),
        ("No head", "No head"),
    ],
)
def test_snakemakes_words_fit_into_a_line(text, words):
    assert last_words(text) == words
