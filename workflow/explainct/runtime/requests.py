"""Read what jobs ask of a machine: one table with a row per rule, and how requests grow when a job is tried again."""

import codecs
import csv
import difflib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from explainct.errors import UserError

COLUMNS = ("rule", "gpu", "mem_mb", "runtime", "disk_mb")
TABLE = Path(__file__).parents[3] / "config/resources.csv"
"""The project's own table, which has a row for each rule."""


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


class Requests(dict[str, Request]):
    """The requests of all rules by rule; a rule that has none is said in a sentence."""

    def __missing__(self, rule: str) -> Request:
        raise UserError(
            f"config/resources.csv has no row for {rule}, but the project's table needs one for each rule. Put the "
            "row back, and give rows that you change in a table of your own, with the setting `cluster.resources`."
        )


def read_requests(path: str | Path, project_table: str | Path = TABLE) -> Requests:
    """Read a table of requests over the project's own: what it leaves out, rows or cells, is as in the project's.

    Both are CSV files with the columns `rule, gpu, mem_mb, runtime, disk_mb`, as a text editor or a spreadsheet writes
    them: with a byte-order mark or without, in UTF-8, UTF-16 or Latin-1, with commas, semicolons or tabs.

    Args:
        path: the user's table, or the project's.
        project_table: the project's table, with a row for each rule.

    Raises:
        UserError: there is no such file, a column is missing, a rule is unknown or has two rows, or a value is not a
            whole number.
    """
    path, project_table = Path(path), Path(project_table)
    if not path.is_file():
        raise UserError(
            f"Setting `cluster.resources` names {path}, which does not exist. "
            "Copy config/resources.csv of the project there, or give the path of your own table."
        )
    rows = _rows(project_table)
    if not path.samefile(project_table):
        for rule, row in _rows(path).items():
            if rule not in rows:
                raise UserError(f"{path} has a row for {rule!r}, which is no rule. {_hint(rule, rows, project_table)}")
            rows[rule] |= {name: value for name, value in row.items() if value}
    return Requests((rule, _request(rule, row, path)) for rule, row in rows.items())


def _rows(path: Path) -> dict[str, dict[str, str]]:
    """Return the cells of a table by rule and column, without blank rows."""
    text = _decoded(path.read_bytes())
    head = text.split("\n", 1)[0]
    reader = csv.DictReader(text.splitlines(), delimiter=max(",;\t", key=head.count))
    reader.fieldnames = [name.strip() for name in reader.fieldnames or []]
    if missing := [name for name in COLUMNS if name not in reader.fieldnames]:
        raise UserError(f"{path} has no column {', '.join(missing)}. It needs {', '.join(COLUMNS)}.")
    rows: dict[str, dict[str, str]] = {}
    for cells in reader:
        row = {name: (cells[name] or "").strip() for name in COLUMNS}
        rule = row.pop("rule")
        if not rule and not any(row.values()):  # spreadsheets write empty rows
            continue
        if rule in rows:
            raise UserError(f"{path} has two rows for {rule!r}. Keep one of them.")
        rows[rule] = row
    return rows


def _decoded(content: bytes) -> str:
    """Return the text of a table; names of rules and numbers are the same in all encodings that have no mark."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _hint(rule: str, rules: Mapping[str, Any], table: Path) -> str:
    near = difflib.get_close_matches(rule, rules, n=1, cutoff=0.4)
    return f"Did you mean {near[0]!r}?" if near else f"{table} lists all rules."


def _request(rule: str, row: Mapping[str, str], path: Path) -> Request:
    values = {**row, "disk_mb": row["disk_mb"] or "0"}
    for name, value in values.items():
        if not value.isdecimal():
            raise UserError(f"{path} has {value!r} in column {name} of {rule}. Write a whole number.")
    return Request(**{name: int(value) for name, value in values.items()})


def growing(first: int) -> Callable[[Any, int], int]:
    """Return a function of wildcards and attempt that asks for `first`, twice as much the second time, and so on."""

    def amount(wildcards: Any, attempt: int) -> int:  # noqa: ARG001
        """Return what an attempt, counted from 1, asks for."""
        return first * attempt

    return amount
