"""Printed numbers with their rounding, tables of them, and what a check finds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from explainct.errors import UserError

SLACK = 1e-9
"""Allowance for the arithmetic itself."""


@dataclass(frozen=True)
class Number:
    """A number as it is printed.

    Attributes:
        text: the number, with the digits that the paper gives.
        deviation: the standard deviation printed behind it, or empty.
    """

    text: str
    deviation: str = ""

    @classmethod
    def parse(cls, cell: str) -> "Number":
        """Read a number as printed: `61.25 ± 1.50`, `0.310`, `12,300` or `12'300`.

        Raises:
            UserError: the text is no such number.
        """
        parts = [part.strip().replace(",", "").replace("'", "") for part in str(cell).split("±")]
        try:
            number = cls(*parts)
            float(number.text), float(number.deviation or 0)
        except (ValueError, TypeError):
            raise UserError(
                f"{cell!r} among the published numbers is no number, expected one like '61.25 ± 1.50'. "
                "Correct `published_papers.yaml`."
            ) from None
        return number

    @property
    def value(self) -> float:
        """The number."""
        return float(self.text)

    @property
    def decimals(self) -> int:
        """Number of printed digits behind the point."""
        return len(self.text.partition(".")[2])

    @property
    def half(self) -> float:
        """Half a unit of the last printed digit: as far as rounding can have moved the number."""
        return 0.5 * 10.0**-self.decimals

    @property
    def slack(self) -> float:
        """As `half`, but 0 for whole numbers, which are counts where others are derived from them."""
        return self.half if self.decimals else 0.0


@dataclass(frozen=True)
class Table:
    """A printed table: `cells[row][column]`, and in `options` what its checks need to know."""

    name: str
    cells: Mapping[str, Mapping[str, Number]]
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Span:
    """A derived number, and the least and the greatest that the rounding of its operands allows."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Finding:
    """What one check says of one printed number; `explanation` is one sentence."""

    table: str
    row: str
    check: str
    printed: Number
    derived: float
    holds: bool
    explanation: str


def derive(formula: Callable[..., float], *numbers: Number) -> Span:
    """Apply a formula, monotone in each operand, to printed numbers and to all corners of their rounding."""
    corners = product(*((number.value - number.slack, number.value + number.slack) for number in numbers))
    results = [formula(*corner) for corner in corners]
    return Span(formula(*(number.value for number in numbers)), min(results), max(results))


def agrees(printed: Number, relation: str, derived: Span) -> bool:
    """Tell whether a printed number can stand in `relation` to a derived one, given how both are rounded.

    Args:
        printed: the number, up to half a unit of its last digit away from the true one.
        relation: `equals`, `at most`, `at least`, or `below` for a limit, itself exact, that the paper says was passed.
        derived: what it is compared with.
    """
    below = printed.value - printed.half <= derived.high + SLACK
    above = printed.value + printed.half >= derived.low - SLACK
    limits = {
        "equals": below and above,
        "at most": below,
        "at least": above,
        "below": printed.value < derived.high,
    }
    return limits[relation]


def matches(value: float, printed: Number) -> bool:
    """Tell whether `value` is `printed` when rounded to its digits, up or down at the half."""
    return abs(value - printed.value) <= printed.half + SLACK


def shown(value: float, decimals: int) -> str:
    """Return `value` with as many decimals, and at least one, or without a point where all of them are 0."""
    text = f"{value:.{max(decimals, 1)}f}"
    whole, _, rest = text.partition(".")
    if rest.strip("0"):
        return text
    return "0" if whole == "-0" else whole
