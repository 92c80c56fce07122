"""Sample how much draws of the diffusion interpolator differ (DUE, section 4.3, Algorithm 1)."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch

from explainct.due.interpolation.diffusion import Interpolator
from explainct.due.interpolation.filling import draw_gaps, expect_gaps
from explainct.due.interpolation.gaps import Gap, by_size, hold_out_gaps
from explainct.due.interpolation.model_file import load_model
from explainct.due.interpolation.slice_patches import LesionPatches, load_patches
from explainct.due.interpolation.teaching_lesions import teaching_lesions
from explainct.errors import UserError
from explainct.runtime.device import choose_compute
from explainct.runtime.hdf5 import writing_hdf5
from explainct.scoring.metrics.calibration import MAX_VARIANCE
from explainct.seeds import numpy_generator, torch_generator

log = logging.getLogger(__name__)

KEEP_EVERY = (2, 3, 4)
"""Gaps of one, two and three hidden slices are sampled."""

BLOCK = 8
"""Gaps drawn together. Each block has a random stream of its own, so draws do not depend on the number of shards."""

LOG_EVERY = 20
"""Blocks between two lines of the log."""


def choose_gaps(patches: Sequence[LesionPatches], count: int, seed: int) -> list[Gap]:
    """Return at most `count` gaps with hidden annotated slices, drawn by seed; fewer where there are no more.

    A larger `count` adds gaps and leaves the first ones as they are.
    """
    gaps = [gap for every in KEEP_EVERY for gap in hold_out_gaps(patches, every)]
    order = numpy_generator(seed, "uncertainty", "gaps").permutation(len(gaps))
    return [gaps[index] for index in order[:count]]


def sample_variance(
    *,
    lesions_file: Path,
    slices_file: Path,
    splits_file: Path,
    samples_file: Path | None,
    model_file: Path,
    taught_by: Mapping[str, Any],
    settings: dict[str, Any],
    seed: int,
    shard: int,
    shards: int,
    device: str,
    threads: int,
    out_file: Path,
) -> None:
    """Sample the variance of gaps of training lesions and write this shard's part of them (Algorithm 1).

    The slices inside these gaps are annotated, so that the truth is known and written beside mean and variance.

    Args:
        lesions_file: `annotate/lesions.parquet`.
        slices_file: `annotate/slices.h5`.
        splits_file: `samples/splits.parquet`; patients for validation and testing take no part.
        samples_file: `samples/samples.parquet`, where samples choose the lesions.
        model_file: the trained interpolator.
        taught_by: which lesions have such gaps, see `teaching_lesions`.
        settings: `size` of the section `interpolate`, `gaps` and `estimate` of `uncertainty`; and where draws estimate
            the variance, `draws` of `uncertainty`, and `steps` and `filling` of `interpolate`.
        seed: seed of the choice of gaps and of the draws.
        shard: number of this shard, from 0.
        shards: number of shards; a shard may have no gap.
        device: where to compute, see `choose_compute`.
        threads: CPU threads.
        out_file: HDF5 file to write, as docs/architecture.md describes it.

    Raises:
        UserError: no training lesion has enough annotated slices to hide one.
    """
    compute = choose_compute(device, threads)
    lesions = teaching_lesions(
        lesions_file=lesions_file, splits_file=splits_file, samples_file=samples_file, taught_by=taught_by
    )
    patches = load_patches(lesions=lesions, slices_file=slices_file, size=settings["size"])
    chosen = choose_gaps(patches, settings["gaps"], seed)
    if not chosen:
        raise UserError(
            f"No training lesion in {lesions_file} has three annotated slices, so none can be hidden to sample its "
            "variance. Lower `annotate.keep_every`, or add scans to the training split."
        )
    interpolator = load_model(Interpolator, model_file, compute.device)
    sample_gaps(interpolator, chosen, settings=settings, seed=seed, shard=shard, shards=shards, out_file=out_file)


def sample_gaps(
    interpolator: Interpolator,
    gaps: Sequence[Gap],
    *,
    settings: dict[str, Any],
    seed: int,
    shard: int,
    shards: int,
    out_file: Path,
) -> None:
    """Write mean and variance of a shard's part of gaps.

    Args:
        interpolator: a trained model.
        gaps: all gaps; every `shards`-th block of eight, from block `shard` on, is this shard's.
        settings: `estimate`, and where that is `draws`: `draws`, `steps` and `filling`.
        seed: seed of the draws.
        shard: number of this shard, from 0.
        shards: number of shards.
        out_file: HDF5 file to write.
    """
    blocks = [gaps[start : start + BLOCK] for start in range(0, len(gaps), BLOCK)]
    mine = range(shard, len(blocks), shards)
    log.info("%d gaps in all, blocks of %d, %d blocks in this shard", len(gaps), BLOCK, len(mine))
    statistics: list[tuple[np.ndarray, np.ndarray]] = []
    for done, block in enumerate(mine, start=1):
        generator = torch_generator(seed, "uncertainty", "variance", block, device=interpolator.device)
        statistics += gap_statistics(interpolator, blocks[block], settings, generator)
        if done % LOG_EVERY == 0 or done == len(mine):
            log.info("block %d/%d", done, len(mine))
    draws = settings["draws"] if settings["estimate"] == "draws" else 0
    _write(out_file, [gap for block in mine for gap in blocks[block]], statistics, {"draws": draws, "seed": seed})


def gap_statistics(
    interpolator: Interpolator, gaps: Sequence[Gap], settings: dict[str, Any], generator: torch.Generator
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return mean and variance [M, S, S] of the interpolation of each gap's target slices.

    `draws` is Algorithm 1, T draws of each slice. `expectation` is what that tends to for many draws: a voxel that is
    inside with probability p, the mean of all draws, has variance p (1 - p), and p is known after the first step.

    Args:
        interpolator: a trained model.
        gaps: what is to be filled.
        settings: `estimate` and, for draws, `draws`, `steps` and `filling`.
        generator: source of the noise.
    """
    if settings["estimate"] == "draws":
        pairs = [pixel_variance(drawn) for drawn in draw_gaps(interpolator, gaps, settings, generator)]
    else:
        pairs = [(mean, mean * (1 - mean)) for mean in expect_gaps(interpolator, gaps, generator)]
    return [(mean.cpu().numpy(), variance.cpu().numpy()) for mean, variance in pairs]


def _write(
    out_file: Path,
    gaps: Sequence[Gap],
    statistics: Sequence[tuple[np.ndarray, np.ndarray]],
    attributes: dict[str, int],
) -> None:
    """Write gaps and the statistics of their target slices, one group per patch size; a shard may have none."""
    with writing_hdf5(out_file) as file:
        file.attrs.update(attributes)
        for size, numbers in by_size(gaps).items():
            group, chosen = file.create_group(str(size)), [gaps[number] for number in numbers]
            patches = {
                "mean": np.concatenate([statistics[number][0] for number in numbers]),  # [M, S, S] to [N, S, S]
                "variance": np.concatenate([statistics[number][1] for number in numbers]),
                "truth": np.concatenate([gap.truth for gap in chosen]),
                "contexts": np.stack([gap.contexts for gap in chosen]),  # [G, 4, S, S]
                "disagreement": np.stack([gap.disagreement for gap in chosen]),
            }
            content = {
                "context_z": np.stack([gap.context_z for gap in chosen]).astype(np.float32),  # [G, 4]
                "shown": np.stack([gap.shown for gap in chosen]),
                "pixel_mm": np.array([gap.pixel_mm for gap in chosen], np.float32),
                "gap": np.repeat(np.arange(len(chosen)), [len(gap.z) for gap in chosen]),  # [N]
                "z": np.concatenate([gap.z for gap in chosen]).astype(np.float32),
                **{name: values.astype(np.float16) for name, values in patches.items()},
            }
            group.create_dataset("lesion", data=[gap.lesion_id for gap in chosen], dtype=h5py.string_dtype())
            for name, values in content.items():
                group.create_dataset(name, data=values, compression="gzip")


def pixel_variance(draws: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return mean and variance [...] of draws [T, ...] in [0, 1] (Algorithm 1, lines 16 to 21).

    The paper does not say by what the sum of squares is divided. Here it is T, the population variance, so that it
    is at most 0.25, the variance of a fair coin, whatever T is.
    """
    variance, mean = torch.var_mean(draws, dim=0, correction=0)
    return mean, variance.clamp(max=MAX_VARIANCE)
