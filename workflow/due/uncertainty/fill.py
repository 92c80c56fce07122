"""Filling a lesion's grid: interpolated annotation, variance and weight of the planes between annotated slices."""

from typing import Any

import numpy as np
import torch
from torch.nn.functional import interpolate

from due.interpolate.diffusion import Interpolator
from due.interpolate.filling import draw_targets
from due.interpolate.frames import LesionFrames
from due.interpolate.targets import Targets, padded, slots
from due.uncertainty.mapping import MAPPINGS
from due.uncertainty.planes import Planes
from due.uncertainty.predictor import UncertaintyPredictor


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
