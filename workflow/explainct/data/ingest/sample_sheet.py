"""The sample sheet of a user's cohort: one row per annotation; all its faults are found at once, before any job."""

import csv
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from jsonschema import Draft202012Validator

from explainct.errors import UserError

SCHEMA = Path(__file__).parents[3] / "schemas/samples.schema.json"
MISSING = ("", "NA", "n/a")
"""Cells that say nothing."""

MOST_FAULTS = 20


@dataclass(frozen=True)
class Sample:
    """A row of a sheet.

    Attributes:
        name: patient, scan, reader and lesion as one id, which no other row has.
        image: the scan's folder or file.
        annotation: the annotation's file or folder.
        lesion: regular expression of the names of lesions; empty for all.
        slices: annotated slices, counted from 1; empty for those that the file implies.
        cells: all cells of the row by column.
    """

    name: str
    image: Path
    annotation: Path
    lesion: str = ""
    slices: tuple[int, ...] = ()
    cells: Mapping[str, str] = field(default_factory=dict)


def read_sheet(path: Path) -> list[Sample]:
    """Read a sample sheet, a table with tabs, commas or semicolons, and check all of it.

    Args:
        path: the sheet; paths in it are relative to its folder.

    Raises:
        UserError: the sheet is missing, empty, or has faults; each is named with row, column, value and what was
            expected.
    """
    if not path.is_file():
        raise UserError(f"Sample sheet {path} does not exist. Correct the setting `fill.sheet`.")
    rows = list(_rows(path))
    if not rows:
        raise UserError(f"Sample sheet {path} holds no row below its head.")
    faults = [fault for number, cells in rows for fault in _faults(number, cells, path.parent)]
    samples = [_sample(cells, path.parent) for _, cells in rows] if not faults else []
    faults += list(_repeated(rows, samples)) + list(_split_patients(rows))
    if faults:
        more = f" {len(faults) - MOST_FAULTS} more faults are left out here." if len(faults) > MOST_FAULTS else ""
        raise UserError(f"Sample sheet {path}: {' '.join(faults[:MOST_FAULTS])}{more}")
    return samples


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield each row that is not blank, with its number as an editor counts, without missing cells."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"Sample sheet {path} is no UTF-8 text. Save it as CSV or TSV in UTF-8.") from None
    head = text.split("\n", 1)[0]
    reader = csv.DictReader(text.splitlines(), delimiter=max("\t,;", key=head.count), restkey="")
    names = [(name or "").strip() for name in reader.fieldnames or []]
    reader.fieldnames = names
    required = json.loads(SCHEMA.read_text(encoding="utf-8"))["required"]
    if lacking := [name for name in required if name not in names]:
        raise UserError(
            f"Sample sheet {path} has the columns {', '.join(filter(None, names)) or 'none'}, and lacks "
            f"{', '.join(lacking)}. Columns are named in its first row, with tabs or commas between."
        )
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"Sample sheet {path} has two columns {name!r}. Keep one of them.")
    for cells in reader:
        if cells.get(""):
            raise UserError(
                f"Sample sheet {path}, row {reader.line_num}, has more cells than the head has columns. Put text with "
                "the separator in it into quotes."
            )
        row = {name: (value or "").strip() for name, value in cells.items() if name}
        if any(row.values()):
            yield reader.line_num, {name: "" if value in MISSING else value for name, value in row.items()}


def _faults(number: int, cells: Mapping[str, str], folder: Path) -> Iterator[str]:
    """Yield what is wrong with a row by itself, a sentence each."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    wrong = set()
    for error in Draft202012Validator(schema).iter_errors(cells):
        column = str(error.absolute_path[0])
        wrong.add(column)
        yield _fault(number, column, cells[column], schema["properties"][column]["description"])
    for column in ("image", "annotation"):
        if column not in wrong and not (folder / cells[column]).exists():
            yield _fault(number, column, cells[column], f"a file or folder in {folder.absolute()}")
    try:
        re.compile(cells.get("lesion", ""))
    except re.error as error:
        yield _fault(number, "lesion", cells["lesion"], f"a regular expression ({error})")


def _fault(number: int, column: str, value: str, expected: str) -> str:
    return f"Row {number}, column {column}: {value!r}, expected {expected}."


def _sample(cells: Mapping[str, str], folder: Path) -> Sample:
    """Return a row without faults."""
    parts = [cells["patient"], cells["scan"], cells.get("reader", ""), cells.get("lesion", "")]
    return Sample(
        name="_".join(part for part in (re.sub(r"[^A-Za-z0-9.-]+", "-", one).strip("-.") for one in parts) if part),
        image=folder / cells["image"],
        annotation=folder / cells["annotation"],
        lesion=cells.get("lesion", ""),
        slices=tuple(map(int, re.findall(r"\d+", cells.get("annotated_slices", "")))),
        cells=dict(cells),
    )


def _repeated(rows: list[tuple[int, dict[str, str]]], samples: list[Sample]) -> Iterator[str]:
    """Yield rows that have the id of an earlier one: their results would lie in one folder."""
    first: dict[str, int] = {}
    for (number, _), sample in zip(rows, samples, strict=False):
        # Folders of some disks do not tell capitals apart.
        if (earlier := first.setdefault(sample.name.lower(), number)) != number:
            yield (
                f"Rows {earlier} and {number} are both {sample.name}: patient, scan, reader and lesion together must "
                "differ from row to row."
            )


def _split_patients(rows: list[tuple[int, dict[str, str]]]) -> Iterator[str]:
    """Yield patients who are in two splits."""
    first: dict[str, tuple[int, str]] = {}
    for number, cells in rows:
        split = cells.get("split", "")
        earlier, other = first.setdefault(cells["patient"], (number, split))
        if other != split:
            yield (
                f"Row {number}, column split: {split!r}, expected {other!r} as in row {earlier} of the same patient "
                f"{cells['patient']}."
            )
