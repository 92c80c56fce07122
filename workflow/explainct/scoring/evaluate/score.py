"""Scores of a method: prediction metrics of all test samples, explanation metrics of all test lesions."""

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from explainct.config.recipe import Recipe
from explainct.data.samples.reader import SampleReader
from explainct.data.samples.tasks import Task, find_task
from explainct.errors import UserError
from explainct.learning.explain.postprocess import postprocess
from explainct.learning.networks.middle_slice import middle
from explainct.runtime.files import write_parquet
from explainct.scoring.evaluate.explanation_file import (
    EXPLAINED_CLASSES,
    read_explanations,
    read_sample_ids,
    read_seeds,
)
from explainct.scoring.metrics.declarations import (
    CHOSEN_ACCURACY,
    CURVE_METRICS,
    CURVE_THRESHOLDS,
    METRICS,
    MIDDLE_IOU,
    best_threshold,
    prediction_metrics,
    prediction_metrics_of_classes,
)
from explainct.scoring.metrics.overlap import threshold_metrics, whole_map_metrics

log = logging.getLogger(__name__)

Scores = dict[tuple[str, float], float]
"""Values by metric and threshold; NaN (`np.nan` itself) where a metric has no threshold."""

CHUNK = 16  # lesions on the grid at a time


def evaluate_classifier(
    *,
    lesions_file: Path,
    slices_file: Path,
    samples_file: Path,
    crops_file: Path,
    predictions_file: Path,
    validation_file: Path,
    explanations_file: Path,
    metrics_file: Path,
    lesion_metrics_file: Path,
    task: str,
    sees: str,
    threshold: float,
    reading: dict[str, Any],
) -> None:
    """Score the predictions and explanations of every seed of a method.

    Args:
        lesions_file: the table `annotate/lesions.parquet`.
        slices_file: the file `annotate/slices.h5`.
        samples_file: the table `samples/samples.parquet`.
        crops_file: list of the files of crops.
        predictions_file: table that `explain_classifier` wrote.
        validation_file: the same table of the validation samples, which choose the threshold of an accuracy.
        explanations_file: maps [N, d, h, w] that `explain_classifier` wrote.
        metrics_file: table to write, see `score_run`.
        lesion_metrics_file: table to write, see `score_run`.
        task: name of the task.
        sees: `volume`, or `middle_slice` for a method that sees that alone, and is scored there.
        threshold: map values above it count as attention, in [0, 1].
        reading: the settings `samples` that annotations on the grid depend on.

    Raises:
        UserError: the files do not fit the samples, or the test split lacks a class.
    """
    metrics, lesion_metrics = score_run(
        predictions_file=predictions_file,
        validation_file=validation_file,
        explanations_file=explanations_file,
        samples=pd.read_parquet(samples_file),
        store=SampleReader.from_files(
            lesions_file=lesions_file, slices_file=slices_file, crops_file=crops_file, reading=reading
        ),
        task=find_task(task),
        dims=Recipe(sees=sees).dims,
        threshold=threshold,
    )
    write_parquet(metrics, metrics_file)
    write_parquet(lesion_metrics, lesion_metrics_file)


def score_run(
    *,
    predictions_file: Path,
    validation_file: Path,
    explanations_file: Path,
    samples: pd.DataFrame,
    store: SampleReader,
    task: Task,
    dims: int,
    threshold: float,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the scores of the predictions and explanations of every seed of a method, as means and of single lesions.

    Explanation metrics are means over the test lesions: all of them at `threshold`, some also at 0, 0.1 ... 0.9 for
    the curves of Figure 5. Maps are post-processed as published (preset `due`). The paper explains the predicted class.

    Args:
        predictions_file: table that `explain_classifier` wrote.
        validation_file: the same table of the validation samples, which choose the threshold of an accuracy.
        explanations_file: maps [N, d, h, w] that `explain_classifier` wrote.
        samples: rows of `samples.parquet`.
        store: gives the annotations [N, D, H, W] of samples on its grid.
        task: what is predicted.
        dims: 3, or 2 for a method that sees the middle slice alone, and is scored there.
        threshold: map values above it count as attention, in [0, 1].

    Returns:
        A table with the columns seed, metric, explained_class (empty for prediction metrics), threshold (NaN where a
        metric has none) and value; and one with the columns seed, sample_id, metric and value: the scores of single
        lesions by the map of the predicted class, at `threshold` where a metric has one.

    Raises:
        UserError: the files do not fit the samples, or the test split lacks a class.
    """
    lesions = _lesions(samples, task, explanations_file)
    rows = [*_prediction_rows(predictions_file, task), *_chosen_accuracy(predictions_file, validation_file, task)]
    seeds = read_seeds(explanations_file)
    maps = {
        (seed, name): read_explanations(explanations_file, seed, name) for seed in seeds for name in EXPLAINED_CLASSES
    }
    scores: dict[tuple[int, str], dict[str, Scores]] = {key: {} for key in maps}
    grid, planes = seen_grid(store.grid, dims)
    for start in range(0, len(lesions), CHUNK):
        chosen = slice(start, start + CHUNK)
        names, truths = lesions["sample_id"].iloc[chosen], store.truth(lesions.iloc[chosen])[:, planes]
        for key, raw in maps.items():
            explanations = postprocess(torch.as_tensor(raw[chosen]), grid, preset="due").numpy()
            scores[key] |= {
                name: score_explanation(explanation, truth, threshold=threshold)
                for name, explanation, truth in zip(names, explanations, truths, strict=True)
                if truth.any()  # a few voxels of consensus can fall between the voxels of the grid
            }
    for (seed, explained_class), values in scores.items():
        log.info("seed %d, %s class: %d of %d lesions scored", seed, explained_class, len(values), len(lesions))
        rows += [
            (seed, metric, explained_class, at, float(np.nanmean([value[metric, at] for value in values.values()])))
            for metric, at in next(iter(values.values()))
        ]
    return _tidy(rows), _of_lesions(scores, threshold)


def _of_lesions(scores: Mapping[tuple[int, str], Mapping[str, Scores]], threshold: float) -> pd.DataFrame:
    """Return the scores of single lesions by the map of the predicted class, at the threshold where there is one."""
    rows = [
        (seed, name, metric, value)
        for (seed, explained_class), of_lesions in scores.items()
        for name, values in of_lesions.items()
        for (metric, at), value in values.items()
        if explained_class == "predicted" and (np.isnan(at) or at == threshold)
    ]
    return pd.DataFrame(rows, columns=["seed", "sample_id", "metric", "value"])


def seen_grid(grid: tuple[int, int, int], dims: int) -> tuple[tuple[int, int, int], slice]:
    """Return the grid that a method's explanations cover, and which planes of the whole grid these are.

    Args:
        grid: voxels of the whole grid (D, H, W).
        dims: 3, or 2 for a method that sees the middle slice alone.
    """
    if dims == 3:
        return grid, slice(None)
    return (1, *grid[1:]), slice(middle(grid[0]), middle(grid[0]) + 1)


def score_explanation(explanation: np.ndarray, truth: np.ndarray, *, threshold: float) -> Scores:
    """Return every metric of one map, by metric and threshold (NaN where a metric has none).

    Args:
        explanation: map [D, H, W] in [0, 1].
        truth: annotation [D, H, W], 0 or 1, not empty.
        threshold: map values above it count as attention, in [0, 1].

    Raises:
        ValueError: the map or the annotation is not as described.
    """
    thresholds = sorted({*CURVE_THRESHOLDS, threshold})
    values = {(name, np.nan): value for name, value in whole_map_metrics(explanation, truth).items()}
    for name, curve in threshold_metrics(explanation, truth, thresholds).items():
        for at, value in zip(thresholds, curve, strict=True):
            if at == threshold or name in CURVE_METRICS:
                values[name, at] = float(value)
    values[MIDDLE_IOU, threshold] = _middle_iou(explanation, truth, threshold)
    return values


def _middle_iou(explanation: np.ndarray, truth: np.ndarray, threshold: float) -> float:
    """Return the IoU on the middle slice alone, where methods of two and three dimensions meet; NaN if it is empty."""
    planes = seen_grid(explanation.shape, dims=2)[1]
    if not truth[planes].any():
        return np.nan
    return float(threshold_metrics(explanation[planes], truth[planes], [threshold])["iou"][0])


def _lesions(samples: pd.DataFrame, task: Task, explanations_file: Path) -> pd.DataFrame:
    """Return the samples whose maps the file holds, in the file's order."""
    ids = read_sample_ids(explanations_file)
    expected = samples.loc[(samples["split"] == "test") & task.is_explained(samples), "sample_id"]
    if set(ids) != set(expected):
        raise UserError(
            f"{explanations_file} explains {len(ids)} lesions, other ones than the {len(expected)} of the test split. "
            "Delete the file and repeat."
        )
    return samples.set_index("sample_id", drop=False).loc[ids].reset_index(drop=True)


def _prediction_rows(predictions_file: Path, task: Task) -> Iterator[tuple[int, str, str, float, float]]:
    """Yield the prediction metrics of every seed as rows of the table."""
    for seed, group in pd.read_parquet(predictions_file).groupby("seed", sort=True):
        label, predicted = group["label"].to_numpy(), group["predicted"].to_numpy()
        try:
            if task.outputs == 2:
                values = prediction_metrics(label, group["probability"].to_numpy(), predicted)
            else:
                values = prediction_metrics_of_classes(label, group[task.probability_columns].to_numpy(), predicted)
        except ValueError as error:
            raise UserError(f"{predictions_file}: {error} Give the test split more patients.") from error
        for name, value in values.items():
            yield seed, name, "", np.nan, value


def _chosen_accuracy(
    predictions_file: Path, validation_file: Path, task: Task
) -> Iterator[tuple[int, str, str, float, float]]:
    """Yield each seed's accuracy at the threshold that its validation samples choose; none of more than two classes."""
    if task.outputs != 2:
        return
    validation = dict(iter(pd.read_parquet(validation_file).groupby("seed")))
    for seed, test in pd.read_parquet(predictions_file).groupby("seed", sort=True):
        chosen = validation[seed]
        threshold = best_threshold(chosen["label"].to_numpy(), chosen["probability"].to_numpy())
        called = test["probability"] > threshold
        yield seed, CHOSEN_ACCURACY, "", np.nan, float((called == test["label"]).mean())


def _tidy(rows: list[tuple[int, str, str, float, float]]) -> pd.DataFrame:
    """Return the rows as a table, sorted by seed, explained class, metric (as declared) and threshold."""
    table = pd.DataFrame(rows, columns=["seed", "metric", "explained_class", "threshold", "value"])
    order = {name: number for number, name in enumerate(METRICS)}
    table = table.assign(order=table["metric"].map(order))
    table = table.sort_values(["seed", "explained_class", "order", "threshold"], ignore_index=True)
    return table.drop(columns="order")
