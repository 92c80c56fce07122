"""What a classifier is trained on: images, labels, and for lesions the annotation with its weights."""

import hashlib
import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import h5py
import numpy as np
import pandas as pd
import torch

from explainct.config.recipe import Recipe
from explainct.data.samples.tasks import Task
from explainct.errors import UserError
from explainct.learning.networks.middle_slice import middle
from explainct.runtime.files import require_space
from explainct.seeds import torch_generator


class ImageStore(Protocol):
    """What reads the images of samples: `explainct.data.samples.reader.SampleReader`."""

    def images(self, samples: pd.DataFrame) -> np.ndarray:
        """Return the images of `samples` as float32 [N, D, H, W] in [0, 1]."""
        ...


WEIGHTS = {
    "uncertainty": "weight",
    "published": "weight_published",
    "published_times": "weight_published_times",
    "readers": "weight_readers",
}
"""Arrays of the weight files, by the kind of weights that a method asks for."""

MASKS = {"published": "mask_published"}
"""Arrays of the weight files, by the second annotation that a method asks for."""

READ_AT_ONCE = 64
"""Images that are in memory while a file of them is written."""


@contextmanager
def images_on_disk(samples: pd.DataFrame, store: ImageStore, folder: Path) -> Iterator[np.ndarray]:
    """Yield the images of `samples` as float32 [N, 1, D, H, W] in a temporary file, of which memory holds what it can.

    The validation samples of LIDC-IDRI at the published size take 90 GB.

    Args:
        samples: at least one row of `samples/samples.parquet`.
        store: reads their images.
        folder: where the nameless file lies until the block ends.

    Raises:
        UserError: the folder's disk is too small.
    """
    shape = (len(samples), 1, *store.images(samples.iloc[:1]).shape[1:])
    require_space(folder, 4 * math.prod(shape))
    with tempfile.TemporaryFile(dir=folder) as file:
        for start in range(0, len(samples), READ_AT_ONCE):
            file.write(np.ascontiguousarray(store.images(samples.iloc[start : start + READ_AT_ONCE])))
        file.flush()
        yield np.memmap(file, np.float32, "r+", shape=shape)


@dataclass(frozen=True)
class TrainingArrays:
    """Training samples on the network's grid.

    Attributes:
        images: float32 [N, 1, D, H, W] in [0, 1].
        labels: the task's classes, int64 [N].
        target: the annotation, float32 [N, D, H, W] in [0, 1]; 0 for samples that are not explained.
        weights: voxel weights, float32 [N, D, H, W] in [0, 1]; 0 for samples that are not explained.
        mask: a second annotation, 0 or 1, float32 [N, D, H, W]; None for a method whose loss asks for none.

    For a method of two dimensions D is 1: the middle slice.
    """

    images: np.ndarray
    labels: np.ndarray
    target: np.ndarray
    weights: np.ndarray
    mask: np.ndarray | None = None

    @property
    def compared(self) -> tuple[np.ndarray, ...]:
        """Return what the explanation loss compares maps with, in the order of its arguments."""
        return (self.target, self.weights) if self.mask is None else (self.target, self.weights, self.mask)

    def fingerprint(self) -> str:
        """Return a short hash of all arrays."""
        digest = hashlib.sha256()
        for array in (self.images, self.labels, *self.compared):
            digest.update(f"{array.dtype}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array))
        return digest.hexdigest()[:16]


def load_training_arrays(
    samples: pd.DataFrame, store: ImageStore, weight_files: list[Path], recipe: Recipe, task: Task
) -> TrainingArrays:
    """Read images, labels, and the annotations and weights that a method asks for.

    Args:
        samples: the drawn rows of `samples/samples.parquet`.
        store: reads their images.
        weight_files: the files `due/uncertainty/weights/{shard}.h5`; not opened for a method without supervision.
        recipe: says which annotations and which weights.
        task: says the classes, and which samples are explained.

    Raises:
        UserError: a lesion has no weights, or weights of another grid.
    """
    images = store.images(samples)
    labels = task.classes(samples)
    compared = np.zeros((2 if recipe.mask == "none" else 3, *images.shape), images.dtype)
    if recipe.supervised:
        lesions = {samples.lesion_id.iloc[row]: int(row) for row in np.flatnonzero(task.is_explained(samples))}
        _read_supervision(lesions, weight_files, recipe, compared)
    seen = slice(None) if recipe.dims == 3 else slice(middle(images.shape[1]), middle(images.shape[1]) + 1)
    return TrainingArrays(images[:, None, seen], labels, *compared[:, :, seen])


def _read_supervision(lesions: dict[str, int], weight_files: list[Path], recipe: Recipe, compared: np.ndarray) -> None:
    """Fill the rows that `lesions` (id: row) gives of what the loss compares maps with, from the weight files.

    Args:
        lesions: row of each lesion.
        weight_files: the files `uncertainty/weights/{shard}.h5`.
        recipe: says what is read.
        compared: annotation, weights, and the mask if the recipe has one [2 or 3, N, D, H, W].
    """
    missing = dict(lesions)
    for path in weight_files:
        with h5py.File(path) as file:
            for lesion_id in sorted(missing.keys() & file.keys()):
                row, group = missing.pop(lesion_id), file[lesion_id]
                shape = group[recipe.annotation].shape
                if shape != compared.shape[2:]:
                    raise UserError(
                        f"{path} has the annotation of {lesion_id} on a grid of {shape} voxels, "
                        f"but images have {compared.shape[2:]}. Delete the file and repeat."
                    )
                compared[0, row] = group[recipe.annotation]
                compared[1, row] = _weights(group, recipe)
                if recipe.mask != "none":
                    compared[2, row] = group[MASKS[recipe.mask]]
    if missing:
        raise UserError(
            f"Training lesion {min(missing)} has no weights in {', '.join(map(str, weight_files)) or 'any file'} "
            f"({len(missing)} of {len(lesions)} lesions missing). Delete these files and repeat to compute them anew."
        )


def _weights(group: h5py.Group, recipe: Recipe) -> np.ndarray | float:
    """Return a lesion's voxel weights, to be laid on [D, H, W]."""
    if recipe.weights == "annotated":
        return group["annotated"][:][:, None, None]
    if recipe.weights == "known":
        return known_planes(group["annotated"][:])[:, None, None]
    name = WEIGHTS.get(recipe.weights)
    return group[name][:] if name else 1.0


def known_planes(annotated: np.ndarray) -> np.ndarray:
    """Return the planes whose annotation is known, bool [D]: annotated ones, and those beyond the outermost of them.

    Args:
        annotated: planes that hold an annotated slice, bool [D], at least one.

    >>> known_planes(np.array([False, True, False, True, False])).tolist()
    [True, True, False, True, True]
    """
    first, last = np.flatnonzero(annotated)[[0, -1]]
    known = annotated.copy()
    known[:first] = known[last:] = True
    return known


def epoch_batches(count: int, batch_size: int, *, seed: int, epoch: int) -> list[torch.Tensor]:
    """Return the batches of one epoch, each a tensor of sample numbers int64 [b]; every sample is in exactly one.

    A last batch of one sample joins the one before, since batch normalisation learns little from a single sample.

    Args:
        count: number of samples.
        batch_size: samples per batch.
        seed: seed of the run.
        epoch: number of the epoch, from 0.
    """
    order = torch.randperm(count, generator=torch_generator(seed, "batches", epoch))
    batches = list(order.split(batch_size))
    if len(batches) > 1 and len(batches[-1]) == 1:
        last = batches.pop()
        batches[-1] = torch.cat([batches[-1], last])
    return batches
