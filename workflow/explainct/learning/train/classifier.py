"""Training of the classifiers, with and without supervision of their explanations."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from explainct.config.recipe import Recipe
from explainct.data.samples.reader import SampleReader
from explainct.data.samples.splits import training_subset
from explainct.data.samples.tasks import Task, find_task
from explainct.errors import UserError
from explainct.learning.networks.classifier import build_network, save_classifier, seed_of
from explainct.learning.train.arrays import (
    ImageStore,
    TrainingArrays,
    epoch_batches,
    images_on_disk,
    load_training_arrays,
)
from explainct.learning.train.loop import fit
from explainct.learning.train.training import Training
from explainct.runtime.device import Compute, choose_compute
from explainct.runtime.files import read_shards, write_csv

log = logging.getLogger(__name__)

CHECKPOINT = "last.pt"
"""Name of the file, beside a model, from which its training goes on."""

COLUMNS = ("epoch", "loss", "prediction_loss", "explanation_loss", "validation_average_precision")
USED_SETTINGS = ("network", "width", "max_pool", "lambda", "epochs", "batch_size", "learning_rate", "validate_every")


def train_classifier(
    *,
    lesions_file: Path,
    slices_file: Path,
    samples_file: Path,
    crops_file: Path,
    weights_file: Path | None,
    model_files: Sequence[Path],
    history_files: Sequence[Path],
    method: str,
    n: int,
    lam: float,
    recipe: Mapping[str, Any],
    task: str,
    settings: Mapping[str, Any],
    reading: dict[str, Any],
    device: str,
    threads: int,
    code: str,
) -> None:
    """Train a method's classifiers, one for each model file, whose folder names its seed.

    Args:
        lesions_file: the table `annotate/lesions.parquet`.
        slices_file: the file `annotate/slices.h5`.
        samples_file: the table `samples/samples.parquet`.
        crops_file: list of the files of crops.
        weights_file: list of the files of interpolated annotations and weights; none without supervision.
        model_files: the classifiers to write, `.../seed{seed}/model.pt`; a run that was cut goes on from the
            `last.pt` beside them.
        history_files: tables to write beside them, one row an epoch: losses, and the validation score.
        method: name of the method, for messages.
        n: training samples per seed.
        lam: weight of the explanation loss.
        recipe: how the method trains: the arguments of `explainct.config.recipe.Recipe`.
        task: name of the task.
        settings: the settings `train`: network, width, max_pool, epochs, batch_size, learning_rate, validate_every.
        reading: the settings `samples` that images depend on.
        device: `auto`, `cpu` or `cuda`.
        threads: threads of the CPU.
        code: hash of the code; a checkpoint of other code is set aside.

    Raises:
        UserError: too few training patients, or a lesion without weights.
    """
    train_seeds(
        method=method,
        recipe=Recipe(**recipe),
        task=find_task(task),
        n=n,
        samples=pd.read_parquet(samples_file),
        store=SampleReader.from_files(
            lesions_file=lesions_file, slices_file=slices_file, crops_file=crops_file, reading=reading
        ),
        weight_files=read_shards(weights_file) if weights_file else [],
        settings={**settings, "lambda": lam},
        compute=choose_compute(device, threads),
        model_files=model_files,
        history_files=history_files,
        code=code,
    )


def train_seeds(
    *,
    method: str,
    recipe: Recipe,
    task: Task,
    n: int,
    samples: pd.DataFrame,
    store: ImageStore,
    weight_files: list[Path],
    settings: Mapping[str, Any],
    compute: Compute,
    model_files: Sequence[Path],
    history_files: Sequence[Path],
    code: str,
) -> None:
    """Train one classifier per model file, each on its own draw of training samples.

    Checkpoints of finished seeds stay until all are done, so that a job that was killed repeats no epoch.

    Args:
        method: name of the method, for messages.
        recipe: how the method trains.
        task: what is predicted.
        n: training samples per seed, half of them lesions.
        samples: the table `samples/samples.parquet`.
        store: reads images.
        weight_files: the files `due/uncertainty/weights/{shard}.h5`.
        settings: the settings `train` and `lambda`.
        compute: where and how to compute.
        model_files: the files to write, each in the folder of its seed.
        history_files: the tables to write, in the same order.
        code: hash of the code, kept with checkpoints.

    Raises:
        UserError: too few training patients, or a lesion without weights.
    """
    seeds = [seed_of(path) for path in model_files]
    _log_plan(method, recipe, task, n, seeds, settings, compute)
    held = samples[samples.split == "validation"].sort_values("sample_id")
    with images_on_disk(held, store, model_files[0].parent.parent) as images:
        for seed, model_file, history_file in zip(seeds, model_files, history_files, strict=True):
            drawn = training_subset(samples, n=n, seed=seed)
            log.info("seed %d: %d lesions and %d neighbours", seed, drawn.label.sum(), (drawn.label == 0).sum())
            train_seed(
                method=method,
                recipe=recipe,
                task=task,
                training=load_training_arrays(drawn, store, weight_files, recipe, task),
                validation=(images, task.classes(held)),
                settings=settings,
                seed=seed,
                compute=compute,
                model_file=model_file,
                history_file=history_file,
                identity={"code": code, "samples": list(drawn.sample_id), "validation": list(held.sample_id)},
            )
    for path in model_files:
        path.with_name(CHECKPOINT).unlink()


def train_seed(
    *,
    method: str,
    recipe: Recipe,
    task: Task,
    training: TrainingArrays,
    validation: tuple[np.ndarray, np.ndarray],
    settings: Mapping[str, Any],
    seed: int,
    compute: Compute,
    model_file: Path,
    history_file: Path,
    identity: Mapping[str, Any],
) -> None:
    """Train one classifier and keep the weights of its best validated epoch.

    Writes `last.pt` beside the model after each epoch, from which an interrupted training goes on; on a CPU it then
    gives the same bits as an uncut one. `last.pt` stays. One of other settings, code or data is set aside.

    Args:
        method: name of the method, for messages.
        recipe: how the method trains.
        task: what is predicted.
        training: the training samples.
        validation: images float32 [M, 1, D, H, W] in [0, 1] and true classes int64 [M].
        settings: the settings `train` and `lambda`.
        seed: seed of initial weights and batches; methods share both.
        compute: where and how to compute.
        model_file: the classifier to write.
        history_file: the table to write: losses, and the validation score.
        identity: what else the run depends on, in plain values (code, samples).

    Raises:
        UserError: the validation samples are not of all classes, or the loss is no longer finite.
    """
    _check_validation(validation[1], task)
    run = Training(method, recipe, task, training, settings, seed, compute)
    record = partial(_write_history, path=history_file)
    with _deterministic(compute):
        history = fit(
            parts=run.parts,
            run_epoch=partial(run.run_epoch, validation=validation),
            epochs=settings["epochs"],
            seed=seed,
            resume_from=Path(model_file).with_name(CHECKPOINT),
            settings={
                "method": method,
                "recipe": asdict(recipe),
                "task": task.name,
                "arrays": training.fingerprint(),
                "identity": dict(identity),
                **{name: settings[name] for name in USED_SETTINGS},
            },
            after_epoch=record,
        )
    # Once more: a run cut between the last checkpoint and its history has no epoch left to write after.
    record(history)
    run.network.load_state_dict(run.best.weights)
    save_classifier(settings["network"], run.network, model_file)


def _check_validation(classes: np.ndarray, task: Task) -> None:
    counts = np.bincount(classes, minlength=task.outputs)
    if not counts.all():
        each = " and ".join(f"{count} {label}s" for count, label in zip(counts, task.labels, strict=True))
        raise UserError(
            f"The validation split has {each} among {len(classes)} samples, but scoring needs samples of each class. "
            "Raise `samples.validation` or `samples.negatives_per_lesion`."
        )


def _write_history(history: pd.DataFrame, path: Path) -> None:
    """Write the history as a table; values that an epoch has not are empty."""
    write_csv(history.reindex(columns=list(COLUMNS)), path)


def _log_plan(
    method: str,
    recipe: Recipe,
    task: Task,
    n: int,
    seeds: Sequence[int],
    settings: Mapping[str, Any],
    compute: Compute,
) -> None:
    """Say what is going to be trained before anything slow starts."""
    with torch.device("meta"):
        network = build_network(settings["network"], dims=recipe.dims, outputs=task.outputs, settings=settings)
    log.info(
        "training %s on %d samples, lambda %g, seeds %s: %d epochs of %d steps, %.2f million parameters, on %s",
        method,
        n,
        settings["lambda"],
        ", ".join(map(str, seeds)),
        settings["epochs"],
        len(epoch_batches(n, settings["batch_size"], seed=0, epoch=0)),
        sum(parameter.numel() for parameter in network.parameters()) / 1e6,
        compute.device,
    )


@contextmanager
def _deterministic(compute: Compute) -> Iterator[None]:
    """Have torch compute reproducibly on a CPU; GPU kernels of some layers have no reproducible gradient."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(compute.device.type == "cpu")
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
