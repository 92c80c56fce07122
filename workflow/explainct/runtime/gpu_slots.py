"""Several GPUs on one machine: Snakemake counts them, and this gives each job one of its own."""

import logging
import os
import re
import socket
import time
from pathlib import Path
from typing import IO

from explainct.runtime.lock import lock_file

FOLDER = Path(".snakemake/gpus")
"""Where the locks lie; they are shared by the jobs of one working folder."""

POLL_SECONDS = 0.5

DEVICE_FILES = ("nvidia[0-9]*", "kfd", "dxg")
"""Names of the files under /dev in which NVIDIA's driver, AMD's and Windows' subsystem for Linux show GPUs."""

_held: dict[int, IO[str]] = {}

log = logging.getLogger(__name__)


def has_gpu(folder: Path = Path("/dev")) -> bool:
    """Return whether this machine shows a GPU, without the seconds that torch takes to say it.

    Args:
        folder: where devices are files.
    """
    return any(path for pattern in DEVICE_FILES for path in folder.glob(pattern))


def take_gpu(count: int, folder: Path = FOLDER) -> int:
    """Return the number of a GPU that no other job computes on, and keep it until this process ends.

    Waits while all are taken. The operating system lets a lock go when its holder dies, however it dies. Where one GPU
    is visible, as in a job that SLURM gave one, it is taken without a lock.

    Args:
        count: GPUs that torch sees.
        folder: where the locks lie.
    """
    if count == 1:
        return 0
    if _held:
        return next(iter(_held))
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{socket.gethostname()}-{name}.lock" for name in _names(count)]
    waiting = False
    while True:
        for number, file in enumerate(files):
            if _lock(number, file):
                return number
        if not waiting:
            log.info("all %d GPUs are taken by other jobs: waiting for one", count)
            waiting = True
        time.sleep(POLL_SECONDS)


def _names(count: int) -> list[str]:
    """Return the names of the visible GPUs, which are their numbers unless CUDA_VISIBLE_DEVICES tells others."""
    named = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return [re.sub(r"\W", "-", name) for name in named] if len(named) == count else [str(n) for n in range(count)]


def _lock(number: int, file: Path) -> bool:
    """Lock a GPU's file until this process ends; tell whether it was free."""
    handle = file.open("w")
    if not lock_file(handle):
        handle.close()
        return False
    _held[number] = handle
    return True
