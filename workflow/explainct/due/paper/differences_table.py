"""How much each method differs from the reference, with paired intervals over patients."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from explainct.config.methods import METHODS
from explainct.runtime.files import write_csv
from explainct.scoring.metrics.declarations import METRICS, MIDDLE_IOU
from explainct.scoring.statistics.paired_differences import prediction_differences, value_differences


def compare_methods(
    *,
    samples_file: Path,
    predictions_files: Sequence[Path],
    lesions_files: Sequence[Path],
    methods: Sequence[str],
    reference: str,
    seed: int,
    csv: Path,
) -> None:
    """Write the differences between each method and the reference as a CSV table.

    Predictions of all methods are compared, and the IoU of the middle slice on the lesions that have one; other
    explanation metrics only between methods of as many dimensions, since they are taken over other voxels.

    Args:
        samples_file: the table `samples.parquet`, which says whose each sample is.
        predictions_files: `predictions.parquet` of each method.
        lesions_files: `lesions.parquet` of each method.
        methods: the methods, in the same order.
        reference: the method that all others are compared with.
        seed: seed of the bootstrap.
        csv: the table to write, rows in the order of the metrics.
    """
    patients = pd.read_parquet(samples_file).set_index("sample_id")["patient_id"]
    predictions, scores = (
        pd.concat(
            [pd.read_parquet(path).assign(method=method) for method, path in zip(methods, files, strict=True)],
            ignore_index=True,
        )
        for files in (predictions_files, lesions_files)
    )
    for table in (predictions, scores):
        table["patient_id"] = table["sample_id"].map(patients)
    right = (predictions["predicted"] == predictions["label"]).astype(float)
    tables = [
        prediction_differences(predictions, reference=reference, seed=seed),
        value_differences(predictions.assign(metric="accuracy", value=right), reference=reference, seed=seed),
    ]
    comparable = comparable_scores(scores, reference)
    if comparable["method"].nunique() > 1:
        tables += [
            value_differences(group, reference=reference, seed=seed)
            for _, group in comparable.groupby("metric")
            if group["method"].nunique() > 1
        ]
    order = {name: number for number, name in enumerate(METRICS)}
    table = pd.concat(tables, ignore_index=True)
    write_csv(table.sort_values(["metric", "method"], key=lambda column: column.map(order).fillna(0)), csv)


def comparable_scores(scores: pd.DataFrame, reference: str) -> pd.DataFrame:
    """Return the scores of lesions that may be compared with those of the reference.

    Args:
        scores: columns method, seed, sample_id, metric and value (NaN where a lesion has none).
        reference: the method that all others are compared with.
    """
    alike = scores["method"].map(lambda name: METHODS[name].dims) == METHODS[reference].dims
    known = scores.dropna(subset="value")
    middle = known[known["metric"] == MIDDLE_IOU]
    runs = scores[["method", "seed"]].drop_duplicates()
    counts = middle.groupby("sample_id")["value"].size()
    middle = middle[middle["sample_id"].map(counts) == len(runs)]
    return pd.concat([scores[alike & (scores["metric"] != MIDDLE_IOU)], middle], ignore_index=True)
