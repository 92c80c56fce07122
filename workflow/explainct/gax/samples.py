"""The samples of the confidence study: all lesions of a split, and a few of each one's neighbours."""

import pandas as pd
import torch

from explainct.data.samples.reader import SampleReader
from explainct.data.samples.tasks import Task
from explainct.errors import UserError
from explainct.learning.networks.middle_slice import middle
from explainct.runtime.device import Compute
from explainct.seeds import numpy_generator


def choose_samples(samples: pd.DataFrame, task: Task, *, split: str, neighbours: int, seed: int) -> pd.DataFrame:
    """Return the samples of a split with an explained class, and up to some others of the same lesions, by their ids.

    Args:
        samples: rows of `samples.parquet`.
        task: says which samples are explained.
        split: `validation` or `test`.
        neighbours: most samples without a lesion that are drawn for each lesion.
        seed: seed of the draws.

    Raises:
        UserError: the split has no lesion.
    """
    rows = samples[samples["split"] == split].sort_values("sample_id", ignore_index=True)
    explained = task.is_explained(rows)
    if not explained.any():
        raise UserError(f"The {split} split has {len(rows)} samples and no lesion. Change the shares under `samples`.")
    kept = [rows[explained]]
    for lesion_id, others in rows[~explained].groupby("lesion_id", sort=True):
        order = numpy_generator(seed, "confidence study", lesion_id).permutation(len(others))
        kept.append(others.iloc[sorted(order[:neighbours])])
    return pd.concat(kept).sort_values("sample_id", ignore_index=True)


def seen_planes(depth: int, dims: int) -> slice:
    """Return the planes that a network sees: all, or the middle one with two dimensions.

    >>> seen_planes(32, 3), seen_planes(32, 2)
    (slice(0, 32, None), slice(16, 17, None))
    """
    return slice(0, depth) if dims == 3 else slice(middle(depth), middle(depth) + 1)


def read_seen(store: SampleReader, samples: pd.DataFrame, dims: int, compute: Compute) -> torch.Tensor:
    """Return what a network sees of samples, float32 [N, 1, D, H, W] in [0, 1]; D is 1 with two dimensions."""
    images = store.images(samples)
    images = torch.as_tensor(images[:, None, seen_planes(images.shape[1], dims)]).contiguous()
    return laid_out(images.to(compute.device), dims, compute)


def laid_out(images: torch.Tensor, dims: int, compute: Compute) -> torch.Tensor:
    """Return images in the memory layout of a network's weights."""
    return images.to(memory_format=compute.memory_format) if dims == 3 else images
