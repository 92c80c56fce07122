"""The table of the planted cue: what each method is worth when the shortcut that it was shown is gone, or lies."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from sklearn.metrics import accuracy_score, roc_auc_score

from explainct.data.samples.planted_cue import MODES
from explainct.report.plot_style import method_label
from explainct.runtime.files import write_csv, write_text

COLUMNS = ["method", "mode", "metric", "mean", "std", "n_seeds"]
METRICS = {
    "accuracy": "accuracy",
    "majority": "accuracy of always saying the larger class",
    "roc_auc": "ROC-AUC",
    "cue_share": "share of the map on the mark",
    "cue_area": "share of the picture that is the mark",
}


def cue_table(
    *, cued_files: Sequence[Path], methods: Sequence[str], cohort: str, strength: float, csv: Path, md: Path
) -> None:
    """Write how well each method predicts with the cue aligned, absent and reversed.

    Args:
        cued_files: `cued.parquet` of each method.
        methods: the methods, in the same order.
        cohort: the cohort in words, for the caption.
        strength: the setting `samples.cue.strength`.
        csv: one row per method, mode and metric: mean and sample standard deviation over the seeds.
        md: the same for reading.
    """
    files = zip(methods, cued_files, strict=True)
    parts = [_scores(pd.read_parquet(path)).assign(method=method) for method, path in files]
    values = pd.concat(parts).melt(["method", "mode", "seed"], var_name="metric").dropna(subset="value")
    groups = values.groupby(["method", "mode", "metric"], sort=False)["value"]
    table = groups.agg(mean="mean", std="std", n_seeds="count").reset_index()
    order = {name: number for number, name in enumerate([*methods, *MODES, *METRICS])}
    table = table.sort_values(["method", "mode", "metric"], key=lambda column: column.map(order), ignore_index=True)
    write_csv(table[COLUMNS], csv)
    write_text(_markdown(table, cohort, strength), md)


def _scores(table: pd.DataFrame) -> pd.DataFrame:
    """Return the metrics of one method, one row per mode and seed."""
    rows = []
    for (mode, seed), group in table.groupby(["mode", "seed"]):
        share = group["label"].mean()
        rows.append(
            {
                "mode": mode,
                "seed": seed,
                "accuracy": accuracy_score(group["label"], group["predicted"]),
                "majority": max(share, 1 - share),
                "roc_auc": roc_auc_score(group["label"], group["probability"]),
                "cue_share": group["cue_share"].mean(),
                "cue_area": group["cue_area"].mean(),
            }
        )
    return pd.DataFrame(rows)


def _markdown(table: pd.DataFrame, cohort: str, strength: float) -> str:
    cells = table.assign(
        cell=[
            f"{row.mean:.3f}" if pd.isna(row.std) else f"{row.mean:.3f} ± {row.std:.3f}"
            for row in table[["mean", "std"]].itertuples()
        ],
        column=table["mode"] + ": " + table["metric"].map(METRICS),
        method=table["method"].map(method_label),
    )
    wide = cells.pivot(index="method", columns="column", values="cell")
    wide = wide.loc[cells["method"].unique(), cells["column"].unique()].fillna("")
    return (
        f"A mark outside the lesion says the label of a training image with probability {strength:g}: bright for "
        f"lesions, dark for neighbours. Test samples of the {cohort} with the mark aligned with the label, absent and "
        "reversed; mean ± standard deviation over the seeds. "
        "A method that looks at the lesion loses nothing without the mark.\n\n"
        f"{wide.reset_index().to_markdown(index=False, disable_numparse=True)}\n"
    )
