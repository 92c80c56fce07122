"""What the paper of AX and GAX prints, beside which ours stands."""

import pandas as pd

from explainct.report.audit.audit import load_papers

PAPER, TABLE = "AX/GAX", "Table 1"
NOTE = (
    "Chest X-rays of pneumonia, two classes, ResNet-34 and AlexNet with weights of ImageNet: other data and other "
    "networks, so no comparison with ours. The paper prints no numbers of its box plots and curves; in words it says "
    "that Deconvolution reaches scores over 80 on the X-rays, that on ImageNet scores are typically 10 or less, and "
    "that most images reach a target of 48 within 50 iterations of GAX (sections 4.1 and 4.2)."
)


def published_table() -> pd.DataFrame:
    """Return Table 1 of the paper as printed: columns network, accuracy, precision, recall and val. acc. (texts)."""
    table = next(table for table in load_papers()[PAPER]["tables"] if table["table"] == TABLE)
    rows = [(name, *cells) for name, cells in table["rows"].items()]
    return pd.DataFrame(rows, columns=["network", *table["columns"]])
