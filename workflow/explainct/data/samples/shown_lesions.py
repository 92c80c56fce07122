"""Which test lesions are shown."""

import numpy as np
import pandas as pd

FIRST = "LIDC-IDRI-0001"
"""Patient whose lesions come first, if tested: the demo's real scan."""


def choose_lesions(samples: pd.DataFrame, *, first: str = FIRST, rows: int) -> pd.DataFrame:
    """Return up to `rows` test lesions: the first one of patient `first`, then others spread evenly over the ids."""
    lesions = samples[(samples["split"] == "test") & (samples["label"] == 1)].sort_values("sample_id")
    lesions = lesions.drop_duplicates("patient_id")
    head, others = lesions[lesions["patient_id"] == first], lesions[lesions["patient_id"] != first]
    count = min(rows - len(head), len(others))
    spread = np.linspace(0, len(others) - 1, count).round().astype(int)
    return pd.concat([head, others.iloc[spread]], ignore_index=True)
