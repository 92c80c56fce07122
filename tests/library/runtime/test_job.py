"""What a job does with mistakes, and which code it depends on."""

import errno
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from explainct.runtime import code_hash as code

ROOT = Path(__file__).parents[3]
PATHS = {**os.environ, "PYTHONPATH": f"{ROOT / 'workflow'}:{ROOT / 'tests'}"}
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
    status, error, log = run_job(tmp_path, "import logging; logging.getLogger('due').info('said')")
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


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A small library of three modules and a script that uses two of them."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / "explainct/config").mkdir(parents=True)
    (tmp_path / "explainct/stage").mkdir()
    (tmp_path / "scripts/stage.py").write_text("import pandas\nfrom explainct.stage.used import thing\n")
    (tmp_path / "explainct/config/__init__.py").write_text("a = 1\n")
    (tmp_path / "explainct/__init__.py").write_text("")
    (tmp_path / "explainct/stage/__init__.py").write_text("")
    (tmp_path / "explainct/stage/used.py").write_text("def thing():\n    from explainct.stage import deep\n")
    (tmp_path / "explainct/stage/deep.py").write_text("import explainct.config\n")
    (tmp_path / "explainct/stage/other.py").write_text("x = 1\n")
    monkeypatch.setattr(code, "ROOT", tmp_path)
    monkeypatch.setattr(code, "IGNORED", {tmp_path / "explainct/config/__init__.py"})
    return tmp_path


def hash_now():
    code._content.cache_clear()
    code._imports.cache_clear()
    return code.code_hash("stage")


def test_the_code_hash_follows_imports_and_only_them(library):
    names = [module.relative_to(library).as_posix() for module in code.modules_of("stage")]
    assert names == ["explainct/stage/__init__.py", "explainct/stage/deep.py", "explainct/stage/used.py"]
    before = hash_now()
    (library / "explainct/stage/other.py").write_text("x = 2\n")
    (library / "explainct/config/__init__.py").write_text("a = 2\n")
    assert hash_now() == before
    (library / "explainct/stage/deep.py").write_text("import explainct.config\ny = 2\n")
    assert hash_now() != before


def test_every_script_is_found_and_stays_in_its_rooms():
    rooms = {
        script.stem: {module.parent.name for module in code.modules_of(script.stem)}
        for script in sorted((ROOT / "workflow/scripts").glob("*.py"))
    }
    assert "supervise" in rooms["train_classifier"]
    assert not {"supervise", "explain", "evaluate"} & rooms["map_weights"]
    assert not {"supervise", "train", "interpolate"} & rooms["extract_crops"]


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
