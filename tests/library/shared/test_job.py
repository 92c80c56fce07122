"""What a job does with mistakes, and which code it depends on."""

import errno
import logging
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from due import code
from due.errors import DueError
from due.job import job

ROOT = Path(__file__).parents[3]


def run_job(tmp_path, body):
    head = "from due.errors import DueError\nfrom due.job import job\n"
    script = f"{head}with job({str(tmp_path / 'job.log')!r}):\n    {body}\n"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env={"PYTHONPATH": str(ROOT / "workflow")}
    )
    return done.returncode, done.stderr, (tmp_path / "job.log").read_text()


def test_a_users_mistake_is_a_sentence_without_a_traceback(tmp_path):
    status, error, log = run_job(tmp_path, "raise DueError('The folder x is empty.')")
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
    with job(tmp_path / "logs/a.log"):
        logging.getLogger("due").info("said")
    assert "INFO said" in (tmp_path / "logs/a.log").read_text()
    with pytest.raises(SystemExit), job(tmp_path / "logs/b.log"):
        raise DueError("wrong")
    assert "ERROR wrong" in (tmp_path / "logs/b.log").read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_job_that_is_asked_to_stop_leaves_no_half_file(tmp_path, number):
    script = f"""
import time
from pathlib import Path
from due.files import replacing
from due.job import job
with job({str(tmp_path / "job.log")!r}), replacing(Path({str(tmp_path / "result.txt")!r})) as part:
    part.write_text("half")
    print("writing", flush=True)
    time.sleep(60)
"""
    started = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": str(ROOT / "workflow")}
    )
    assert started.stdout.readline() == "writing\n"
    started.send_signal(number)
    assert started.wait(30) == 128 + number
    assert [path.name for path in tmp_path.iterdir()] == ["job.log"]
    assert f"Stopped by {number.name}. Repeat the command" in (tmp_path / "job.log").read_text()


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A small library of three modules and a script that uses two of them."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / "due/room").mkdir(parents=True)
    (tmp_path / "scripts/stage.py").write_text("import pandas\nfrom due.room.used import thing\n")
    (tmp_path / "due/config.py").write_text("a = 1\n")
    (tmp_path / "due/__init__.py").write_text("")
    (tmp_path / "due/room/__init__.py").write_text("")
    (tmp_path / "due/room/used.py").write_text("def thing():\n    from due.room import deep\n")
    (tmp_path / "due/room/deep.py").write_text("import due.config\n")
    (tmp_path / "due/room/other.py").write_text("x = 1\n")
    monkeypatch.setattr(code, "ROOT", tmp_path)
    monkeypatch.setattr(code, "IGNORED", {tmp_path / "due/config.py"})
    return tmp_path


def hash_now():
    code._content.cache_clear()
    code._imports.cache_clear()
    return code.code_hash("stage")


def test_the_code_hash_follows_imports_and_only_them(library):
    names = [module.relative_to(library).as_posix() for module in code.modules_of("stage")]
    assert names == ["due/room/__init__.py", "due/room/deep.py", "due/room/used.py"]
    before = hash_now()
    (library / "due/room/other.py").write_text("x = 2\n")
    (library / "due/config.py").write_text("a = 2\n")
    assert hash_now() == before
    (library / "due/room/deep.py").write_text("import due.config\ny = 2\n")
    assert hash_now() != before


def test_every_script_is_found_and_stays_in_its_rooms():
    rooms = {
        script.stem: {module.parent.name for module in code.modules_of(script.stem)}
        for script in sorted((ROOT / "workflow/scripts").glob("*.py"))
    }
    assert "supervise" in rooms["train_classifier"]
    assert not {"supervise", "explain", "evaluate"} & rooms["map_weights"]
    assert not {"supervise", "train", "interpolate"} & rooms["extract_cases"]
