"""Checks of the rows of a published table: what some of their numbers say about another."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import floor, sqrt

from explainct.report.audit.printed_numbers import Finding, Number, Span, Table, agrees, derive, matches, shown

Check = Callable[[Table, str], Iterator[Finding]]
CONVERSE = {"equals": "equal to", "at most": "at least", "at least": "at most"}


@dataclass(frozen=True)
class Formula:
    """A relation between the columns of a row, in per cent.

    Attributes:
        premise: what the relation follows from.
        column: the printed column that is checked.
        relation: how it stands to the derived number (`equals`, `at most`, `at least`).
        of: columns that the number is derived from.
        derived: the number from these columns.
        needed: the limit of the first of these columns, from the printed column and the others.
    """

    premise: str
    column: str
    relation: str
    of: tuple[str, ...]
    derived: Callable[..., float]
    needed: Callable[..., float]


def dice_of_iou(iou: float) -> float:
    """Return the Dice coefficient, in per cent, of a sample whose IoU is `iou` per cent.

    It is concave in the IoU, so by Jensen's inequality the mean Dice of many samples is at most that of their mean IoU.
    """
    return 200 * iou / (100 + iou)


def iou_of_dice(dice: float) -> float:
    """Return the IoU, in per cent, of a sample whose Dice coefficient is `dice` per cent."""
    return 100 * dice / (200 - dice)


def precision_of(iou: float, recall: float) -> float:
    """Return the precision of one sample from its IoU and recall, in per cent: 1/P = 1/IoU + 1 - 1/R as fractions."""
    return 1 / (1 / iou + 0.01 - 1 / recall)


def most_precision(iou: float, recall: float) -> float:
    """Return the largest mean precision that a mean IoU and a mean recall allow, in per cent.

    For one sample R - IoU = R^2 (1 - P) / (R + P - R P), which is at most 1 - P since R^2 <= R + P - R P; the bound
    P <= 1 - R + IoU is linear, so it holds for means of any number of samples, and mixtures of samples inside the
    annotation and samples that cover all and more come as near to it as one likes.
    """
    return 100 - recall + iou


def harmonic_mean(recall: float, precision: float) -> float:
    """Return the harmonic mean; it is concave, so the mean F1 is at most that of mean precision and mean recall."""
    return 2 * precision * recall / (precision + recall)


HIT = "If precision is 1 on each sample with any overlap (a hit rate)"
FORMULAS = {
    "dice_bound": Formula("If F1 is the Dice of each sample", "F1", "at most", ("IoU",), dice_of_iou, iou_of_dice),
    "precision_bound": Formula(
        "If precision, recall and IoU count the same voxels",
        "Precision",
        "at most",
        ("IoU", "Recall"),
        most_precision,
        lambda precision, recall: precision + recall - 100,
    ),
    "implied_precision": Formula(
        "If the means were those of one sample",
        "Precision",
        "equals",
        ("IoU", "Recall"),
        precision_of,
        lambda precision, recall: 1 / (1 / precision + 1 / recall - 0.01),
    ),
    "harmonic_bound": Formula(
        "If F1 is the harmonic mean in each sample",
        "F1",
        "at most",
        ("Recall", "Precision"),
        harmonic_mean,
        lambda f1, precision: f1 * precision / (2 * precision - f1),
    ),
    "hit_rate_ceiling": Formula(HIT, "F1", "at most", ("Recall",), dice_of_iou, iou_of_dice),
    "hit_rate_floor": Formula(HIT, "F1", "at least", ("Recall",), lambda recall: recall, lambda f1: f1),
}
"""With a hit rate F1 is 2R / (1 + R) in each sample: a concave function of recall, and never less than it."""


def formula_check(name: str) -> Check:
    """Return the check of the formula called `name`."""
    formula = FORMULAS[name]

    def check(table: Table, row: str) -> Iterator[Finding]:
        """Compare what a row prints with what the formula makes of its other cells."""
        cells = table.cells[row]
        printed, operands = cells[formula.column], [cells[column] for column in formula.of]
        derived = derive(formula.derived, *operands)
        holds = agrees(printed, formula.relation, derived)
        given = " and ".join(f"{column} {cells[column].text}" for column in formula.of)
        limit = "" if formula.relation == "equals" else f"{formula.relation} "
        expected = f"mean {formula.column} is {limit}{shown(derived.value, printed.decimals)}"
        text = f"{formula.premise}, {expected} next to {given}; "
        if holds:
            text += f"the printed {printed.text} fits."
        else:
            needed = formula.needed(printed.value, *(operand.value for operand in operands[1:]))
            first = f"{formula.of[0]} {CONVERSE[formula.relation]} {shown(needed, printed.decimals)}"
            text += f"the printed {printed.text} would need {first}."
        yield Finding(table.name, row, name, printed, derived.value, holds, text)

    return check


def row_mean(table: Table, row: str) -> Iterator[Finding]:
    """Compare the printed mean of a row with that of its other numbers; where they differ, look for swapped cells."""
    printed, derived, holds = _mean(table, table.cells[row])
    text = (
        f"The mean of the row's numbers is {shown(derived.value, printed.decimals)}; the printed mean is {printed.text}"
    )
    swaps = [] if holds else list(_swaps(table, row))
    if swaps:
        text += f", and both rows' means would fit with these cells exchanged: {', '.join(swaps)}"
    yield Finding(table.name, row, "row_mean", printed, derived.value, holds, f"{text}.")


def _mean(table: Table, cells: dict[str, Number]) -> tuple[Number, Span, bool]:
    """Return the printed mean of a row, the derived one, and whether they agree."""
    printed = cells[table.options["mean"]]
    derived = derive(
        lambda *values: sum(values) / len(values), *(cells[name] for name in cells if name != table.options["mean"])
    )
    return printed, derived, agrees(printed, "equals", derived)


def _swaps(table: Table, row: str) -> Iterator[str]:
    """Yield the columns and rows with which one exchange of cells would mend the means of both rows."""
    for other, cells in table.cells.items():
        for column in cells:
            if other == row or column == table.options["mean"]:
                continue
            mine = {**table.cells[row], column: cells[column]}
            theirs = {**cells, column: table.cells[row][column]}
            if _mean(table, mine)[2] and _mean(table, theirs)[2]:
                yield f"{column} with {other}"


def reachable_mean(table: Table, row: str) -> Iterator[Finding]:
    """Look for a whole number of hits, over all runs, whose share is the printed percentage (the GRIM test).

    `options["counted"]` has the column, the number of runs, and the numbers of items of one run that may be meant.
    The test is that of Brown and Heathers, Social Psychological and Personality Science 8(4), 2017.
    """
    column, runs, sizes = (table.options["counted"][key] for key in ("column", "runs", "items"))
    printed = table.cells[row][column]
    nearest = [_nearest_share(printed, runs * size) for size in sizes]
    derived = min(nearest, key=lambda share: abs(share - printed.value))
    holds = matches(derived, printed)
    items = " or ".join(map(str, sizes))
    text = (
        f"Among the shares of {runs} runs of {items} items, {derived:.{printed.decimals + 2}f} is nearest to {column} "
    )
    text += printed.text
    fewer = [n for n in range(1, runs) if any(matches(_nearest_share(printed, n * size), printed) for size in sizes)]
    if not holds and fewer:
        text += f", which {fewer[0]} runs would reach"
    elif not holds:
        text += ", which averages of unequal batches could reach"
    yield Finding(table.name, row, "reachable_mean", printed, derived, holds, f"{text}.")


def _nearest_share(printed: Number, items: int) -> float:
    """Return the share, in per cent, of a whole number of `items` that is nearest to a printed percentage."""
    return 100 * round(printed.value * items / 100) / items


def possible_deviation(table: Table, row: str) -> Iterator[Finding]:
    """Compare a standard deviation with the largest that ratings on a scale can have: sqrt((M - low) (high - M))."""
    low, high = table.options["scale"]
    for column, cell in table.cells[row].items():
        printed = Number(cell.deviation)
        derived = derive(lambda mean: sqrt((mean - low) * (high - mean)), cell)
        text = (
            f"Ratings from {low} to {high} with {column} {cell.text} on average deviate by at most "
            f"{shown(derived.value, printed.decimals)}; printed is {printed.text}."
        )
        holds = agrees(printed, "at most", derived)
        yield Finding(table.name, row, "possible_deviation", printed, derived.value, holds, text)


def confusion(table: Table, row: str) -> Iterator[Finding]:
    """Rebuild the confusion counts from printed recall and precision, and compare their accuracy with the printed one.

    `options["counts"]` has the numbers of positives and negatives.
    """
    positives, negatives = (table.options["counts"][key] for key in ("positives", "negatives"))
    printed, precision, recall = (table.cells[row][name] for name in ("accuracy", "precision", "recall"))
    given = f"recall {recall.text} and precision {precision.text} of {positives} positives and {negatives} negatives"
    counts = [
        (true, false)
        for true in range(1, positives + 1)
        if matches(true / positives, recall)
        for false in range(negatives + 1)
        if matches(true / (true + false), precision)
    ]
    accuracies = [(true + negatives - false) / (positives + negatives) for true, false in counts]
    if not counts:
        text = f"No whole numbers of calls give {given}."
        yield Finding(table.name, row, "confusion", printed, float("nan"), False, text)
        return
    derived = min(accuracies, key=lambda accuracy: abs(accuracy - printed.value))
    true, false = counts[accuracies.index(derived)]
    text = (
        f"{given[0].upper()}{given[1:]} are {true} right and {false} wrong positive calls, hence an accuracy of "
        f"{shown(derived, printed.decimals)}; printed is {printed.text}."
    )
    yield Finding(table.name, row, "confusion", printed, derived, matches(derived, printed), text)


def cut_off(table: Table, row: str) -> Iterator[Finding]:
    """Check that two labels of a rating leave no score without a label and give none both."""
    last, first = table.cells[row].values()
    derived = floor(last.value) + 1
    text = f"One label goes up to {last.text}, so the other has to start at {derived}; printed is {first.text}."
    yield Finding(table.name, row, "cut_off", first, derived, first.value == derived, text)


ROW_CHECKS: dict[str, Check] = {
    **{name: formula_check(name) for name in FORMULAS},
    "row_mean": row_mean,
    "reachable_mean": reachable_mean,
    "possible_deviation": possible_deviation,
    "confusion": confusion,
    "cut_off": cut_off,
}
