"""Compare methods over the annotation that they train on: scores, and paired differences over patients."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from explainct.config.methods import METHODS
from explainct.due.annotation_study.markdown import markdown
from explainct.runtime.files import write_csv, write_text
from explainct.scoring.statistics.bootstrap import patient_interval
from explainct.scoring.statistics.paired_differences import value_differences

CONDITION = ["outlines", "slices", "method"]
"""What distinguishes the runs of the study."""
SCORES = ["iou", "accuracy"]
"""The scores that are compared: agreement of explanations with the full consensus, and accuracy of predictions."""


def compare_annotations(
    *,
    samples_file: Path,
    predictions_files: Sequence[Path],
    lesions_files: Sequence[Path],
    annotations_file: Path,
    runs: Sequence[tuple[str, str, str]],
    references: dict[str, str],
    cohort: str,
    seed: int,
    scores_file: Path,
    differences_file: Path,
    md: Path,
) -> None:
    """Write the scores of each method with each annotation, and what differs between methods and annotations.

    Args:
        samples_file: the table `samples.parquet`, which says whose each sample is.
        predictions_files: `predictions.parquet` of each run.
        lesions_files: `lesions.parquet` of each run.
        annotations_file: the table of `explainct.due.annotation_study.rate.rate_annotations`.
        runs: outlines, slices and method of each run, in the same order.
        references: by `outlines`, `slices` and `method`, the value that all others are compared with.
        cohort: the cohort in words.
        seed: seed of the bootstrap.
        scores_file: CSV to write, see `mean_scores`.
        differences_file: CSV to write, see `differences`, of methods, then of slices, then of outlines.
        md: scores, differences between methods, and the table of annotations, for reading.

    Raises:
        UserError: the runs have not the same samples and seeds, or a reference is missing.
    """
    patients = pd.read_parquet(samples_file).set_index("sample_id")["patient_id"]
    parts = [
        run_scores(predictions, lesions).assign(**dict(zip(CONDITION, run, strict=True)))
        for run, predictions, lesions in zip(runs, predictions_files, lesions_files, strict=True)
    ]
    values = pd.concat(parts, ignore_index=True)
    values["patient_id"] = values["sample_id"].map(patients)
    scores = mean_scores(values, seed=seed)
    supervised = values[[METHODS[method].supervised for method in values["method"]]]
    table = pd.concat(
        [
            differences(values, "method", references["method"], seed=seed),
            differences(supervised, "slices", references["slices"], seed=seed),
            differences(supervised, "outlines", references["outlines"], seed=seed),
        ],
        ignore_index=True,
    )
    write_csv(scores, scores_file)
    write_csv(table, differences_file)
    write_text(markdown(scores, table, pd.read_csv(annotations_file), cohort), md)


def run_scores(predictions_file: Path, lesions_file: Path) -> pd.DataFrame:
    """Return the scores of single samples and lesions of a run: the columns metric, seed, sample_id and value.

    Args:
        predictions_file: `predictions.parquet`; a sample's accuracy is 1 where its class is predicted, else 0.
        lesions_file: `lesions.parquet`, scores of the explanations of test lesions.
    """
    predictions, lesions = pd.read_parquet(predictions_file), pd.read_parquet(lesions_file)
    right = (predictions["predicted"] == predictions["label"]).astype(float)
    columns = ["metric", "seed", "sample_id", "value"]
    table = pd.concat([lesions, predictions.assign(metric="accuracy", value=right)], ignore_index=True)
    return table.loc[table["metric"].isin(SCORES), columns]


def mean_scores(values: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """Return the mean of each score of each run with its interval over patients, seeds averaged.

    Args:
        values: columns outlines, slices, method, metric, seed, patient_id, sample_id and value.
        seed: seed of the bootstrap.

    Returns:
        One row per run and score, in the order of the runs: outlines, slices, method, metric, mean, low and high
        (95 %), lesions (or samples), patients and seeds.
    """
    rows = []
    for condition, group in values.groupby([*CONDITION, "metric"], sort=False):
        single = group.groupby(["patient_id", "sample_id"])["value"].mean()
        patients = single.index.get_level_values("patient_id").to_numpy()
        estimate = patient_interval(single.to_numpy(), patients, seed=seed)
        counts = (len(single), len(set(patients)), group["seed"].nunique())
        rows.append((*condition, *estimate, *counts))
    return pd.DataFrame(rows, columns=[*CONDITION, "metric", "mean", "low", "high", "samples", "patients", "seeds"])


def differences(values: pd.DataFrame, along: str, reference: str, *, seed: int) -> pd.DataFrame:
    """Return how much each score differs along one of outlines, slices and method, the other two being equal.

    Args:
        values: columns outlines, slices, method, metric, seed, patient_id, sample_id and value.
        along: `outlines`, `slices` or `method`.
        reference: the value of `along` that all others are compared with.
        seed: seed of the bootstrap.

    Returns:
        The rows of `value_differences` for each pair of the other two, with the columns along, outlines, slices and
        method before them; none where `along` has one value.

    Raises:
        UserError: as `value_differences`.
    """
    fixed = [name for name in CONDITION if name != along]
    tables = []
    if values[along].nunique() > 1:
        for others, group in values.groupby(fixed, sort=False):
            table = value_differences(group.assign(method=group[along]), reference=reference, seed=seed)
            table = table.rename(columns={"method": along}).assign(along=along, **dict(zip(fixed, others, strict=True)))
            order = {name: number for number, name in enumerate([*SCORES, *group[along].unique()])}
            tables.append(table.sort_values(["metric", along], key=lambda column: column.map(order)))
    head = ["along", *CONDITION, "metric", "reference", "difference"]
    if not tables:
        return pd.DataFrame(columns=head)
    table = pd.concat(tables, ignore_index=True)
    return table[[*head, *(name for name in table if name not in head)]]
