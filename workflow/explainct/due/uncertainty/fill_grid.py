"""Fill a lesion's grid: interpolated annotation, variance and weight of the planes between annotated slices."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from explainct.due.interpolation.classical import linear, signed_distance
from explainct.due.interpolation.diffusion import Interpolator
from explainct.due.interpolation.filling import draw_gaps, expect_gaps
from explainct.due.interpolation.gaps import ABOVE, BELOW, Gap, by_size, gap_between
from explainct.due.interpolation.slice_patches import LesionPatches, from_patches
from explainct.due.uncertainty.grid_planes import Planes
from explainct.due.uncertainty.neural_process import Prediction, UncertaintyPredictor
from explainct.due.uncertainty.variance_to_weight import MAPPINGS, absolute_weights, published_weights

COMPARED = ("signed_distance", "weight_published", "weight_diffusion", "weight_readers")
"""What stands beside annotation and weights of the method, to be compared with them."""


def missing_gaps(planes: Planes, patches: LesionPatches) -> list[Gap]:
    """Return a lesion's missing planes as gaps, each between the two annotated slices around it, z ascending."""
    kept = range(len(patches.patches))
    gaps = []
    for lower in np.unique(planes.lower):
        start, stop = planes.z_mm[lower], planes.z_mm[lower + 1]
        t = planes.t[planes.lower == lower]
        gaps.append(gap_between(patches, kept, int(lower), start + t * (stop - start)))
    return gaps


def fill_lesion(
    planes: Planes,
    patches: LesionPatches,
    lines: tuple[np.ndarray, np.ndarray],
    *,
    interpolator: Interpolator,
    predictor: UncertaintyPredictor,
    settings: dict[str, Any],
    generator: torch.Generator,
) -> dict[str, np.ndarray]:
    """Fill a lesion's missing planes: interpolated annotation, its variance and its weight.

    Args:
        planes: what is known of the lesion on the grid [D, H, W].
        patches: its annotated slices, as many as `planes` knows.
        lines: where the grid's rows [H] and columns [W] lie in the lesion's box, see `grid_lines`.
        interpolator: the diffusion interpolator.
        predictor: the imputed uncertainty predictor.
        settings: `estimate`, `latent_at_inference` and `mapping` of the section `uncertainty`; and where draws estimate
            the annotation, `draws`, `steps` and `filling` of `interpolate`.
        generator: random stream of this lesion, on the device of the models.

    Returns:
        `interpolated` and `signed_distance` in [0, 1], `variance` in [0, 0.25] and weights in [0, 1], each [D, H, W]
        float16. Known planes have the annotation itself, variance 0 and weight 1. For ablations stand beside `weight`:
        `weight_published` (the published mapping), `weight_diffusion` (by the diffusion's own variance) and
        `weight_readers` (by the share of readers, blended between the annotated slices).
    """
    interpolated = planes.nearest.astype(np.float32)
    variance, weight = np.zeros_like(interpolated), np.ones_like(interpolated)
    others = {name: interpolated.copy() if name == "signed_distance" else weight.copy() for name in COMPARED}
    if len(planes.missing):
        gaps = missing_gaps(planes, patches)
        if settings["estimate"] == "draws":
            means = [drawn.mean(0) for drawn in draw_gaps(interpolator, gaps, settings, generator)]
        else:
            means = expect_gaps(interpolator, gaps, generator)
        predicted = predict_gaps(predictor, gaps, settings["latent_at_inference"], generator)
        mean = torch.cat(means).cpu()  # [N, S, S]
        interpolated[planes.missing] = from_patches(mean, patches.place, *lines)  # [N, H, W]
        variances = torch.cat([answer.variance for answer in predicted])  # [N, S, S]
        variance[planes.missing] = from_patches(variances, patches.place, *lines)
        for lower in np.unique(planes.lower):
            gap = planes.missing[planes.lower == lower]
            weight[gap] = MAPPINGS[settings["mapping"]](variance[gap])
            others["weight_published"][gap] = published_weights(variance[gap])
        for name, values in _compared(gaps, mean, patches, lines).items():
            others[name][planes.missing] = values
    content = {"interpolated": interpolated, "variance": variance, "weight": weight, **others}
    return {name: values.astype(np.float16) for name, values in content.items()}


def _compared(
    gaps: Sequence[Gap], mean: torch.Tensor, patches: LesionPatches, lines: tuple[np.ndarray, np.ndarray]
) -> dict[str, np.ndarray]:
    """Return what the method is compared with on the missing planes, each [N, H, W] in [0, 1].

    Args:
        gaps: the missing planes.
        mean: the diffusion's answer on their patches [N, S, S].
        patches: the lesion's annotated slices.
        lines: where the grid's rows and columns lie in the lesion's box.
    """
    shapes = [signed_distance(gap.contexts[BELOW : ABOVE + 1], gap.t) for gap in gaps]
    shares = [linear((gap.contexts + gap.disagreement)[BELOW : ABOVE + 1], gap.t) for gap in gaps]
    disagreement = np.concatenate([share * (1 - share) for share in shares])  # [N, S, S]
    # Variances are resampled, not taken from a resampled mean: between pixels that are certain it is neither 0 nor 1.
    return {
        "signed_distance": from_patches(np.concatenate(shapes), patches.place, *lines),
        "weight_diffusion": absolute_weights(from_patches(mean * (1 - mean), patches.place, *lines)),
        "weight_readers": absolute_weights(from_patches(disagreement, patches.place, *lines)),
    }


def predict_gaps(
    predictor: UncertaintyPredictor, gaps: Sequence[Gap], latent: str, generator: torch.Generator
) -> list[Prediction]:
    """Return predicted mean and variance [M, S, S] of each gap's target slices, gaps of one patch size in one pass.

    Args:
        predictor: a trained predictor.
        gaps: what is asked for.
        latent: `mean` or `draw`, see `UncertaintyPredictor.predict`.
        generator: random stream of draws, on the predictor's device.
    """
    device = next(predictor.parameters()).device
    answers: dict[int, Prediction] = {}
    for numbers in by_size(gaps).values():
        group = [gaps[number] for number in numbers]
        most = max(len(gap.z) for gap in group)
        z = np.stack([np.pad(gap.z, (0, most - len(gap.z)), mode="edge") for gap in group])  # [B, M]
        predicted = predictor.predict(
            # [B, 4, S, S]
            torch.from_numpy(np.stack([gap.contexts + gap.disagreement for gap in group])).float().to(device),
            torch.from_numpy(np.stack([gap.context_z for gap in group])).float().to(device),  # [B, 4]
            torch.from_numpy(np.stack([gap.shown for gap in group])).to(device),  # [B, 4]
            torch.from_numpy(z).float().to(device),
            torch.tensor([gap.pixel_mm for gap in group], dtype=torch.float32, device=device),
            fields=torch.from_numpy(np.stack([gap.fields for gap in group])).to(device),  # [B, 4, S, S]
            latent=latent,
            generator=generator,
        )
        for row, number in enumerate(numbers):
            count = len(gaps[number].z)
            answers[number] = Prediction(predicted.mean[row, :count], predicted.variance[row, :count])
    return [answers[number] for number in range(len(gaps))]
