"""Training of the classifiers, with and without supervision of their explanations."""

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import average_precision_score

from explainct.data.samples.splits import training_subset
from explainct.errors import UserError
from explainct.learning.networks.resnet import ExplainableResNet, placed, save_classifier
from explainct.learning.train.arrays import (
    ImageStore,
    TrainingArrays,
    epoch_batches,
    images_on_disk,
    load_training_arrays,
)
from explainct.learning.train.loop import fit
from explainct.learning.train.methods import METHODS, Method
from explainct.learning.train.progress_plot import draw_progress
from explainct.learning.train.step import build_supervision, training_step
from explainct.runtime.device import Compute
from explainct.runtime.files import write_csv
from explainct.seeds import derived_seed

log = logging.getLogger(__name__)

COLUMNS = ("epoch", "loss", "prediction_loss", "explanation_loss", "validation_average_precision")
USED_SETTINGS = ("lambda", "epochs", "batch_size", "learning_rate", "width", "max_pool", "validate_every")


class Best:
    """The weights of the epoch with the highest validation score so far; the earliest on ties."""

    def __init__(self) -> None:
        self.score = -1.0
        self.weights: dict[str, torch.Tensor] = {}

    def offer(self, score: float, network: torch.nn.Module) -> None:
        """Keep the weights of `network` if `score` is higher than all before."""
        if score > self.score:
            self.score = score
            self.weights = {name: value.detach().clone() for name, value in network.state_dict().items()}

    def state_dict(self) -> dict[str, Any]:
        """Return score and weights."""
        return {"score": self.score, "weights": self.weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over score and weights."""
        self.score, self.weights = state_dict["score"], state_dict["weights"]


class _Training:
    """One classifier in training: its network, optimiser, data as `step.Batch` has them, and best weights."""

    def __init__(
        self, method: Method, arrays: TrainingArrays, settings: Mapping[str, Any], seed: int, compute: Compute
    ) -> None:
        self.method, self.settings, self.seed, self.compute = method, settings, seed, compute
        torch.manual_seed(derived_seed(seed, "classifier"))
        network = ExplainableResNet(dims=method.dims, width=settings["width"], max_pool=settings["max_pool"])
        self.network = placed(network, compute)
        self.supervision = build_supervision(method, settings, arrays.target.shape[1:], compute)
        own = list(self.supervision.loss.parameters()) if self.supervision else []
        self.optimizer = torch.optim.Adam([*network.parameters(), *own], lr=settings["learning_rate"])
        self.best = Best()
        images = torch.from_numpy(arrays.images).to(compute.device, memory_format=compute.memory_format)
        target, weights = (torch.from_numpy(array).to(compute.device) for array in (arrays.target, arrays.weights))
        self.data = (images, torch.from_numpy(arrays.labels), target, weights)

    @property
    def parts(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        parts = {"network": self.network, "optimizer": self.optimizer, "best": self.best}
        return parts if self.supervision is None else {**parts, "explanation_loss": self.supervision.loss}

    def run_epoch(self, epoch: int, validation: tuple[np.ndarray, np.ndarray]) -> dict[str, float]:
        """Train for the epoch of the given number (from 0) and validate if it is time; return what to record."""
        record = self._train(epoch)
        if (epoch + 1) % self.settings["validate_every"] == 0 or epoch + 1 == self.settings["epochs"]:
            score = validation_score(
                self.network, *validation, batch_size=self.settings["batch_size"], compute=self.compute
            )
            self.best.offer(score, self.network)
            record["validation_average_precision"] = score
        return record

    def _train(self, epoch: int) -> dict[str, float]:
        """Take one step per batch; return the losses, means over the epoch's samples, if they are finite."""
        self.network.train()
        count = len(self.data[0])
        prediction_loss = torch.zeros((), device=self.compute.device)
        explanation_loss = torch.zeros((), device=self.compute.device)
        for numbers in epoch_batches(count, self.settings["batch_size"], seed=self.seed, epoch=epoch):
            batch = tuple(array[numbers.to(array.device)] for array in self.data)
            prediction, explanation = training_step(
                self.network,
                self.optimizer,
                batch,
                supervision=self.supervision,
                lambda_=self.settings["lambda"],
                compute=self.compute,
            )
            prediction_loss += len(numbers) / count * prediction
            if explanation is not None:
                explanation_loss += len(numbers) / count * explanation
        record = {"loss": prediction_loss.item(), "prediction_loss": prediction_loss.item()}
        if self.method.supervised:
            record["loss"] += self.settings["lambda"] * explanation_loss.item()
            record["explanation_loss"] = explanation_loss.item()
        if not math.isfinite(record["loss"]):
            raise UserError(
                f"Training of {self.method.name} diverged: the loss of epoch {epoch + 1} is {record['loss']}. "
                f"Lower `train.learning_rate` (now {self.settings['learning_rate']})."
            )
        return record


@torch.inference_mode()
def validation_score(
    network: ExplainableResNet, images: np.ndarray, labels: np.ndarray, *, batch_size: int, compute: Compute
) -> float:
    """Return the average precision of a network's lesion probability, in [0, 1], higher is better.

    Args:
        network: the network, left in evaluation mode.
        images: float32 [M, 1, D, H, W] in [0, 1].
        labels: [M], 1 lesion, 0 neighbour.
        batch_size: samples per forward pass.
        compute: where and how to compute.
    """
    network.eval()
    probabilities = []
    for start in range(0, len(images), batch_size):
        batch = torch.from_numpy(images[start : start + batch_size])
        with compute.autocast():
            logits, _ = network(batch.to(compute.device, memory_format=compute.memory_format))
        probabilities.append(logits.float().softmax(1)[:, 1].cpu())
    return float(average_precision_score(labels, torch.cat(probabilities).numpy()))


@contextmanager
def _deterministic(compute: Compute) -> Iterator[None]:
    """Have torch compute reproducibly on a CPU; GPU kernels of some layers have no reproducible gradient."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(compute.device.type == "cpu")
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


def train_classifier(
    *,
    method: str,
    training: TrainingArrays,
    validation: tuple[np.ndarray, np.ndarray],
    settings: Mapping[str, Any],
    seed: int,
    compute: Compute,
    folder: Path,
    identity: Mapping[str, Any],
) -> None:
    """Train one classifier and keep the weights of its best validated epoch.

    Writes `model.pt`, `history.csv` and `progress.png` to `folder`, and `last.pt` after each epoch, from which an
    interrupted training goes on; on a CPU it then gives the same bits as an uncut one. `last.pt` stays.

    Args:
        method: a name in `explainct.learning.train.methods.METHODS`.
        training: the training samples.
        validation: images float32 [M, 1, D, H, W] in [0, 1] and labels int64 [M].
        settings: the settings `train`.
        seed: seed of initial weights and batches; methods share both.
        compute: where and how to compute.
        folder: the run's folder.
        identity: what else the run depends on, in plain values (code, samples); `last.pt` of another is refused.

    Raises:
        UserError: `last.pt` belongs to another run, the validation samples are all of one class, or the loss is no
            longer finite.
    """
    lesions = int(validation[1].sum())
    if not 0 < lesions < len(validation[1]):
        raise UserError(
            f"The validation split has {lesions} lesions among {len(validation[1])} samples, but scoring needs lesions "
            "and neighbours. Raise `samples.validation` or `samples.negatives_per_lesion`."
        )
    run = _Training(METHODS[method], training, settings, seed, compute)
    record = partial(_write_progress, folder=Path(folder))
    with _deterministic(compute):
        history = fit(
            parts=run.parts,
            run_epoch=partial(run.run_epoch, validation=validation),
            epochs=settings["epochs"],
            seed=seed,
            resume_from=Path(folder) / "last.pt",
            settings={
                "method": method,
                "arrays": training.fingerprint(),
                "identity": dict(identity),
                **{name: settings[name] for name in USED_SETTINGS},
            },
            after_epoch=record,
        )
    # Once more: a run cut between the last checkpoint and its picture has no epoch left to draw after.
    record(history)
    run.network.load_state_dict(run.best.weights)
    save_classifier(run.network, Path(folder) / "model.pt")


def _write_progress(history: pd.DataFrame, folder: Path) -> None:
    """Write the history as a table and as a picture; values that an epoch has not are empty."""
    table = history.reindex(columns=list(COLUMNS))
    write_csv(table, folder / "history.csv")
    draw_progress(table, folder / "progress.png")


def train_seeds(
    *,
    method: str,
    n: int,
    seeds: Sequence[int],
    samples: pd.DataFrame,
    store: ImageStore,
    weight_files: list[Path],
    settings: Mapping[str, Any],
    compute: Compute,
    folder: Path,
    code: str,
) -> None:
    """Train one classifier per seed, each on its own draw of training samples, into `folder/seed{seed}`.

    Checkpoints of finished seeds stay until all are done, so that a job that was killed repeats no epoch.

    Args:
        method: a name in `explainct.learning.train.methods.METHODS`.
        n: training samples per seed.
        seeds: the seeds, each of a draw, of initial weights and of batches.
        samples: the table `samples/samples.parquet`.
        store: reads images.
        weight_files: the files `uncertainty/weights/{shard}.h5`.
        settings: the settings `train`.
        compute: where and how to compute.
        folder: the runs' folder.
        code: hash of the code, kept with checkpoints.

    Raises:
        UserError: too few training patients, a lesion without weights, or a checkpoint of another run.
    """
    _log_plan(method, n, seeds, settings, compute)
    held = samples[samples.split == "validation"].sort_values("sample_id")
    folders = {seed: Path(folder) / f"seed{seed}" for seed in seeds}
    with images_on_disk(held, store, Path(folder)) as images:
        for seed, place in folders.items():
            drawn = training_subset(samples, n=n, seed=seed)
            log.info("seed %d: %d lesions and %d neighbours", seed, drawn.label.sum(), (drawn.label == 0).sum())
            train_classifier(
                method=method,
                training=load_training_arrays(drawn, store, weight_files, METHODS[method]),
                validation=(images, held.label.to_numpy(np.int64)),
                settings=settings,
                seed=seed,
                compute=compute,
                folder=place,
                identity={"code": code, "samples": list(drawn.sample_id), "validation": list(held.sample_id)},
            )
    for place in folders.values():
        (place / "last.pt").unlink()


def _log_plan(method: str, n: int, seeds: Sequence[int], settings: Mapping[str, Any], compute: Compute) -> None:
    """Say what is going to be trained before anything slow starts."""
    with torch.device("meta"):
        network = ExplainableResNet(dims=METHODS[method].dims, width=settings["width"], max_pool=settings["max_pool"])
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
