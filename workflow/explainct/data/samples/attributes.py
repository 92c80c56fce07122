"""The six attributes of nodules that LIDC's readers rate, and how their ratings become labels (CF-Align, B.1)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median_high, median_low

import numpy as np
import pandas as pd

from explainct.errors import UserError

MEDIANS: dict[str, Callable[[Sequence[int]], int]] = {"median_high": median_high, "median_low": median_low}
"""How the ratings of an even number of readers become one: the higher or the lower of the two in the middle."""


@dataclass(frozen=True, kw_only=True)
class Attribute:
    """An attribute and its two labels.

    Attributes:
        name: name of the attribute in LIDC and in tables.
        positive: what label 1 means.
        negative: what label 0 means.
        positive_ratings: lowest and highest rating of label 1, both included; all others are label 0.
    """

    name: str
    positive: str
    negative: str
    positive_ratings: tuple[int, int]


ATTRIBUTES: dict[str, Attribute] = {
    name: Attribute(name=name, positive=positive, negative=negative, positive_ratings=ratings)
    for name, positive, negative, ratings in (
        ("subtlety", "subtle", "obvious", (1, 4)),
        ("calcification", "present", "absent", (1, 5)),
        ("margin", "poorly defined", "sharp", (1, 4)),
        ("spiculation", "present", "absent", (2, 5)),
        ("lobulation", "present", "absent", (2, 5)),
        ("texture", "ground glass or mixed", "solid", (1, 4)),
    )
}
"""All attributes, with the cut-offs of CF-Align, appendix B.1."""


MALIGNANCY = Attribute(name="malignancy", positive="malignant", negative="benign", positive_ratings=(4, 5))
"""The rating of malignancy, with the cut-off of CF-Align, section 5.1: up to 3 is benign, from 4 on malignant."""

RATED = (*ATTRIBUTES, MALIGNANCY.name)
"""What readers rate, by its name in LIDC and in tables."""


def ratings_column(attribute: str) -> str:
    """Return the column of tables that holds a nodule's ratings, a list with one a reader.

    >>> ratings_column("margin")
    'ratings_margin'
    """
    return f"ratings_{attribute}"


def attribute_label(ratings: Sequence[float], attribute: Attribute, median: str) -> float:
    """Return the label of one nodule: 1 or 0 by the median of its readers, NaN where no reader rated it.

    Args:
        ratings: one a reader, from 1; a missing one is 0 or NaN, and is left out.
        attribute: gives the cut-off.
        median: `median_high` or `median_low`, which differ where two readers in the middle disagree.

    Raises:
        UserError: there is no such median.

    >>> attribute_label([4, 4, 5, 5], ATTRIBUTES["margin"], "median_high")
    0.0
    >>> attribute_label([4, 4, 5, 5], ATTRIBUTES["margin"], "median_low")
    1.0
    """
    if median not in MEDIANS:
        raise UserError(f"Setting `monitoring.median` is `{median}`, but medians are {', '.join(MEDIANS)}. Choose one.")
    given = [int(rating) for rating in ratings if rating >= 1]
    if not given:
        return np.nan
    low, high = attribute.positive_ratings
    return float(low <= MEDIANS[median](given) <= high)


def attribute_labels(nodules: pd.DataFrame, median: str) -> pd.DataFrame:
    """Return the labels of nodules: a column an attribute, 1 or 0, or NaN where no reader rated it.

    Args:
        nodules: a row a nodule, with the column `ratings_column` of each attribute.
        median: `median_high` or `median_low`.

    Raises:
        UserError: a column is missing, or there is no such median.
    """
    missing = [name for name in map(ratings_column, ATTRIBUTES) if name not in nodules]
    if missing:
        raise UserError(
            f"The table of nodules lacks {', '.join(missing)}: its dataset has no readers' ratings. "
            "Attributes need those of LIDC-IDRI; set `ingest.archives` to it, or to none for the demo."
        )
    return pd.DataFrame(
        {
            name: [attribute_label(ratings, attribute, median) for ratings in nodules[ratings_column(name)]]
            for name, attribute in ATTRIBUTES.items()
        },
        index=nodules.index,
    )


def label_counts(nodules: pd.DataFrame, median: str) -> pd.DataFrame:
    """Return how many nodules have each label, and how many labels the rule for ties decides.

    Args:
        nodules: as of `attribute_labels`.
        median: the rule that labels follow, `median_high` or `median_low`.

    Returns:
        A row an attribute: `attribute`, `positive` (its meaning), `nodules` (with a label), `positives`, `prevalence`
        in [0, 1], `other_median` (the other rule), `other_prevalence` and `changed` (labels that differ under it).
    """
    labels = attribute_labels(nodules, median)
    other = next(name for name in MEDIANS if name != median)
    others = attribute_labels(nodules, other)
    rows = [
        (
            name,
            attribute.positive,
            int(labels[name].count()),
            int(labels[name].sum()),
            labels[name].mean(),
            other,
            others[name].mean(),
            int((labels[name] != others[name])[labels[name].notna()].sum()),
        )
        for name, attribute in ATTRIBUTES.items()
    ]
    columns = ["attribute", "positive", "nodules", "positives", "prevalence", "other_median", "other_prevalence"]
    return pd.DataFrame(rows, columns=[*columns, "changed"])
