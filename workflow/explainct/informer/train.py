"""Training of the classifiers that are monitored: one for each fold."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from explainct.data.samples.folds import rotating_fold
from explainct.data.samples.nodules import read_images
from explainct.data.samples.tasks import TASKS, Task
from explainct.learning.train.multilabel import CHECKPOINT, Samples, train_multilabel
from explainct.runtime.device import choose_compute
from explainct.seeds import derived_seed

log = logging.getLogger(__name__)

TASK: Task = TASKS["attributes"]


def train_monitored(
    *,
    labels_file: Path,
    images_file: Path,
    model_files: Sequence[Path],
    history_files: Sequence[Path],
    settings: Mapping[str, Any],
    window: tuple[float, float],
    seed: int,
    device: str,
    threads: int,
    code: str,
) -> None:
    """Train a classifier of all attributes for each fold; a cut job goes on where it stopped.

    Args:
        labels_file: the table of `explainct.informer.labels.label_nodules`.
        images_file: the HDF5 file of the nodules' images.
        model_files: the classifiers to write, one a fold in their order, each in a folder of its own.
        history_files: tables to write beside them.
        settings: see `explainct.learning.train.multilabel.train_multilabel`.
        window: HU that become 0 and 1.
        seed: seed of all folds.
        device: `auto`, `cpu` or `cuda`.
        threads: threads of the CPU.
        code: hash of the code; a checkpoint of other code is set aside.

    Raises:
        UserError: the loss is no longer finite.
    """
    table = pd.read_parquet(labels_file)
    compute = choose_compute(device, threads)
    for fold, (model_file, history_file) in enumerate(zip(model_files, history_files, strict=True)):
        parts = rotating_fold(table["group"].to_numpy(), fold)
        log.info("fold %d: %d nodules train, %d validate", fold, len(parts.train), len(parts.validation))
        train_multilabel(
            task=TASK,
            training=samples_of(table, parts.train, images_file, window),
            validation=samples_of(table, parts.validation, images_file, window),
            settings=settings,
            seed=derived_seed(seed, "monitored", fold),
            compute=compute,
            model_file=model_file,
            history_file=history_file,
            identity={
                "code": code,
                "window": list(window),
                # The state of the images: their file is made anew where it depends on other settings.
                "images": [str(images_file), images_file.stat().st_size, images_file.stat().st_mtime_ns],
                "labels": pd.util.hash_pandas_object(table, index=False).astype(str).tolist(),
            },
        )
    for path in model_files:
        path.with_name(CHECKPOINT).unlink()


def samples_of(table: pd.DataFrame, rows: np.ndarray, images_file: Path, window: tuple[float, float]) -> Samples:
    """Return images and labels of rows of the table of labels."""
    chosen = table.iloc[rows]
    return read_images(images_file, chosen["row"].to_numpy(), window), TASK.classes(chosen)
