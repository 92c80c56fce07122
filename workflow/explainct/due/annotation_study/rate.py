"""Rate the annotation that trains: how well each way of filling gaps agrees with the full consensus."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from explainct.data.samples.reader import SampleReader
from explainct.due.annotation_study.markdown import FILLED
from explainct.runtime.files import read_shards, write_csv
from explainct.scoring.metrics.overlap import threshold_metrics
from explainct.scoring.statistics.bootstrap import patient_interval

INSIDE = 0.5
"""Filled annotation above it is inside, as maps are binarised."""


def rate_annotations(
    *,
    lesions_file: Path,
    slices_file: Path,
    samples_file: Path,
    crops_file: Path,
    weights_files: Sequence[Path],
    conditions: Sequence[tuple[str, str]],
    reading: dict[str, Any],
    seed: int,
    annotations_file: Path,
) -> None:
    """Write the IoU of the training lesions' filled annotation with the readers' consensus on all slices.

    Args:
        lesions_file: the table `annotate/lesions.parquet`.
        slices_file: the file `annotate/slices.h5`, which has the consensus on all slices.
        samples_file: the table `samples/samples.parquet`.
        crops_file: list of the files of crops.
        weights_files: list of the files of filled annotations of each condition.
        conditions: outlines and slices of each condition, in the same order.
        reading: the settings `samples` that annotations on the grid depend on.
        seed: seed of the bootstrap.
        annotations_file: CSV to write, one row per condition and way of filling: outlines, slices, annotation, mean,
            low and high (95 % over patients), and lesions.
    """
    samples = pd.read_parquet(samples_file)
    lesions = samples[(samples["split"] == "train") & (samples["label"] == 1)].sort_values("sample_id")
    store = SampleReader.from_files(
        lesions_file=lesions_file, slices_file=slices_file, crops_file=crops_file, reading=reading
    )
    truth = dict(zip(lesions["lesion_id"], store.truth(lesions), strict=True))
    patients = lesions.set_index("lesion_id")["patient_id"]
    rows = []
    for condition, weights_file in zip(conditions, weights_files, strict=True):
        scores = pd.concat([agreement(path, truth) for path in read_shards(weights_file)])
        for name in FILLED:
            estimate = patient_interval(scores[name].to_numpy(), patients[scores.index].to_numpy(), seed=seed)
            rows.append((*condition, name, *estimate, len(scores)))
    columns = ["outlines", "slices", "annotation", "mean", "low", "high", "lesions"]
    write_csv(pd.DataFrame(rows, columns=columns), annotations_file)


def agreement(weights_file: Path, truth: dict[str, np.ndarray]) -> pd.DataFrame:
    """Return the IoU of each way of filling, a column each, by lesion; lesions whose consensus is empty are left out.

    Args:
        weights_file: a file of filled annotations, `{part}.h5`.
        truth: the consensus on all slices on the grid, [D, H, W] of 0 and 1, by lesion.
    """
    with h5py.File(weights_file) as file:
        names = [name for name in file if truth[name].any()]
        return pd.DataFrame(
            {way: [_iou(file[name][way][:], truth[name]) for name in names] for way in FILLED}, index=names
        )


def _iou(filled: np.ndarray, truth: np.ndarray) -> float:
    return float(threshold_metrics(filled.astype(np.float32), truth, [INSIDE])["iou"][0])
