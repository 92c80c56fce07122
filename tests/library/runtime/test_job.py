"""What a job does around its call, and how its function gets the arguments of the rule."""

import errno
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from explainct.errors import UserError
from explainct.runtime.job import bound, check_names

ROOT = Path(__file__).parents[3]
PATHS = {**os.environ, "PYTHONPATH": f"{ROOT / 'workflow'}:{ROOT / 'tests/helpers'}"}
HEAD = """
import os, time
from pathlib import Path
from explainct.errors import UserError
from explainct.runtime.files import replacing, write_text
from explainct.runtime.job import job
from fake_snakemake import fake_snakemake
snakemake = fake_snakemake("logs/job.log")
"""


def start_job(folder, body, head=HEAD):
    """Start a script whose job has the given body, in a folder."""
    script = f"{head}with job(snakemake):\n" + textwrap.indent(textwrap.dedent(body), "    ")
    command = [sys.executable, "-c", script]
    return subprocess.Popen(
        command, cwd=folder, env=PATHS, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=1
    )


def run_job(folder, body, head=HEAD):
    process = start_job(folder, body, head)
    _, error = process.communicate(timeout=60)
    return process.returncode, error, (folder / "logs/job.log").read_text()


def test_a_users_mistake_is_a_sentence_without_a_traceback(tmp_path):
    status, error, log = run_job(tmp_path, "raise UserError('The folder x is empty.')")
    assert status == 1
    for text in (error, log):
        assert "The folder x is empty." in text
        assert "Traceback" not in text


def test_a_full_disk_is_a_sentence(tmp_path):
    status, error, _ = run_job(tmp_path, f"raise OSError({errno.ENOSPC}, 'No space left on device', 'crop.h5')")
    assert status == 1
    assert "No space left on the device" in error
    assert "crop.h5" in error
    assert "Traceback" not in error


@pytest.mark.parametrize("body", ["1 / 0", "raise OSError(5, 'input/output')"])
def test_a_defect_keeps_its_traceback_in_the_log(tmp_path, body):
    status, _, log = run_job(tmp_path, body)
    assert status == 1
    assert "Traceback" in log


def test_a_good_job_logs_and_goes_on(tmp_path):
    status, error, log = run_job(tmp_path, "import logging; logging.getLogger('explainct').info('said')")
    assert status == 0
    assert "INFO said" in log
    assert "INFO said" in error


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_job_that_is_asked_to_stop_leaves_no_half_file(tmp_path, number):
    body = """
    with replacing(Path("made.txt")) as part:
        part.write_text("half")
        print("writing", flush=True)
        while True:  # a signal just before one long sleep would wait for its end
            time.sleep(0.1)
    """
    started = start_job(tmp_path, body)
    assert started.stdout.readline() == "writing\n"
    started.send_signal(number)
    _, error = started.communicate(timeout=30)
    assert started.returncode == 128 + number
    assert f"Stopped by {number.name}. Repeat the command" in error
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".snakemake")] == ["logs"]
    assert f"Stopped by {number.name}. Repeat the command" in (tmp_path / "logs/job.log").read_text()


@pytest.mark.parametrize(
    ("asked", "seen"), [({"mem_mb": 1}, ""), ({"gpu": 1}, "0,1"), ({"gpu": 0}, ""), ({"gres": "gpu:1"}, "0,1")]
)
def test_gpus_are_hidden_from_a_job_that_asked_for_none(tmp_path, monkeypatch, asked, seen):
    monkeypatch.setitem(PATHS, "CUDA_VISIBLE_DEVICES", "0,1")
    head = f"{HEAD}snakemake.resources = {asked!r}\n"
    status, error, _ = run_job(tmp_path, f"assert os.environ['CUDA_VISIBLE_DEVICES'] == {seen!r}", head)
    assert status == 0, error


SLOW = """
with open("runs.txt", "a") as file:
    file.write("run\\n")
print("started", flush=True)
Path("go").exists() or time.sleep(2)
write_text("made", "made.txt")
"""


def two_jobs(folder, second_head=HEAD, kill_first=False):
    """Start a job, and another one of the same output while it runs; return how often the body ran."""
    first = start_job(folder, SLOW)
    assert first.stdout.readline() == "started\n"
    second = start_job(folder, SLOW, second_head)
    assert "made.txt is being made by process" in second.stderr.readline()
    assert "waiting for it" not in (folder / "logs/job.log").read_text()
    (folder / "go").touch()
    if kill_first:
        first.kill()
    first.communicate(timeout=30)
    second.communicate(timeout=30)
    assert second.returncode == 0
    assert (folder / "made.txt").read_text() == "made"
    return (folder / "runs.txt").read_text().count("run")


def test_a_job_takes_over_what_the_same_job_has_just_made(tmp_path):
    assert two_jobs(tmp_path) == 1


def test_a_job_with_other_parameters_runs_after_the_one_it_waited_for(tmp_path):
    assert two_jobs(tmp_path, second_head=HEAD + "snakemake.params['x'] = 2\n") == 2


def test_a_lock_does_not_outlive_a_killed_job(tmp_path):
    assert two_jobs(tmp_path, kill_first=True) == 2


def test_a_job_that_is_asked_for_again_runs_again(tmp_path):
    for runs in (1, 2):
        status, error, _ = run_job(tmp_path, SLOW)
        assert status == 0, error
        assert (tmp_path / "runs.txt").read_text().count("run") == runs


def test_a_disk_too_full_for_a_lock_is_a_sentence(tmp_path):
    head = (
        HEAD
        + """
import errno
def refuse(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), ".snakemake/jobs")
Path.mkdir = refuse
"""
    )
    process = start_job(tmp_path, "pass", head)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "No space left on the device" in error
    assert "Traceback" not in error


def rule(arguments=None, **parts):
    """Return the `snakemake` of a rule's job, with nothing in the parts that are not given."""
    names = {"input": {}, "output": {}, "wildcards": {}, **parts}
    params = {"arguments": arguments or {}, "code": "abc"}
    config = {"train": {"threads": 2}}
    # One core is all that Snakemake may use.
    return SimpleNamespace(
        rule="a_rule", params=params, threads=1, config=config, resources={"tmpdir": "/tmp"}, **names
    )


def train(
    crops_files: Sequence[Path],
    splits_file: Path | None,
    model_file: Path,
    settings: dict,
    lam: float,
    shard: int,
    threads: int,
    code: str,
    seed: int = 0,
):
    """Take what a rule gives."""


def test_arguments_are_bound_by_name_and_become_what_the_function_wants():
    job = rule(
        {"settings": {"epochs": 3}},
        input={"crops_files": ["a.h5", "b.h5"], "splits_file": []},
        output={"model_file": "m.pt"},
        wildcards={"lam": "0.5", "shard": "3", "method": "due"},
    )
    assert bound(train, job) == {
        "crops_files": [Path("a.h5"), Path("b.h5")],
        "splits_file": None,
        "model_file": Path("m.pt"),
        "settings": {"epochs": 3},
        "lam": 0.5,
        "shard": 3,
        "threads": 2,
        "code": "abc",
    }


def test_one_file_is_a_sequence_where_a_sequence_is_wanted():
    def count(files: Sequence[Path]):
        """Take files."""

    assert bound(count, rule(input={"files": "a.h5"})) == {"files": [Path("a.h5")]}


def draw(table_file: Path, png: Path, title: str = ""):
    """Take a file, write a picture."""


@pytest.mark.parametrize(
    ("given", "offered", "words"),
    [
        ([{"table_file"}, set(), set()], set(), ["lacks png"]),
        ([{"table_file"}, {"png", "pdf"}, {"title"}], set(), ["does not take, pdf"]),
        ([{"table_file", "png"}, {"png"}, set()], set(), ["gives twice png"]),
        ([{"table"}, {"png"}, set()], {"shard"}, ["lacks table_file", "does not take, table"]),
    ],
)
def test_a_rule_that_does_not_fit_its_function_is_a_sentence(given, offered, words):
    with pytest.raises(UserError, match="Rule a_rule") as error:
        check_names(draw, "a_rule", given, offered)
    assert all(word in str(error.value) for word in words)


def test_a_rule_that_fits_its_function_passes():
    check_names(draw, "a_rule", [{"table_file"}, {"png"}, set()], {"shard", "threads"})
