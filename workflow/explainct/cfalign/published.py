"""What CF-Align prints of its experiment, beside this study's numbers."""

import pandas as pd

from explainct.report.audit.audit import load_papers

PAPER = "CF-Align"
PRINTED = {
    "saliency_precision": ("section 5.2, saliency precision", "CF-Align", "cfalign_published"),
    "accuracy": ("section 5.2, accuracy", "Oracle", "oracle"),
}
"""By the name of our measure: the table of `papers.yaml`, its row, and the method of ours that it is."""
NOTE = (
    "Whole slices of real LIDC-IDRI scans, 300 epochs, three seeds. The text prints two numbers of Figure 3; its bars "
    "cannot be read exactly. The code published later plants a mark that says the label and reverses it in validation "
    "and test, so what these numbers were measured on is not certain."
)


def published_table() -> pd.DataFrame:
    """Return the numbers that the paper prints: columns measure, method (of ours), row (of the paper), percent."""
    tables = {table["table"]: table for table in load_papers()[PAPER]["tables"]}
    rows = [
        (measure, method, row, float(tables[name]["rows"][row][0])) for measure, (name, row, method) in PRINTED.items()
    ]
    return pd.DataFrame(rows, columns=["measure", "method", "row", "percent"])
