"""The lock of a folder keeps a second head out, and does not outlive its holder."""

import errno
import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from explainct.errors import UserError
from explainct.runtime.gpu_slots import take_gpu
from explainct.runtime.lock import OutputLock, hold_lock

ROOT = Path(__file__).parents[3]
HOLDER = """
import sys, time
from explainct.runtime.lock import hold_lock
hold_lock(sys.argv[1])
print("held", flush=True)
time.sleep(60)
"""


def test_a_second_process_is_refused_until_the_first_is_killed(tmp_path):
    lock = tmp_path / "state/due.lock"
    command = [sys.executable, "-c", HOLDER, str(lock)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={"PYTHONPATH": str(ROOT / "workflow")}) as holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(UserError, match=r"Another run is going on .*due\.lock"):
            hold_lock(lock)
        holder.kill()
    hold_lock(lock)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_disk_without_locks_is_worked_on_and_one_sentence_says_so(tmp_path, monkeypatch, capsys, number):
    def flock(handle, operation):
        raise OSError(number, "no locks")

    monkeypatch.setattr(fcntl, "flock", flock)
    hold_lock(tmp_path / "run.lock")
    lock = OutputLock([str(tmp_path / "made.csv")], "the job", tmp_path)
    assert lock.take()
    lock.done()
    monkeypatch.setattr("explainct.runtime.gpu_slots._held", {})
    assert take_gpu(2, tmp_path) == 0
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"The disk of {tmp_path} has no locks: start one run at a time in this folder" in said
    assert "writing the same files" in said


def test_other_errors_of_a_lock_are_no_missing_locks(tmp_path, monkeypatch):
    def flock(handle, operation):
        raise OSError(errno.EIO, "broken disk")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(OSError, match="broken disk"):
        hold_lock(tmp_path / "run.lock")
