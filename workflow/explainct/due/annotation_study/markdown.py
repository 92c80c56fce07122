"""Write the tables of the annotation study for reading."""

import pandas as pd

from explainct.report.plot_style import method_label
from explainct.scoring.metrics.declarations import METRICS

OUTLINES = {"consensus": "consensus of the readers", "single": "a single reader"}
"""Whose outlines train, for readers."""


def markdown(scores: pd.DataFrame, table: pd.DataFrame, cohort: str) -> str:
    """Return scores, and differences between methods, as tables over the number of outlined slices.

    Args:
        scores: the table of `explainct.due.annotation_study.compare.mean_scores`.
        table: the differences of `explainct.due.annotation_study.compare.differences`; those along `method` are shown.
        cohort: the cohort in words.
    """
    patients, seeds = scores["patients"].max(), scores["seeds"].max()
    parts = [
        f"Training lesions have a few outlined slices; {patients} test patients of the {cohort} are judged against the "
        f"readers' consensus on all slices. Means over {seeds} seeds, with 95 % intervals over patients.\n"
    ]
    between = table[table["along"] == "method"]
    for (metric, outlines), group in scores.groupby(["metric", "outlines"], sort=False):
        parts.append(f"## {METRICS[metric].label}, {OUTLINES[outlines]}\n")
        parts.append(_wide(group, "{mean:.3f} [{low:.3f}, {high:.3f}]"))
        pairs = between[(between["metric"] == metric) & (between["outlines"] == outlines)]
        if len(pairs):
            parts.append(f"Differences to {method_label(pairs['reference'].iloc[0])}, paired over patients:\n")
            parts.append(_wide(pairs, "{difference:+.3f} [{low:+.3f}, {high:+.3f}]"))
    return "\n".join(parts)


def _wide(table: pd.DataFrame, cell: str) -> str:
    """Return a table with a row per number of slices and a column per method, each cell in the given format."""
    cells = table.assign(
        cell=[cell.format(**row) for row in table.to_dict("records")], label=table["method"].map(method_label)
    )
    wide = cells.pivot(index="slices", columns="label", values="cell")
    wide = wide.loc[cells["slices"].unique(), cells["label"].unique()].reset_index(names="outlined slices")
    return f"{wide.to_markdown(index=False, disable_numparse=True)}\n"
