"""Several GPUs on one machine: pretend ones, whose jobs are processes."""

import json
import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from explainct.runtime import gpu_slots as slots

WORKFLOW = Path(slots.__file__).parents[2]
JOB = """
import json, sys, time
from pathlib import Path
from explainct.runtime.gpu_slots import take_gpu
number = take_gpu({count}, Path("gpus"))
start = time.monotonic()
print(number, flush=True)
{work}
print(json.dumps([number, start, time.monotonic()]), flush=True)
"""


@pytest.fixture
def start(tmp_path):
    """Return a function that starts a job which takes one of `count` GPUs; all are stopped in the end."""
    jobs = []

    def start(work, count=3, visible=None):
        environment = {**os.environ, "PYTHONPATH": str(WORKFLOW)}
        environment.pop("CUDA_VISIBLE_DEVICES", None)
        if visible:
            environment["CUDA_VISIBLE_DEVICES"] = visible
        command = [sys.executable, "-c", JOB.format(work=work, count=count)]
        jobs.append(subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True))
        return jobs[-1]

    yield start
    for job in jobs:
        job.kill()
        job.wait()


def test_twelve_jobs_on_three_gpus_never_share_one(start):
    jobs = [start("time.sleep(0.2)") for _ in range(12)]
    times = [json.loads(job.communicate(timeout=60)[0].splitlines()[-1]) for job in jobs]
    assert {number for number, _, _ in times} <= {0, 1, 2}
    for gpu in range(3):
        own = sorted((begin, end) for number, begin, end in times if number == gpu)
        assert all(end <= begin for (_, end), (begin, _) in pairwise(own))


def test_a_machine_has_a_gpu_where_a_device_file_shows_one(tmp_path):
    (tmp_path / "nvidiactl").touch()
    assert not slots.has_gpu(tmp_path)
    (tmp_path / "nvidia1").touch()
    assert slots.has_gpu(tmp_path)


def test_a_killed_job_lets_its_gpu_go(start):
    holders = [start("time.sleep(60)", count=2) for _ in range(2)]
    taken = [int(job.stdout.readline()) for job in holders]
    assert sorted(taken) == [0, 1]
    third = start("pass", count=2)
    time.sleep(1)
    assert third.poll() is None
    holders[1].send_signal(signal.SIGKILL)
    assert int(third.stdout.readline()) == taken[1]
    assert third.wait(30) == 0


def test_gpus_are_told_apart_by_what_is_visible(start):
    first = start("time.sleep(60)", count=2, visible="4,5")
    assert int(first.stdout.readline()) == 0
    overlapping = start("time.sleep(60)", count=2, visible="4,6")
    assert int(overlapping.stdout.readline()) == 1
    other = start("pass", count=2, visible="GPU-a/0,GPU-b")
    assert int(other.stdout.readline()) == 0


def test_the_only_gpu_is_taken_without_a_lock(tmp_path):
    assert slots.take_gpu(1, tmp_path / "gpus") == 0
    assert not (tmp_path / "gpus").exists()


def test_a_process_keeps_the_gpu_that_it_has(start):
    job = start("assert take_gpu({count}, Path('gpus')) == number".replace("{count}", "3"))
    assert int(job.stdout.readline()) == 0
    assert job.wait(30) == 0
