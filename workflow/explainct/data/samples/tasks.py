"""Tasks by name: what a classifier is to say of a sample. A new task is one entry."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from explainct.data.samples.attributes import ATTRIBUTES
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


def sigmoid(logits: "torch.Tensor") -> "torch.Tensor":
    """Return the probabilities [B, K] of labels that do not exclude each other, from logits [B, K]."""
    return logits.sigmoid()


def above_half(logits: "torch.Tensor") -> "torch.Tensor":
    """Return which labels are likelier than not, 0 or 1 [B, K], by logits [B, K]."""
    return (logits > 0).long()


def binary_cross_entropy(logits: "torch.Tensor", labels: "torch.Tensor") -> "torch.Tensor":
    """Return the mean binary cross-entropy of logits [B, K] and labels 0 or 1 [B, K], a scalar."""
    from torch.nn import functional

    return functional.binary_cross_entropy_with_logits(logits, labels)


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is predicted: one of several classes, or several labels that do not exclude each other.

    Attributes:
        name: its name in settings and paths.
        column: the column of `samples.parquet` with each sample's class, a number; `_row` of `sample_table` writes it.
            Empty where labels do not exclude each other.
        columns: the columns with 0 or 1 for each label, where labels do not exclude each other; else none.
        labels: names of the classes, in the order of their numbers, or of the labels; one output each.
        explained: the classes whose samples hold an annotated lesion; these are explained, all others are not.
        activation: from logits [B, K] to probabilities [B, K].
        loss: from logits [B, K] and true classes [B] to a scalar.
        decision: from logits [B, K] to predicted classes [B].
        study: the target that trains it, on samples of its own; empty for a task of the pipeline's samples.
    """

    name: str
    labels: tuple[str, ...]
    column: str = ""
    columns: tuple[str, ...] = ()
    explained: tuple[int, ...] = ()
    activation: Callable[["torch.Tensor"], "torch.Tensor"] = softmax
    loss: Callable[["torch.Tensor", "torch.Tensor"], "torch.Tensor"] = cross_entropy
    decision: Callable[["torch.Tensor"], "torch.Tensor"] = argmax
    study: str = ""

    @property
    def outputs(self) -> int:
        """Return the number of classes, and so of a classifier's logits."""
        return len(self.labels)

    @property
    def multilabel(self) -> bool:
        """Tell whether a sample may have several labels."""
        return bool(self.columns)

    @property
    def probability_columns(self) -> list[str]:
        """Return the columns of tables of predictions: the probability of class 1, or of each of several classes."""
        return ["probability"] if self.outputs == 2 else [f"probability_{number}" for number in range(self.outputs)]

    def classes(self, samples: pd.DataFrame) -> np.ndarray:
        """Return the true class of each sample, int64 [N]; of several labels 0 or 1 each, float32 [N, K]."""
        if self.multilabel:
            return samples[list(self.columns)].to_numpy(np.float32, copy=True)
        return samples[self.column].to_numpy(np.int64, copy=True)

    def is_explained(self, samples: pd.DataFrame) -> np.ndarray:
        """Return which samples are explained, bool [N]."""
        return np.isin(self.classes(samples), self.explained)


TASKS: dict[str, Task] = {
    "lesion": Task(name="lesion", column="label", labels=("neighbour", "lesion"), explained=(1,)),
    "attributes": Task(
        name="attributes",
        columns=tuple(ATTRIBUTES),
        labels=tuple(ATTRIBUTES),
        activation=sigmoid,
        loss=binary_cross_entropy,
        decision=above_half,
        study="monitoring_study",
    ),
    "malignancy": Task(
        name="malignancy",
        column="label",
        labels=("benign", "malignant"),
        explained=(0, 1),
        study="counterfactual_study",
    ),
}
"""All tasks."""


def find_task(name: str) -> Task:
    """Return the task called `name` that the methods of Table 1 are trained on.

    Raises:
        UserError: there is no such task, or a study trains it on samples of its own.
    """
    own = [task.name for task in TASKS.values() if not task.study]
    if name not in TASKS:
        raise UserError(f"Setting `train.task` is `{name}`, but tasks are {', '.join(own)}. Choose one.")
    if TASKS[name].study:
        raise UserError(
            f"Setting `train.task` is `{name}`, which `snakemake {TASKS[name].study}` trains on samples of its own. "
            f"Set it to one of {', '.join(own)}."
        )
    return TASKS[name]
