"""Variance sampling: how much draws of the diffusion interpolator differ (DUE, section 4.3, Algorithm 1)."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import torch

from due.errors import DueError
from due.files import replacing
from due.interpolate.diffusion import Filling, load_interpolator
from due.interpolate.filling import as_targets, draw_targets
from due.interpolate.frames import LesionFrames, load_frames, training_lesions
from due.interpolate.gaps import Gap, hold_out_gaps
from due.seeds import numpy_generator, torch_generator
from due.train.device import Compute

log = logging.getLogger(__name__)

KEEP_EVERY = (2, 3, 4)
"""Gaps of one, two and three hidden slices are sampled."""

BLOCK = 8
"""Gaps drawn together. Each block has a random stream of its own, so draws do not depend on the number of shards."""


def choose_gaps(frames: Sequence[LesionFrames], count: int, seed: int) -> list[Gap]:
    """Return at most `count` gaps with hidden annotated slices, drawn by seed; fewer where there are no more.

    A larger `count` adds gaps and leaves the first ones as they are.
    """
    gaps = [gap for every in KEEP_EVERY for gap in hold_out_gaps(frames, every)]
    order = numpy_generator(seed, "uncertainty", "gaps").permutation(len(gaps))
    return [gaps[index] for index in order[:count]]


def sample_variance(
    *,
    lesions_file: Path,
    slices_file: Path,
    splits_file: Path,
    model_file: Path,
    margin_mm: float,
    size: int,
    settings: dict[str, Any],
    filling: Filling,
    seed: int,
    shard: int,
    shards: int,
    compute: Compute,
    out: Path,
) -> None:
    """Sample the variance of gaps of training lesions and write this shard's part of them (Algorithm 1).

    The slices inside these gaps are annotated, so that the truth is known and written beside mean and variance.

    Args:
        lesions_file: `annotate/lesions.parquet`.
        slices_file: `annotate/slices.h5`.
        splits_file: `cases/splits.parquet`; patients for validation and testing take no part.
        model_file: the trained interpolator.
        margin_mm: margin of a block in mm.
        size: frame edge S in pixels.
        settings: the section `uncertainty`; `gaps` and `draws` are used.
        filling: how a gap is filled, see `draw_targets`.
        seed: seed of the choice of gaps and of the draws.
        shard: number of this shard, from 0.
        shards: number of shards.
        compute: where to compute.
        out: HDF5 file to write, as docs/architecture.md describes it.

    Raises:
        DueError: no training lesion has enough annotated slices to hide one.
    """
    lesions = training_lesions(pd.read_parquet(lesions_file), pd.read_parquet(splits_file))
    frames = load_frames(lesions=lesions, slices_file=slices_file, margin_mm=margin_mm, size=size)
    chosen = choose_gaps(frames, settings["gaps"], seed)
    if not chosen:
        raise DueError(
            f"No training lesion in {lesions_file} has three annotated slices, so none can be hidden to sample its "
            "variance. Lower `annotate.keep_every`, or add scans to the training split."
        )
    interpolator = load_interpolator(model_file, compute.device)
    blocks = [chosen[start : start + BLOCK] for start in range(0, len(chosen), BLOCK)]
    mine = range(shard, len(blocks), shards)
    log.info("%d gaps in all, blocks of %d, %d blocks in this shard", len(chosen), BLOCK, len(mine))
    statistics = []
    for done, block in enumerate(mine, start=1):
        generator = torch_generator(seed, "uncertainty", "variance", block, device=compute.device)
        targets = as_targets(blocks[block], compute.device)
        draws = draw_targets(interpolator, targets, draws=settings["draws"], filling=filling, generator=generator)
        statistics.append([value.cpu().numpy() for value in pixel_variance(draws)])
        log.info("block %d/%d: %d slices, %d draws each", done, len(mine), len(targets.t), settings["draws"])
    mean, variance = (np.concatenate(part) for part in zip(*statistics, strict=True)) if statistics else ((), ())
    gaps = [gap for block in mine for gap in blocks[block]]
    _write(out, gaps, mean, variance, size, {"draws": settings["draws"], "seed": seed})


def _write(
    out: Path,
    gaps: Sequence[Gap],
    mean: Sequence[np.ndarray],
    variance: Sequence[np.ndarray],
    size: int,
    attributes: dict[str, int],
) -> None:
    """Write gaps and the statistics [N, S, S] of their hidden slices; a shard may have none."""
    lengths = [len(gap.t) for gap in gaps]
    frames = {
        "mean": mean,
        "variance": variance,
        "truth": [frame for gap in gaps for frame in np.asarray(gap.truth)],
    }
    content = {
        "contexts": np.asarray([gap.contexts for gap in gaps], np.float16).reshape(-1, 2, size, size),
        "gap_mm": np.asarray([gap.gap_mm for gap in gaps], np.float32),
        "pixel_mm": np.asarray([gap.pixel_mm for gap in gaps], np.float32),
        "gap": np.repeat(np.arange(len(gaps)), lengths),
        "t": np.asarray([t for gap in gaps for t in np.asarray(gap.t)], np.float32),
        **{name: np.asarray(values, np.float16).reshape(-1, size, size) for name, values in frames.items()},
    }
    with replacing(out) as part, h5py.File(part, "w") as file:
        file.attrs.update(attributes)
        file.create_dataset("lesion", data=[gap.lesion_id for gap in gaps], dtype=h5py.string_dtype())
        for name, values in content.items():
            file.create_dataset(name, data=values, compression="gzip" if values.size else None)


def pixel_variance(draws: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return mean and variance [...] of draws [T, ...] in [0, 1] (Algorithm 1, lines 16 to 21).

    The paper does not say by what the sum of squares is divided. Here it is T, the population variance, so that it
    is at most 0.25, the variance of a fair coin, whatever T is.
    """
    variance, mean = torch.var_mean(draws, dim=0, correction=0)
    return mean, variance.clamp(max=0.25)
