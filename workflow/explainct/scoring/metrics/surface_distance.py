"""How far the surface of a binarised map lies from that of the annotation, in mm."""

from collections.abc import Sequence

import numpy as np
import torch
from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance

from explainct.scoring.metrics.overlap import checked_truth

HAUSDORFF_PERCENTILE = 95


def boundary_distances(
    explanation: np.ndarray, truth: np.ndarray, *, threshold: float, spacing: Sequence[float]
) -> dict[str, float]:
    """Return the distances between the surfaces of a map binarised above `threshold` and of the annotation, by name.

    A mask's surface is its voxels with a face outside it; the edge of the grid counts as outside. `hausdorff95_mm` is
    the larger of the two directed 95th percentiles, `surface_distance_mm` the mean over the voxels of both surfaces,
    each to the nearest voxel of the other (MONAI, symmetric). A map with no voxel above the threshold has the
    grid's diagonal for both, the largest distance that two voxels can have, so that means over lesions are defined.

    Args:
        explanation: map [D, H, W] in [0, 1].
        truth: annotation [D, H, W], 0 or 1, not empty.
        threshold: map values strictly above it count as attention, in [0, 1].
        spacing: distance of neighbouring voxels of the grid in mm (z, y, x), above 0.

    Returns:
        `hausdorff95_mm` and `surface_distance_mm`, in mm, 0 for equal masks.

    Raises:
        ValueError: shapes differ, the truth is empty or not binary, the map leaves [0, 1], or the spacing is not
            three positive numbers.
    """
    inside = checked_truth(explanation, truth)
    steps = np.asarray(spacing, np.float64)
    if steps.shape != (inside.ndim,) or not np.all(np.isfinite(steps) & (steps > 0)):
        raise ValueError(f"The spacing is {list(spacing)} mm, expected {inside.ndim} positive numbers.")
    attended = explanation > threshold
    if not attended.any():
        diagonal = float(np.linalg.norm((np.array(inside.shape) - 1) * steps))
        return {"hausdorff95_mm": diagonal, "surface_distance_mm": diagonal}
    masks = [torch.from_numpy(mask)[None, None] for mask in (attended, inside)]
    options = {"include_background": True, "spacing": steps.tolist()}
    hausdorff = compute_hausdorff_distance(*masks, percentile=HAUSDORFF_PERCENTILE, **options)
    surface = compute_average_surface_distance(*masks, symmetric=True, **options)
    return {"hausdorff95_mm": hausdorff.item(), "surface_distance_mm": surface.item()}
