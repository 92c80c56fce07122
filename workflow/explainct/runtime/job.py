"""What every job of the workflow does around its one call.

It keeps other jobs from writing its outputs, hides GPUs that it did not ask for, logs to a file, and reports a user's
mistake in a sentence.
"""

import json
import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from explainct.errors import UserError
from explainct.runtime.files import is_disk_full
from explainct.runtime.lock import OutputLock
from explainct.runtime.log_file import LogFile

STOPPED_BY = (signal.SIGTERM, signal.SIGUSR1)
"""What clusters send before they take a machine away."""


@contextmanager
def job(snakemake: Any) -> Iterator[None]:
    """Send the job's log to its file and to standard error; end it with code 1 and one sentence on a user's mistake.

    Unexpected errors keep their traceback, in the log as well. A job that is asked to stop cleans up and ends. If
    another job writes the same outputs, it is waited for, and if that was the same job, this one ends with code 0.

    Args:
        snakemake: what Snakemake puts into scripts: the job's rule, input, output, params, resources and log.
    """
    # Same seed, same bytes: writers of PDF and others put this in place of the current time.
    os.environ.setdefault("SOURCE_DATE_EPOCH", "0")
    if not (snakemake.resources.get("gpu") or snakemake.resources.get("gres")):
        # SLURM leaves all GPUs of a machine visible to a job that asked for none.
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    before = {number: signal.signal(number, _stop) for number in STOPPED_BY}
    try:
        lock = OutputLock(snakemake.output, _identity(snakemake))
        taken = lock.take()
        _log_to(Path(snakemake.log[0]))
        if not taken:
            logging.info("another job made %s in the meantime", snakemake.output[0])
            sys.exit(0)
        if number := os.environ.get("SLURM_JOB_ID"):
            devices = os.environ.get("CUDA_VISIBLE_DEVICES") or "none"
            logging.info("SLURM job %s on node %s, GPU %s", number, os.environ.get("SLURMD_NODENAME"), devices)
        yield
        lock.done()
    except UserError as error:
        logging.error("%s", error)
        sys.exit(1)
    except Exception as error:
        if not is_disk_full(error):
            logging.exception("unexpected error")
            raise
        logging.error("No space left on the device (%s). Free some space and repeat the command.", error)
        sys.exit(1)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        logging.shutdown()


def _identity(snakemake: Any) -> str:
    """Return all that a job's outputs depend on: its rule, its parameters, and the state of its inputs."""
    inputs = [(str(path), os.stat(path).st_mtime_ns) for path in snakemake.input]  # noqa: PTH116
    return json.dumps([snakemake.rule, dict(snakemake.params.items()), inputs], sort_keys=True, default=str)


def _log_to(file: Path) -> None:
    """Send all log messages to a file, and to standard error."""
    handlers = (LogFile(file), logging.StreamHandler())
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", handlers=handlers, force=True
    )


def _stop(number: int, _: FrameType | None) -> None:
    """End the job where it stands, as a shell would report it; half-written files are removed on the way out."""
    logging.error("Stopped by %s. Repeat the command: it goes on after what is saved.", signal.Signals(number).name)
    sys.exit(128 + number)
