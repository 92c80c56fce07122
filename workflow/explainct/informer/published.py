"""What INFORMER prints of its alarms, with the means that follow from its rows."""

import numpy as np
import pandas as pd

from explainct.report.audit.audit import load_papers
from explainct.report.audit.printed_numbers import Number, matches

PAPER, TABLE, MEDIANS = "INFORMER", "Table 1", "section 3, median F1 of 30 bootstrapped test sets"
NOTE = (
    "Chest X-rays of CheXpert, five diseases, DenseNet-121, one training, 284 test images: other data and other "
    "classes, so no comparison with ours."
)


def published_table() -> pd.DataFrame:
    """Return Table 1 of INFORMER as printed, with the mean of each row and whether the printed one agrees with it.

    Returns:
        Columns rule (its name in the paper), the F1 of each class and its mean as printed (text), `recomputed` (mean
        of the printed classes), `agrees` (with the printed mean, given its digits) and `median` (of 30 bootstrapped
        test sets, as printed).
    """
    tables = {table["table"]: table for table in load_papers()[PAPER]["tables"]}
    columns, mean = tables[TABLE]["columns"], tables[TABLE]["mean"]
    rows = []
    for rule, cells in tables[TABLE]["rows"].items():
        printed = dict(zip(columns, cells, strict=True))
        recomputed = float(np.mean([float(printed[name]) for name in columns if name != mean]))
        agrees = matches(recomputed, Number.parse(printed[mean]))
        rows.append({"rule": rule, **printed, "recomputed": recomputed, "agrees": agrees})
    table = pd.DataFrame(rows)
    return table.assign(median=table["rule"].map({row: cells[0] for row, cells in tables[MEDIANS]["rows"].items()}))
