"""Write the tables of the annotation study for reading."""

import pandas as pd

from explainct.report.plot_style import method_label
from explainct.scoring.metrics.declarations import METRICS

OUTLINES = {"consensus": "consensus of the readers", "single": "a single reader"}
"""Whose outlines train, for readers."""


FILLED = {
    "nearest": "nearest annotated slice",
    "interpolated": "interpolated",
    "signed_distance": "interpolated by signed distances",
}
"""What fills the gaps between annotated slices: arrays of the files of weights, with their names for readers."""


def markdown(scores: pd.DataFrame, table: pd.DataFrame, annotations: pd.DataFrame, cohort: str) -> str:
    """Return scores, differences between methods, and ratings of annotations as tables over outlined slices.

    Args:
        scores: the table of `explainct.due.annotation_study.compare.mean_scores`.
        table: the differences of `explainct.due.annotation_study.compare.differences`; those along `method` are shown.
        annotations: the table of `explainct.due.annotation_study.rate.rate_annotations`.
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
        parts.append(_wide(group, group["method"].map(method_label), "{mean:.3f} [{low:.3f}, {high:.3f}]"))
        pairs = between[(between["metric"] == metric) & (between["outlines"] == outlines)]
        if len(pairs):
            parts.append(f"Differences to {method_label(pairs['reference'].iloc[0])}, paired over patients:\n")
            cell = "{difference:+.3f} [{low:+.3f}, {high:+.3f}]"
            parts.append(_wide(pairs, pairs["method"].map(method_label), cell))
    for outlines, group in annotations.groupby("outlines", sort=False):
        parts.append(f"## What trains, {OUTLINES[outlines]}\n")
        parts.append(f"IoU of {group['lesions'].max()} filled training annotations with the consensus on all slices:\n")
        parts.append(_wide(group, group["annotation"].map(FILLED), "{mean:.3f} [{low:.3f}, {high:.3f}]"))
    return "\n".join(parts)


def _wide(table: pd.DataFrame, labels: pd.Series, cell: str) -> str:
    """Return a table with a row per number of slices and a column per label, each cell in the given format."""
    cells = table.assign(cell=[cell.format(**row) for row in table.to_dict("records")], label=labels)
    wide = cells.pivot(index="slices", columns="label", values="cell")
    wide = wide.loc[cells["slices"].unique(), cells["label"].unique()].reset_index(names="outlined slices")
    return f"{wide.to_markdown(index=False, disable_numparse=True)}\n"
