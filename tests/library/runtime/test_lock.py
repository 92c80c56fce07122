"""The lock of a folder keeps a second head out, and does not outlive its holder."""

import subprocess
import sys
from pathlib import Path

import pytest

from explainct.errors import UserError
from explainct.runtime.lock import hold_lock

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
