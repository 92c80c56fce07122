"""Tasks by name: what a classifier is to say of a sample. A new task is one entry."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from explainct.errors import UserError

if TYPE_CHECKING:
    import torch


def softmax(logits: "torch.Tensor") -> "torch.Tensor":
    """Return the probabilities [B, K] of classes that exclude each other, from logits [B, K]."""
    return logits.softmax(1)


def argmax(logits: "torch.Tensor") -> "torch.Tensor":
    """Return the likeliest class [B] by logits [B, K]."""
    return logits.argmax(1)


def cross_entropy(logits: "torch.Tensor", classes: "torch.Tensor") -> "torch.Tensor":
    """Return the mean cross-entropy of logits [B, K] and true classes [B], a scalar."""
    # Imported here: the workflow reads this module for the tasks' names, and torch takes seconds.
    from torch.nn import functional

    return functional.cross_entropy(logits, classes)


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is predicted.

    Attributes:
        name: its name in settings and paths.
        column: the column of `samples.parquet` with each sample's class, a number; `_row` of `sample_table` writes it.
        labels: names of the classes, in the order of their numbers; one output each.
        explained: the classes whose samples hold an annotated lesion; these are explained, all others are not.
        activation: from logits [B, K] to probabilities [B, K].
        loss: from logits [B, K] and true classes [B] to a scalar.
        decision: from logits [B, K] to predicted classes [B].
    """

    name: str
    column: str
    labels: tuple[str, ...]
    explained: tuple[int, ...]
    activation: Callable[["torch.Tensor"], "torch.Tensor"] = softmax
    loss: Callable[["torch.Tensor", "torch.Tensor"], "torch.Tensor"] = cross_entropy
    decision: Callable[["torch.Tensor"], "torch.Tensor"] = argmax

    @property
    def outputs(self) -> int:
        """Return the number of classes, and so of a classifier's logits."""
        return len(self.labels)

    @property
    def probability_columns(self) -> list[str]:
        """Return the columns of tables of predictions: the probability of class 1, or of each of several classes."""
        return ["probability"] if self.outputs == 2 else [f"probability_{number}" for number in range(self.outputs)]

    def classes(self, samples: pd.DataFrame) -> np.ndarray:
        """Return the true class of each sample, int64 [N]."""
        return samples[self.column].to_numpy(np.int64, copy=True)

    def is_explained(self, samples: pd.DataFrame) -> np.ndarray:
        """Return which samples are explained, bool [N]."""
        return np.isin(self.classes(samples), self.explained)


TASKS: dict[str, Task] = {
    "lesion": Task(name="lesion", column="label", labels=("neighbour", "lesion"), explained=(1,)),
}
"""All tasks."""


def find_task(name: str) -> Task:
    """Return the task called `name`.

    Raises:
        UserError: there is no such task.
    """
    if name not in TASKS:
        raise UserError(f"Setting `train.task` is `{name}`, but tasks are {', '.join(TASKS)}. Choose one.")
    return TASKS[name]
