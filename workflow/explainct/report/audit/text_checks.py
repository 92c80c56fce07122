"""Checks of what a paper's text says about its numbers: gains, sums, best rows, counts."""

from collections.abc import Callable, Iterator, Mapping
from itertools import product
from math import prod
from typing import Any

from explainct.report.audit.printed_numbers import Finding, Number, Span, Table, agrees, derive, matches, shown

Statement = Mapping[str, Any]
Tables = Mapping[str, Table]

GREATEST = {"least": "least", "most": "greatest"}
OPERATIONS: dict[str, tuple[str, Callable[..., float]]] = {
    "sum": (" + ", lambda *numbers: sum(numbers)),
    "difference": (" - ", lambda first, second: first - second),
    "product": (" x ", lambda *numbers: prod(numbers)),
    "ratio": (" / ", lambda first, second: first / second),
    "quoted": ("", lambda number: number),
}


def arithmetic(statement: Statement, _: Tables) -> Iterator[Finding]:
    """Compare a printed number with the sum, difference, product or ratio of others, or with another as it stands."""
    sign, operation = OPERATIONS[statement["check"]]
    printed, operands = Number.parse(statement["printed"]), [Number.parse(text) for text in statement["of"]]
    derived = derive(operation, *operands)
    relation = statement["relation"]
    written = sign.join(number.text for number in operands)
    written += f" = {shown(derived.value, printed.decimals)}" if sign else ""
    text = f"The number has to be {_words(relation)} {written}; printed is {printed.text}"
    text += f" ({statement['note']})." if "note" in statement else "."
    holds = agrees(printed, relation, derived)
    yield Finding(statement["source"], statement["row"], statement["check"], printed, derived.value, holds, text)


def _words(relation: str) -> str:
    return {"equals": "equal to"}.get(relation, relation)


def gain(statement: Statement, tables: Tables) -> Iterator[Finding]:
    """Compare a stated improvement with the least or the greatest gain over other rows, in both readings.

    A gain can be a difference, in the unit of the table, or relative to the other row, in per cent. It holds if one
    of the two fits; the derived number is that of the nearer reading.
    """
    row, column, end = (statement[key] for key in ("row", "column", "end"))
    printed = Number.parse(statement["printed"])
    pairs = [
        (tables[name].cells[row][column], tables[name].cells[other][column])
        for name, other in product(statement["tables"], statement["over"])
    ]
    readings = {
        "as a difference": _extreme(end, [derive(lambda mine, theirs: mine - theirs, *pair) for pair in pairs]),
        "relative": _extreme(end, [derive(lambda mine, theirs: 100 * mine / theirs - 100, *pair) for pair in pairs]),
    }
    nearest = min(readings, key=lambda name: abs(readings[name].value - printed.value))
    holds = agrees(printed, "equals", readings[nearest])
    others = ", ".join(statement["over"])
    which, label = (f"the {GREATEST[end]} gain", end) if len(pairs) > 1 else ("the gain", f"over {others}")
    values = ", ".join(f"{shown(span.value, printed.decimals)} {name}" for name, span in readings.items())
    text = f"For {column} of {row}, {which} over {others} is {values} (per cent); printed is {printed.text}"
    text += f", which fits {nearest}." if holds else ", which fits neither."
    where = f"{statement['source']}, {' and '.join(statement['tables'])}"
    yield Finding(where, f"{row}, {column}, {label}", "gain", printed, readings[nearest].value, holds, text)


def _extreme(end: str, spans: list[Span]) -> Span:
    """Return the least or the greatest of derived numbers, end by end."""
    pick = {"least": min, "most": max}[end]
    return Span(*(pick(getattr(span, name) for span in spans) for name in ("value", "low", "high")))


def best(statement: Statement, tables: Tables) -> Iterator[Finding]:
    """Check that no other row exceeds one that is said to be the best, for each column; equal numbers are allowed."""
    row = statement["row"]
    for name, column in product(statement["tables"], statement["columns"]):
        printed = tables[name].cells[row][column]
        others = {other: cells[column] for other, cells in tables[name].cells.items() if other != row}
        winner = max(others, key=lambda other: others[other].value)
        highest = others[winner].value
        text = f"The highest {column} of the others is {others[winner].text} of {winner}; {row} has {printed.text}."
        where = f"{statement['source']}, {name}"
        yield Finding(where, f"{row}, {column}", "best", printed, highest, printed.value >= highest, text)


def equal_parts(statement: Statement, _: Tables) -> Iterator[Finding]:
    """Check that a number of items can be divided into equal parts; the derived number is the nearest that can."""
    printed, parts = Number.parse(statement["printed"]), int(statement["of"][0])
    derived = round(printed.value / parts) * parts
    text = f"{parts} equal parts of {printed.text} have {shown(printed.value / parts, printed.decimals)} items each"
    text += "." if derived == printed.value else f"; parts of whole items would make {derived}."
    holds = derived == printed.value
    yield Finding(statement["source"], statement["row"], "equal_parts", printed, derived, holds, text)


def f1_from_rates(statement: Statement, tables: Tables) -> Iterator[Finding]:
    """Rebuild counts from printed sensitivities and specificities on one test set, and compare F1 with the printed one.

    The numbers of positives are those with which every printed rate is a share of whole images.
    """
    rates, images = tables[statement["rates"]].cells, statement["images"]
    column, target = statement["column"], tables[statement["table"]].cells
    positives = [
        count for count in range(1, images) if all(counts_of(cells, count, images) for cells in rates.values())
    ]
    for row, cells in rates.items():
        printed = target[row][column]
        given = (
            f"Sensitivity {cells['sensitivity'].text} and specificity {cells['specificity'].text} on {images} images"
        )
        where = f"{statement['source']}, {statement['table']}"
        found = [(hits, rejected, count) for count in positives for hits, rejected in counts_of(cells, count, images)]
        if not found:
            text = f"{given} are shares of no whole numbers of images."
            yield Finding(where, f"{row}, {column}", "f1_from_rates", printed, float("nan"), False, text)
            continue
        hits, rejected, count = min(found, key=lambda counts: abs(f1_of(*counts, images) - printed.value))
        derived = f1_of(hits, rejected, count, images)
        verb = "are" if len(found) == 1 else "can be"
        text = (
            f"{given} {verb} {hits} of {count} positives and {rejected} of {images - count} negatives, hence F1 "
            f"{shown(derived, printed.decimals)}; printed is {printed.text}"
        )
        holds = matches(derived, printed)
        same = [other for other in target if other != row and matches(derived, target[other][column])]
        text += f", while {' and '.join(same)} has {shown(derived, printed.decimals)}." if same and not holds else "."
        yield Finding(where, f"{row}, {column}", "f1_from_rates", printed, derived, holds, text)


def counts_of(cells: Mapping[str, Number], positives: int, images: int) -> list[tuple[int, int]]:
    """Return all numbers of found positives and rejected negatives whose shares are the printed rates."""
    negatives = images - positives
    hits = [n for n in range(positives + 1) if matches(n / positives, cells["sensitivity"])]
    rejected = [n for n in range(negatives + 1) if matches(n / negatives, cells["specificity"])]
    return list(product(hits, rejected))


def f1_of(hits: int, rejected: int, positives: int, images: int) -> float:
    """Return F1 in [0, 1] from the counts of found positives and rejected negatives."""
    false_alarms = images - positives - rejected
    return 2 * hits / (hits + false_alarms + positives)


STATEMENT_CHECKS: dict[str, Callable[[Statement, Tables], Iterator[Finding]]] = {
    **dict.fromkeys(OPERATIONS, arithmetic),
    "gain": gain,
    "best": best,
    "equal_parts": equal_parts,
    "f1_from_rates": f1_from_rates,
}
