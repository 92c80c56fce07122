"""Labels of the nodules and their folds, with counts, prevalence, and what the rule for ties does."""

import logging
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from explainct.data.samples.attributes import ATTRIBUTES, attribute_labels, label_counts
from explainct.data.samples.folds import check_folds, draw_folds
from explainct.data.samples.nodules import nodule_flow
from explainct.errors import UserError
from explainct.report.plot_style import RC, save_figure
from explainct.runtime.files import write_csv, write_parquet

log = logging.getLogger(__name__)

COLORS = ("#0072B2", "#BBBBBB")
"""Colours of the rule that labels follow, and of the other one."""


def label_nodules(
    *,
    nodules_file: Path,
    labels_file: Path,
    counts_file: Path,
    flow_file: Path,
    png: Path,
    pdf: Path,
    median: str,
    folds: int,
    cohort: str,
    seed: int,
) -> None:
    """Write the labels and the fold of each nodule, with counts, flow and a picture of the prevalences.

    Args:
        nodules_file: the table of nodules with their readers' ratings.
        labels_file: becomes the table of the nodules that are used: `lesion_id`, `patient_id`, `row` (number of its
            image), `group` (the fold that tests it), and 0 or 1 for each attribute.
        counts_file: becomes the table of `explainct.data.samples.attributes.label_counts`.
        flow_file: becomes the table of `explainct.data.samples.nodules.nodule_flow`.
        png: picture of the prevalences for the report.
        pdf: picture for a paper.
        median: `median_high` or `median_low`.
        folds: number of folds.
        cohort: the cohort in words, for the title.
        seed: seed of the draw of folds.

    Raises:
        UserError: there are no ratings, no nodule is left, or a part of a fold has one label only.
    """
    nodules = pd.read_parquet(nodules_file)
    labels = attribute_labels(nodules, median)
    unrated = labels.isna().any(axis=1) & (nodules["reason"] == "")
    first = labels.isna().idxmax(axis=1).map("No reader rated its {}.".format)
    nodules["reason"] = nodules["reason"].where(~unrated, first)
    used = nodules["reason"] == ""
    if not used.any():
        raise UserError(f"{nodules_file} has {len(nodules)} nodules and none that can be used. Read more scans.")
    counts = label_counts(nodules[used], median)
    table = pd.concat(
        [nodules.loc[used, ["lesion_id", "patient_id", "row"]], labels[used].astype(np.int64)], axis=1
    ).reset_index(drop=True)
    table.insert(3, "group", draw_folds(table["patient_id"], folds=folds, seed=seed))
    check_folds(table[list(ATTRIBUTES)], table["group"].to_numpy())
    log.info("%d nodules of %d patients in %d folds", len(table), table["patient_id"].nunique(), folds)
    write_csv(counts, counts_file)
    write_csv(nodule_flow(nodules, counts), flow_file)
    draw_prevalence(counts, f"{len(table):,} nodules of {table['patient_id'].nunique()} patients, {cohort}", png, pdf)
    write_parquet(table, labels_file)


def draw_prevalence(counts: pd.DataFrame, cohort: str, *paths: Path) -> None:
    """Draw the prevalence of each attribute under both rules for ties.

    Args:
        counts: the table of `explainct.data.samples.attributes.label_counts`.
        cohort: the cohort in words, for the title.
        paths: pictures to write.
    """
    rules = {"prevalence": "the rule of the labels", "other_prevalence": str(counts["other_median"].iloc[0])}
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(7.2, 3.0), layout="constrained")
        axes = figure.subplots()
        rows = np.arange(len(counts))
        for number, (column, label) in enumerate(rules.items()):
            bars = axes.barh(rows + 0.38 * (number - 0.5), counts[column], 0.36, color=COLORS[number], label=label)
            axes.bar_label(bars, fmt="%.2f", padding=2, fontsize=8)
        names = [f"{name}: {attribute.positive}" for name, attribute in ATTRIBUTES.items()]
        axes.set(yticks=rows, yticklabels=names, ylim=(len(rows) - 0.4, -0.6), xlim=(0, 1), xlabel="share of nodules")
        axes.legend(loc="lower right")
        figure.suptitle(f"Labels by the median of the readers; {cohort}")
        save_figure(figure, *paths)
