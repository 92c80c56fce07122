"""The jobs that made a dataset's results: a job reads it, since only the process that plans the workflow knows them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from explainct.errors import UserError
from explainct.runtime.files import write_json


class JobFiles(NamedTuple):
    """A job's rule, and the paths of its benchmark and log; empty where it has none."""

    rule: str
    benchmark: str
    log: str


def write_job_list(jobs: Sequence[JobFiles], file: str | Path) -> None:
    """Write the jobs to a JSON file."""
    write_json([job._asdict() for job in jobs], file)


def read_job_list(file: str | Path) -> list[JobFiles]:
    """Return the jobs that `write_job_list` wrote.

    Raises:
        UserError: there is no such file.
    """
    try:
        text = Path(file).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(
            f"The list of the run's jobs, {file}, is missing; the workflow's hook `onstart` writes it. "
            "Repeat the command without `--no-hooks`."
        ) from None
    return [JobFiles(**job) for job in json.loads(text)]
