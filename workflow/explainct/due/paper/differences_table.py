"""How much each method differs from the reference, with paired intervals over patients."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from explainct.config.methods import METHODS
from explainct.runtime.files import write_csv
from explainct.scoring.metrics.declarations import METRICS, MIDDLE_IOU
from explainct.scoring.statistics.paired_differences import prediction_differences, value_differences


def compare_methods(
    *,
    predictions_files: Mapping[str, Path],
    lesions_files: Mapping[str, Path],
    samples: pd.DataFrame,
    reference: str,
    seed: int,
    out: Path,
) -> None:
    """Write the differences between each method and the reference as a CSV table.

    Predictions of all methods are compared, and the IoU of the middle slice on the lesions that have one; other
    explanation metrics only between methods of as many dimensions, since they are taken over other voxels.

    Args:
        predictions_files: `predictions.parquet` of each method.
        lesions_files: `lesions.parquet` of each method.
        samples: rows of `samples.parquet`, which say whose each sample is.
        reference: the method that all others are compared with.
        seed: seed of the bootstrap.
        out: the CSV file to write, rows in the order of the metrics.
    """
    patients = samples.set_index("sample_id")["patient_id"]
    predictions, scores = (
        pd.concat([pd.read_parquet(path).assign(method=method) for method, path in files.items()], ignore_index=True)
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
    write_csv(table.sort_values(["metric", "method"], key=lambda column: column.map(order).fillna(0)), out)


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
