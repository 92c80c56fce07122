"""One classifier in training: its epochs, its validation, and the best of its weights."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from sklearn.metrics import average_precision_score
from torch.optim.swa_utils import update_bn

from explainct.config.recipe import Recipe
from explainct.data.samples.tasks import Task
from explainct.errors import UserError
from explainct.learning.networks.classifier import build_network, map_shape, placed
from explainct.learning.networks.registry import Classifier
from explainct.learning.train.arrays import TrainingArrays, epoch_batches
from explainct.learning.train.step import build_supervision, training_step
from explainct.runtime.device import Compute
from explainct.seeds import derived_seed


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


class Training:
    """One classifier in training: its network, optimiser, data as `step.Batch` has them, and best weights."""

    def __init__(
        self,
        method: str,
        recipe: Recipe,
        task: Task,
        arrays: TrainingArrays,
        settings: Mapping[str, Any],
        seed: int,
        compute: Compute,
    ) -> None:
        self.method, self.task, self.settings, self.seed, self.compute = method, task, settings, seed, compute
        torch.manual_seed(derived_seed(seed, "classifier"))
        sizes = {"dims": recipe.dims, "outputs": task.outputs, "settings": settings}
        network = build_network(settings["network"], **sizes)
        self.network = placed(network, compute)
        self.supervision = None
        if recipe.supervised:
            grid = tuple(arrays.target.shape[1:])
            self.supervision = build_supervision(
                recipe, task, map_shape(settings["network"], grid, **sizes), grid, compute
            )
        own = list(self.supervision.loss.parameters()) if self.supervision else []
        self.optimizer = torch.optim.Adam([*network.parameters(), *own], lr=settings["learning_rate"])
        self.best = Best()
        images = torch.from_numpy(arrays.images).to(compute.device, memory_format=compute.memory_format)
        compared = (torch.from_numpy(array).to(compute.device) for array in arrays.compared)
        self.data = (images, torch.from_numpy(arrays.labels), *compared)

    @property
    def parts(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        parts = {"network": self.network, "optimizer": self.optimizer, "best": self.best}
        return parts if self.supervision is None else {**parts, "explanation_loss": self.supervision.loss}

    def run_epoch(self, epoch: int, validation: tuple[np.ndarray, np.ndarray]) -> dict[str, float]:
        """Train for the epoch of the given number (from 0) and validate if it is time; return what to record."""
        record = self._train(epoch)
        if (epoch + 1) % self.settings["validate_every"] == 0 or epoch + 1 == self.settings["epochs"]:
            self._estimate_statistics()
            score = validation_score(
                self.network, *validation, task=self.task, batch_size=self.settings["batch_size"], compute=self.compute
            )
            self.best.offer(score, self.network)
            record["validation_average_precision"] = score
        return record

    def _estimate_statistics(self) -> None:
        """Estimate the statistics of batch normalisation on the training images with the weights as they are now.

        The running means of training lag behind weights that a few tens of steps have changed, and what is validated
        and saved is the network in evaluation mode.
        """
        images, size = self.data[0], self.settings["batch_size"]
        with self.compute.autocast():
            # Equal parts, since each counts the same.
            update_bn(images.tensor_split(math.ceil(len(images) / size)), self.network)

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
                task=self.task,
                supervision=self.supervision,
                lambda_=self.settings["lambda"],
                compute=self.compute,
            )
            prediction_loss += len(numbers) / count * prediction
            if explanation is not None:
                explanation_loss += len(numbers) / count * explanation
        record = {"loss": prediction_loss.item(), "prediction_loss": prediction_loss.item()}
        if self.supervision is not None:
            record["loss"] += self.settings["lambda"] * explanation_loss.item()
            record["explanation_loss"] = explanation_loss.item()
        if not math.isfinite(record["loss"]):
            raise UserError(
                f"Training of {self.method} diverged: the loss of epoch {epoch + 1} is {record['loss']}. "
                f"Lower `train.learning_rate` (now {self.settings['learning_rate']})."
            )
        return record


@torch.inference_mode()
def validation_score(
    network: Classifier, images: np.ndarray, classes: np.ndarray, *, task: Task, batch_size: int, compute: Compute
) -> float:
    """Return the average precision of a network's predictions, in [0, 1], higher is better.

    Of two classes it is that of class 1; of more, the mean over classes, each against all others.

    Args:
        network: the network, left in evaluation mode.
        images: float32 [M, 1, D, H, W] in [0, 1].
        classes: true classes [M], each of the task's among them.
        task: gives probabilities.
        batch_size: samples per forward pass.
        compute: where and how to compute.
    """
    network.eval()
    parts = []
    for start in range(0, len(images), batch_size):
        batch = torch.from_numpy(images[start : start + batch_size])
        with compute.autocast():
            logits, _ = network(batch.to(compute.device, memory_format=compute.memory_format))
        parts.append(task.activation(logits.float()).cpu())
    probabilities = torch.cat(parts).numpy()  # [M, K]
    if task.outputs == 2:
        return float(average_precision_score(classes, probabilities[:, 1]))
    return float(average_precision_score(np.eye(task.outputs)[classes], probabilities))
