"""What jobs ask of a machine: one table with a row per rule, and how requests grow when a job is tried again."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from explainct.errors import UserError

COLUMNS = ("rule", "gpu", "mem_mb", "runtime", "disk_mb")


class Request(NamedTuple):
    """What a job of one rule asks for.

    Attributes:
        gpu: GPUs.
        mem_mb: memory in MB on the first attempt.
        runtime: time limit in minutes on the first attempt.
        disk_mb: space in MB that its results take, at most; 0 where the table says nothing.
    """

    gpu: int
    mem_mb: int
    runtime: int
    disk_mb: int


def read_requests(path: str | Path) -> dict[str, Request]:
    """Read the table of requests, a CSV file with the columns `rule, gpu, mem_mb, runtime, disk_mb`.

    Raises:
        UserError: there is no such file, a column is missing, or a value is not a whole number.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(
            f"Setting `cluster.resources` names {path}, which does not exist. "
            "Copy config/resources.csv of the project there, or give the path of your own table."
        )
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if missing := [name for name in COLUMNS if name not in (reader.fieldnames or [])]:
            raise UserError(f"{path} has no column {', '.join(missing)}. It needs {', '.join(COLUMNS)}.")
        return {row["rule"]: _request(row, path) for row in reader}


def _request(row: dict[str, str], path: Path) -> Request:
    values = {name: row[name] or "" for name in COLUMNS[1:]}
    values["disk_mb"] = values["disk_mb"] or "0"
    for name, value in values.items():
        if not value.isdecimal():
            raise UserError(f"{path} has {value!r} in column {name} of {row['rule']}. Write a whole number.")
    return Request(**{name: int(value) for name, value in values.items()})


def growing(first: int) -> Callable[[Any, int], int]:
    """Return a function of wildcards and attempt that asks for `first`, twice as much the second time, and so on."""

    def amount(wildcards: Any, attempt: int) -> int:  # noqa: ARG001
        return first * attempt

    return amount
