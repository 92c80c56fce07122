"""Training of a classifier of several labels that do not exclude each other, on images in memory."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import roc_auc_score

from explainct.data.samples.tasks import Task
from explainct.errors import UserError
from explainct.learning.networks.classifier import build_network, placed, save_classifier
from explainct.learning.networks.registry import Classifier
from explainct.learning.train.arrays import epoch_batches
from explainct.learning.train.augmentation import augmented
from explainct.learning.train.loop import fit
from explainct.learning.train.training import Best
from explainct.runtime.device import Compute
from explainct.runtime.files import write_csv
from explainct.seeds import derived_seed

CHECKPOINT = "last.pt"
"""Name of the file, beside a model, from which its training goes on."""
COLUMNS = ["epoch", "loss", "validation_auc"]

Samples = tuple[np.ndarray, np.ndarray]
"""Images float32 [N, 1, D, H, W] in [0, 1], and labels float32 [N, K], 0 or 1."""


def train_multilabel(
    *,
    task: Task,
    training: Samples,
    validation: Samples,
    settings: Mapping[str, Any],
    seed: int,
    compute: Compute,
    model_file: Path,
    history_file: Path,
    identity: Mapping[str, Any],
) -> None:
    """Train one classifier and keep the weights of the epoch with the highest mean AUC of the validation labels.

    AdamW with a one-cycle learning rate on the task's loss; images are flipped, transposed and shifted. After each
    epoch `last.pt` is written beside the model, from which a cut training goes on; it stays. One of other settings,
    code or data is set aside.

    Args:
        task: its labels and loss.
        training: the training samples.
        validation: the validation samples, each label both 0 and 1 among them.
        settings: `network`, `dims`, `width`, `max_pool`, `epochs`, `batch_size` and `learning_rate` (the highest).
        seed: seed of initial weights, batches and changes of images.
        compute: where and how to compute.
        model_file: the classifier to write.
        history_file: the table to write, a row an epoch: loss, and mean AUC of the validation labels.
        identity: what else the run depends on, in plain values (code, samples).

    Raises:
        UserError: the loss is no longer finite.
    """
    torch.manual_seed(derived_seed(seed, "classifier"))
    network = build_network(settings["network"], dims=settings["dims"], outputs=task.outputs, settings=settings)
    network = placed(network, compute)
    count, size = len(training[0]), settings["batch_size"]
    steps = len(epoch_batches(count, size, seed=seed, epoch=0))
    rate = settings["learning_rate"]
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=settings["epochs"] * steps)
    best = Best()
    images, labels = (torch.from_numpy(array).to(compute.device) for array in training)

    def run_epoch(number: int) -> dict[str, float]:
        network.train()
        total = torch.zeros((), device=compute.device)
        for rows in epoch_batches(count, size, seed=seed, epoch=number):
            rows = rows.to(compute.device)
            batch = augmented(images[rows])
            with compute.autocast():
                loss = task.loss(network(batch)[0], labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += len(rows) / count * loss.detach()
        if not math.isfinite(total.item()):
            raise UserError(
                f"Training of {settings['network']} diverged: the loss of epoch {number + 1} is {total.item()}. "
                f"Lower `monitoring.learning_rate` (now {rate})."
            )
        logits = predict_logits(network, validation[0], batch_size=4 * size, compute=compute)
        score = mean_auc(validation[1], logits)
        best.offer(score, network)
        return {"loss": total.item(), "validation_auc": score}

    history = fit(
        parts={"network": network, "optimizer": optimizer, "schedule": schedule, "best": best},
        run_epoch=run_epoch,
        epochs=settings["epochs"],
        seed=seed,
        resume_from=model_file.with_name(CHECKPOINT),
        settings={"task": task.name, "settings": dict(settings), "identity": dict(identity)},
        after_epoch=lambda table: _write_history(table, history_file),
    )
    _write_history(history, history_file)
    network.load_state_dict(best.weights)
    save_classifier(settings["network"], network, model_file)


@torch.inference_mode()
def predict_logits(network: Classifier, images: np.ndarray, *, batch_size: int, compute: Compute) -> np.ndarray:
    """Return the logits float32 [N, K] of images [N, 1, D, H, W]; the network is left in evaluation mode."""
    network.eval()
    parts = []
    for start in range(0, len(images), batch_size):
        batch = torch.from_numpy(images[start : start + batch_size]).to(compute.device)
        with compute.autocast():
            parts.append(network(batch)[0].float().cpu())
    return torch.cat(parts).numpy()


def mean_auc(labels: np.ndarray, logits: np.ndarray) -> float:
    """Return the mean over labels of the area under the ROC curve, in [0, 1]; logits that are not finite give 0.

    Args:
        labels: 0 or 1, both of each label [N, K].
        logits: the logits [N, K].
    """
    return float(roc_auc_score(labels, logits)) if np.isfinite(logits).all() else 0.0


def _write_history(history: pd.DataFrame, path: Path) -> None:
    write_csv(history[COLUMNS], path)
