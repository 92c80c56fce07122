"""Malignancy of the nodules by their readers, the split of patients, and the table of views."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd

from explainct.data.samples.attributes import ATTRIBUTES, MALIGNANCY, attribute_label, attribute_labels, ratings_column
from explainct.data.samples.splits import SPLITS, draw_splits
from explainct.data.samples.tasks import TASKS
from explainct.data.samples.views import view_table
from explainct.errors import UserError
from explainct.runtime.files import write_csv, write_parquet

log = logging.getLogger(__name__)


def label_views(
    *,
    nodules_file: Path,
    table_file: Path,
    counts_file: Path,
    flow_file: Path,
    views: int,
    median: str,
    train: float,
    validation: float,
    cohort: str,
    seed: int,
) -> None:
    """Write the label and the split of each view, with counts of classes and of nodules that were left out.

    Args:
        nodules_file: the table of nodules with their readers' ratings and their first view.
        table_file: becomes the table of views: `view_id`, `lesion_id`, `patient_id`, `row`, `extent_mm`, `slices`,
            `split`, `label` (1 malignant) and 0 or 1 for each attribute.
        counts_file: becomes the table of `class_counts`.
        flow_file: becomes the table `event`, `reason`, `count` of nodules.
        views: views of a nodule.
        median: `median_high` or `median_low`, the label where two readers in the middle disagree.
        train: share of patients that train.
        validation: share of patients on whom settings are chosen.
        cohort: the cohort in words, for the log.
        seed: seed of the draw of splits.

    Raises:
        UserError: there are no ratings, no nodule is left, or a class is missing in a split.
    """
    nodules = pd.read_parquet(nodules_file)
    if ratings_column(MALIGNANCY.name) not in nodules:
        raise UserError(f"{nodules_file} has no readers' ratings of malignancy. Delete it and repeat.")
    labels = attribute_labels(nodules, median)
    labels["label"] = [attribute_label(given, MALIGNANCY, median) for given in nodules["ratings_malignancy"]]
    unrated = labels.isna().any(axis=1) & (nodules["reason"] == "")
    nodules["reason"] = nodules["reason"].where(~unrated, "No reader rated one of its attributes or its malignancy.")
    used = nodules["reason"] == ""
    if not used.any():
        raise UserError(f"{nodules_file} has {len(nodules)} nodules and none that can be used. Read more scans.")
    columns = ["lesion_id", "patient_id", "row", "extent_mm", "slices"]
    table = pd.concat([nodules.loc[used, columns], labels[used].astype(np.int64)], axis=1).reset_index(drop=True)
    malignant = table.groupby("patient_id")["label"].max()
    splits = draw_splits(malignant, train=train, validation=validation, always_test=(), seed=seed)
    table = table.merge(splits, on="patient_id", how="left")
    check_classes(table)
    counts = class_counts(table)
    log.info("%s: %d nodules, of which %d are malignant", cohort, len(table), table["label"].sum())
    write_csv(counts, counts_file)
    write_csv(flow(nodules), flow_file)
    write_parquet(view_table(table, views), table_file)


def class_counts(table: pd.DataFrame) -> pd.DataFrame:
    """Return the size of each split and its classes.

    Args:
        table: a row a nodule, with `split`, `patient_id`, `label` and the attributes.

    Returns:
        Columns split, patients, nodules, malignant, prevalence, `accuracy_of_benign` (what always saying benign
        gets right), and the prevalence of each attribute.
    """
    rows = []
    for split in SPLITS:
        part = table[table["split"] == split]
        share = part["label"].mean()
        about = {"split": split, "patients": part["patient_id"].nunique(), "nodules": len(part)}
        about |= {"malignant": int(part["label"].sum()), "prevalence": share, "accuracy_of_benign": 1 - share}
        rows.append(about | {name: part[name].mean() for name in ATTRIBUTES})
    return pd.DataFrame(rows)


def check_classes(table: pd.DataFrame) -> None:
    """Check that each split has both classes.

    Args:
        table: a row a nodule, with `split` and `label`.

    Raises:
        UserError: a class is missing, so that nothing can be learned or scored.
    """
    for split in SPLITS:
        found = sorted(table.loc[table["split"] == split, "label"].unique())
        if found != [0, 1]:
            words = " and ".join(TASKS["malignancy"].labels[label] for label in found) or "no"
            raise UserError(
                f"The split {split} has {words} nodules alone, and needs benign and malignant ones. "
                "Raise `counterfactual.patients` or set another `seed`."
            )


def flow(nodules: pd.DataFrame) -> pd.DataFrame:
    """Return how many nodules were found, left out for which reason, and kept: columns event, reason, count."""
    lost = nodules.loc[nodules["reason"] != "", "reason"].value_counts()
    rows = [("found", "", len(nodules)), *(("lost", str(reason), int(count)) for reason, count in lost.items())]
    rows.append(("kept", "", int((nodules["reason"] == "").sum())))
    return pd.DataFrame(rows, columns=["event", "reason", "count"])
