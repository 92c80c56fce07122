"""Voxel weights: how much each voxel of a filled annotation counts as a guide of explanations (DUE, section 4.3)."""

import logging
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import torch
from torch.nn.functional import interpolate

from due.files import replacing
from due.interpolate.diffusion import Interpolator, load_interpolator
from due.interpolate.frames import LesionFrames, load_frames
from due.seeds import torch_generator
from due.train.device import Compute
from due.uncertainty.planes import Planes, lay_planes
from due.uncertainty.predictor import MAX_VARIANCE, UncertaintyPredictor
from due.uncertainty.targets import Targets, padded, slots
from due.uncertainty.train import load_predictor
from due.uncertainty.variance import draw_targets

log = logging.getLogger(__name__)

LOG_EVERY = 10
"""Lesions between two lines of the log."""


def published_weights(variance: np.ndarray) -> np.ndarray:
    """Return the paper's weights of a gap: a flipped sigmoid of the variance, then min-max over the gap.

    The min-max erases scale: the most certain voxel of a gap has weight 1 and the least certain 0, however small
    their difference. A gap of one variance everywhere has nothing to rank and gets weight 1, as if annotated.

    Args:
        variance: variance of a gap's voxels, in [0, 0.25] [M, H, W].

    Returns:
        Weights in [0, 1] of the same shape, falling with variance.
    """
    # In double precision, so that rounding does not merge variances that differ.
    flipped = 1 / (1 + np.exp(variance.astype(np.float64)))
    low, high = flipped.min(), flipped.max()
    if low == high:
        return np.ones_like(flipped)
    return (flipped - low) / (high - low)


def absolute_weights(variance: np.ndarray) -> np.ndarray:
    """Return 1 - variance / 0.25: weight 1 where all draws agree, 0 where they are split evenly between 0 and 1.

    Args:
        variance: variance of voxels, in [0, 0.25], of any shape.

    Returns:
        Weights in [0, 1] of the same shape, falling with variance.
    """
    return np.clip(1 - variance / MAX_VARIANCE, 0, 1)


MAPPINGS = {"absolute": absolute_weights, "published": published_weights}
"""The mappings from variance to weight, by the name that the setting `uncertainty.mapping` gives them."""


def missing_targets(planes: Planes, frames: LesionFrames, device: torch.device) -> Targets:
    """Return a lesion's missing planes as targets, each between the two annotated slices around it."""
    lower, gap = np.unique(planes.lower, return_inverse=True)
    contexts = np.stack([frames.frames[lower], frames.frames[lower + 1]], axis=1)
    gap_mm = planes.z_mm[lower + 1] - planes.z_mm[lower]
    return Targets(
        contexts=torch.as_tensor(contexts, dtype=torch.float32, device=device),
        gap_mm=torch.as_tensor(gap_mm, dtype=torch.float32, device=device),
        pixel_mm=torch.full((len(lower),), frames.pixel_mm, dtype=torch.float32, device=device),
        gap=torch.as_tensor(gap, device=device),
        t=torch.as_tensor(planes.t, dtype=torch.float32, device=device),
    )


def fill_lesion(
    planes: Planes,
    frames: LesionFrames,
    *,
    interpolator: Interpolator,
    predictor: UncertaintyPredictor,
    interpolate_settings: dict[str, Any],
    settings: dict[str, Any],
    generator: torch.Generator,
) -> dict[str, np.ndarray]:
    """Fill a lesion's missing planes: interpolated annotation, its variance and its weight.

    Args:
        planes: what is known of the lesion on the grid [D, H, W].
        frames: its annotated slices, as many as `planes` knows.
        interpolator: the diffusion interpolator.
        predictor: the imputed uncertainty predictor.
        interpolate_settings: the section `interpolate`; `draws` and `filling` are used.
        settings: the section `uncertainty`; `latent_at_inference` and `mapping` are used.
        generator: random stream of this lesion, on the device of the models.

    Returns:
        `interpolated` in [0, 1], `variance` in [0, 0.25] and `weight` in [0, 1], each [D, H, W] float16. Known planes
        have the annotation itself, variance 0 and weight 1.
    """
    interpolated = planes.nearest.astype(np.float32)
    variance, weight = np.zeros_like(interpolated), np.ones_like(interpolated)
    if len(planes.missing):
        targets = missing_targets(planes, frames, generator.device)
        shape = planes.nearest.shape[1:]
        draws, filling = interpolate_settings["draws"], interpolate_settings["filling"]
        drawn = draw_targets(interpolator, targets, draws=draws, filling=filling, generator=generator)
        interpolated[planes.missing] = enlarged(drawn.mean(0), shape)
        latent = settings["latent_at_inference"]
        variance[planes.missing] = enlarged(predict_targets(predictor, targets, latent, generator), shape)
        for lower in np.unique(planes.lower):
            gap = planes.missing[planes.lower == lower]
            weight[gap] = MAPPINGS[settings["mapping"]](variance[gap])
    content = {"interpolated": interpolated, "variance": variance, "weight": weight}
    return {name: values.astype(np.float16) for name, values in content.items()}


def predict_targets(
    predictor: UncertaintyPredictor, targets: Targets, latent: str, generator: torch.Generator
) -> torch.Tensor:
    """Return the predicted variance [N, S, S] of missing slices, all gaps in one pass."""
    gaps = len(targets.contexts)
    place, _ = slots(targets.gap, gaps)
    target_z = padded(targets.z, targets.gap, gaps)
    predicted = predictor.predict(
        targets.contexts, targets.context_z, target_z, targets.pixel_mm, latent=latent, generator=generator
    )
    return predicted[targets.gap, place]


def enlarged(frames: torch.Tensor, shape: tuple[int, int]) -> np.ndarray:
    """Return frames [N, S, S] at `shape` [N, H, W], bilinear with corners aligned."""
    return interpolate(frames[:, None], shape, mode="bilinear", align_corners=True)[:, 0].cpu().numpy()


def map_weights(
    *,
    lesions_file: Path,
    slices_file: Path,
    samples_file: Path,
    interpolator_file: Path,
    predictor_file: Path,
    margin_mm: float,
    grid: tuple[int, int, int],
    interpolate_settings: dict[str, Any],
    settings: dict[str, Any],
    seed: int,
    shard: int,
    compute: Compute,
    out: Path,
) -> None:
    """Write annotation, interpolation, variance and weight of a shard's training lesions on the network's grid.

    Args:
        lesions_file: `annotate/lesions.parquet`.
        slices_file: `annotate/slices.h5`.
        samples_file: `cases/samples.parquet`, which says what trains and in which shard it is.
        interpolator_file: the trained interpolator.
        predictor_file: the trained uncertainty predictor.
        margin_mm: margin of a block in mm.
        grid: D, H and W.
        interpolate_settings: the section `interpolate`; `size`, `draws` and `filling` are used.
        settings: the section `uncertainty`; `latent_at_inference` and `mapping` are used.
        seed: seed of all draws; each lesion has a stream of its own.
        shard: number of the shard.
        compute: where to compute.
        out: HDF5 file to write, as docs/architecture.md describes it.

    Raises:
        DueError: a training lesion has no annotated slice.
    """
    samples = pd.read_parquet(samples_file)
    wanted = samples[(samples["split"] == "train") & (samples["label"] == 1) & (samples["shard"] == shard)]
    lesions = pd.read_parquet(lesions_file)
    lesions = lesions[lesions["lesion_id"].isin(wanted["lesion_id"])].sort_values("lesion_id")
    size = interpolate_settings["size"]
    loaded = load_frames(lesions=lesions, slices_file=slices_file, margin_mm=margin_mm, size=size)
    frames = {lesion.lesion_id: lesion for lesion in loaded}
    interpolator = load_interpolator(interpolator_file, compute.device)
    predictor = load_predictor(predictor_file, compute.device)
    log.info("%d training lesions in this shard", len(lesions))
    with replacing(out) as part, h5py.File(part, "w") as file, h5py.File(slices_file) as source:
        for done, (_, lesion) in enumerate(lesions.iterrows(), start=1):
            name = lesion.lesion_id
            arrays = {key: source[name][key][:] for key in ("consensus", "annotated", "z_mm")}
            planes = lay_planes(**arrays, lesion=lesion, margin_mm=margin_mm, grid=grid)
            filled = fill_lesion(
                planes,
                frames[name],
                interpolator=interpolator,
                predictor=predictor,
                interpolate_settings=interpolate_settings,
                settings=settings,
                generator=torch_generator(seed, "uncertainty", "weights", name, device=compute.device),
            )
            group = file.create_group(name)
            for key, values in {"nearest": planes.nearest, "annotated": planes.annotated, **filled}.items():
                group.create_dataset(key, data=values, compression="gzip")
            if done % LOG_EVERY == 0 or done == len(lesions):
                log.info("lesion %d/%d", done, len(lesions))
