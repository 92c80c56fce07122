"""The audit of published numbers: what the five papers print, next to what follows from their other printed numbers."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from explainct.report.audit.due_table1 import PUBLISHED_FILE
from explainct.report.audit.printed_numbers import Finding, Number, Table, shown
from explainct.report.audit.row_checks import ROW_CHECKS
from explainct.report.audit.text_checks import STATEMENT_CHECKS
from explainct.runtime.files import write_csv, write_text

PAPERS_FILE = Path(__file__).with_name("papers.yaml")
QUESTIONS = {
    "dice_bound": "Is the mean F1 at most 2 IoU / (1 + IoU), as a mean Dice is?",
    "precision_bound": "Is the mean precision at most 1 - recall + IoU, as strict precision is?",
    "implied_precision": "Is precision what IoU and recall give, the means taken as one sample?",
    "harmonic_bound": "Is the mean F1 at most the harmonic mean of mean precision and mean recall?",
    "hit_rate_ceiling": "Is F1 at most 2 R / (1 + R), which a hit rate as precision gives?",
    "hit_rate_floor": "Is F1 at least R, as with a hit rate as precision?",
    "row_mean": "Is the printed mean that of its row?",
    "reachable_mean": "Is the percentage a share of whole items over all runs?",
    "possible_deviation": "Can ratings on the scale have that standard deviation?",
    "confusion": "Is the accuracy that of the counts behind precision and recall?",
    "cut_off": "Do two labels share no score and miss none?",
    "sum": "Is the number the sum of its parts?",
    "difference": "Is the number the difference of two others?",
    "product": "Does the number follow from the product of others?",
    "ratio": "Is the number the ratio of two others?",
    "quoted": "Does the text agree with the number given elsewhere?",
    "gain": "Is the stated gain that of the table, as a difference or relative?",
    "best": "Is the row that is called best the best?",
    "equal_parts": "Can the items be divided into equal parts?",
    "f1_from_rates": "Is F1 that of the counts behind sensitivity and specificity?",
}
INTRODUCTION = """# Audit of published numbers

Each line compares a printed number with what follows from other numbers that the same paper prints. A check holds if
the two agree within half a unit of the last printed digit, carried through the derivation; whole numbers count as exact
where something is derived from them. A check that does not hold says that two numbers cannot both mean what their names
say, or that one is misprinted; it does not say which. `audit.csv` has every check with its explanation.
"""


def audit_published(*, csv: Path, md: Path) -> None:
    """Check the printed numbers of the five papers against each other and write what was found.

    Args:
        csv: a row per check: `paper`, `table`, `row`, `check`, `printed` and `derived` (in the unit of the table),
            `difference` (printed minus derived), `holds`, and `explanation`, one sentence.
        md: a page for reading: by paper the number of checks that hold, and those that do not.
    """
    papers = load_papers()
    findings = audit(papers)
    write_csv(findings, csv)
    write_text(audit_page(findings, papers), md)


def load_papers(path: Path = PAPERS_FILE) -> dict[str, dict[str, Any]]:
    """Return the papers by name: `source`, `tables` (columns and rows as printed), `statements` of the text, a `note`.

    The tables of DUE are filled with the numbers of `due_table1.yaml`.
    """
    papers = yaml.safe_load(path.read_text(encoding="utf-8"))["papers"]
    due = yaml.safe_load(PUBLISHED_FILE.read_text(encoding="utf-8"))
    for table in (table for paper in papers.values() for table in paper["tables"] if "published" in table):
        values = due["datasets"][table["published"]]["values"]
        table["unit"], table["columns"] = due["unit"], list(due["metrics"])
        table["rows"] = {
            row: [" ± ".join(map(_as_printed, numbers)) for numbers in cells.values()] for row, cells in values.items()
        }
    return papers


def published_numbers(papers: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Return all numbers of all tables.

    Returns:
        Columns paper, table, row, column, unit, printed (text as printed), deviation (text, empty without) and source.
    """
    rows = [
        (name, table["table"], row, column, table["unit"], number.text, number.deviation, _source(paper, table))
        for name, paper in papers.items()
        for table in paper["tables"]
        for row, cells in _read(table).cells.items()
        for column, number in cells.items()
    ]
    columns = ["paper", "table", "row", "column", "unit", "printed", "deviation", "source"]
    return pd.DataFrame(rows, columns=columns)


def audit(papers: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Run the checks that each table and statement asks for; one row a check, in the order of the papers.

    Raises:
        UserError: a number cannot be read.
    """
    rows = [_row(name, finding) for name, paper in papers.items() for finding in _findings(paper)]
    columns = ["paper", "table", "row", "check", "printed", "derived", "difference", "holds", "explanation"]
    return pd.DataFrame(rows, columns=columns)


def audit_page(findings: pd.DataFrame, papers: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the audit as Markdown, grouped by paper: how many checks hold, and those that do not."""
    parts = [INTRODUCTION]
    for paper, rows in findings.groupby("paper", sort=False):
        held = rows.groupby("check", sort=False)["holds"].agg(checks="size", hold="sum").reset_index()
        held["do not hold"] = held["checks"] - held["hold"]
        held.insert(1, "question", held["check"].map(QUESTIONS))
        failed = rows.loc[~rows["holds"], ["table", "row", "check", "explanation"]]
        about = papers[str(paper)]
        parts.append(f"## {paper}\n\n{about['source']}. {rows['holds'].sum()} of {len(rows)} checks hold.\n")
        if "note" in about:
            parts.append(f"{about['note']}\n")
        parts.append(f"{held.to_markdown(index=False)}\n")
        if len(failed):
            parts.append(f"### Not held\n\n{failed.to_markdown(index=False, disable_numparse=True)}\n")
    return "\n".join(parts)


def _as_printed(number: float) -> str:
    """Return a number of `due_table1.yaml` as DUE prints it: two decimals, or none where the file has none."""
    return str(number) if isinstance(number, int) else f"{number:.2f}"


def _source(paper: Mapping[str, Any], table: Mapping[str, Any]) -> str:
    return f"{paper['source']}, {table['source']}"


def _read(table: Mapping[str, Any]) -> Table:
    cells = {
        row: dict(zip(table["columns"], map(Number.parse, texts), strict=True)) for row, texts in table["rows"].items()
    }
    return Table(table["table"], cells, table)


def _findings(paper: Mapping[str, Any]) -> Iterator[Finding]:
    tables = {table["table"]: _read(table) for table in paper["tables"]}
    for table in tables.values():
        for check in table.options.get("checks", []):
            for row in table.cells:
                yield from ROW_CHECKS[check](table, row)
    for statement in paper.get("statements", []):
        yield from STATEMENT_CHECKS[statement["check"]](statement, tables)


def _row(paper: str, finding: Finding) -> tuple[Any, ...]:
    """Return a line of the table; derived numbers have two digits more than the printed one."""
    printed = finding.printed
    values = (finding.derived, printed.value - finding.derived)
    derived, difference = (shown(value, printed.decimals + 2) for value in values)
    where = (finding.table, finding.row, finding.check)
    return paper, *where, printed.text, derived, difference, finding.holds, finding.explanation
