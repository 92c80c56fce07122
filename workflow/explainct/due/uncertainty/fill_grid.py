"""Fill a lesion's grid: interpolated annotation, variance and weight of the planes between annotated slices."""

from collections.abc import Sequence

import numpy as np
import torch

from explainct.due.interpolation.classical import linear, signed_distance
from explainct.due.interpolation.gaps import ABOVE, BELOW, Gap, gap_between
from explainct.due.interpolation.slice_patches import LesionPatches, from_patches
from explainct.due.uncertainty.fill_gaps import Filler
from explainct.due.uncertainty.grid_planes import Planes
from explainct.due.uncertainty.variance_to_weight import MAPPINGS, absolute_weights, published_weights

COMPARED = ("signed_distance", "weight_published", "weight_readers")
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
    filler: Filler,
    mapping: str,
    generator: torch.Generator,
) -> dict[str, np.ndarray]:
    """Fill a lesion's missing planes: interpolated annotation, its variance and its weight.

    Args:
        planes: what is known of the lesion on the grid [D, H, W].
        patches: its annotated slices, as many as `planes` knows.
        lines: where the grid's rows [H] and columns [W] lie in the lesion's box, see `grid_lines`.
        filler: what fills the gaps, see `load_filler`.
        mapping: from variance to weight, one of `MAPPINGS`.
        generator: random stream of this lesion, on the device of the model.

    Returns:
        `interpolated` and `signed_distance` in [0, 1], `variance` in [0, 0.25] and weights in [0, 1], each [D, H, W]
        float16. Known planes have the annotation itself, variance 0 and weight 1. For ablations stand beside `weight`:
        `weight_published` (the published mapping) and `weight_readers` (by the share of readers, blended between the
        annotated slices).
    """
    interpolated = planes.nearest.astype(np.float32)
    variance, weight = np.zeros_like(interpolated), np.ones_like(interpolated)
    others = {name: interpolated.copy() if name == "signed_distance" else weight.copy() for name in COMPARED}
    if len(planes.missing):
        gaps = missing_gaps(planes, patches)
        filled = filler(gaps, generator)
        mean, variances = (torch.cat([getattr(one, name) for one in filled]) for name in ("mean", "variance"))
        interpolated[planes.missing] = from_patches(mean, patches.place, *lines)  # [N, H, W]
        # Variances are resampled, not taken from a resampled mean: between certain pixels that is neither 0 nor 1.
        variance[planes.missing] = from_patches(variances, patches.place, *lines)
        for lower in np.unique(planes.lower):
            gap = planes.missing[planes.lower == lower]
            weight[gap] = MAPPINGS[mapping](variance[gap])
            others["weight_published"][gap] = published_weights(variance[gap])
        for name, values in _compared(gaps, patches, lines).items():
            others[name][planes.missing] = values
    content = {"interpolated": interpolated, "variance": variance, "weight": weight, **others}
    return {name: values.astype(np.float16) for name, values in content.items()}


def _compared(
    gaps: Sequence[Gap], patches: LesionPatches, lines: tuple[np.ndarray, np.ndarray]
) -> dict[str, np.ndarray]:
    """Return what the method is compared with on the missing planes, each [N, H, W] in [0, 1].

    Args:
        gaps: the missing planes.
        patches: the lesion's annotated slices.
        lines: where the grid's rows and columns lie in the lesion's box.
    """
    shapes = [signed_distance(gap.contexts[BELOW : ABOVE + 1], gap.t) for gap in gaps]
    shares = [linear((gap.contexts + gap.disagreement)[BELOW : ABOVE + 1], gap.t) for gap in gaps]
    disagreement = np.concatenate([share * (1 - share) for share in shares])  # [N, S, S]
    return {
        "signed_distance": from_patches(np.concatenate(shapes), patches.place, *lines),
        "weight_readers": absolute_weights(from_patches(disagreement, patches.place, *lines)),
    }
