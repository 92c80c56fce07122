"""Whether a classifier uses the voxels that a map points to: deletion and insertion (Petsiuk et al., RISE, BMVC 2018).

On a small crop nearly any order of voxels lowers the probability soon, so the area under a curve says little alone.
The same curves for a random order stand beside it.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch

from explainct.seeds import numpy_generator

Probability = Callable[[torch.Tensor], torch.Tensor]
"""From images [B, C, D, H, W] or [B, C, H, W] to the probability of the explained class [B], in [0, 1]."""


class PerturbationCurves(NamedTuple):
    """Probability of the explained class after each step, each of shape [steps + 1], in [0, 1].

    Attributes:
        deletion: after step s of S, the first s / S of the voxels in the order are 0.
        insertion: after step s of S, all voxels but the first s / S in the order are 0.
    """

    deletion: np.ndarray
    insertion: np.ndarray

    @property
    def areas(self) -> dict[str, float]:
        """The areas under both curves by name, over shares of voxels from 0 to 1, each in [0, 1]."""
        return {name: area(curve) for name, curve in self._asdict().items()}


def area(curve: np.ndarray) -> float:
    """Return the area under a curve [steps + 1] at evenly spaced places from 0 to 1, by trapezoids.

    >>> area(np.array([1.0, 0.5, 0.0]))
    0.5
    """
    return float(np.trapezoid(curve, dx=1 / (len(curve) - 1)))


def importance_order(explanation: np.ndarray) -> np.ndarray:
    """Return the indices [V] of a map's voxels from the largest value to the smallest; equals keep their order.

    Args:
        explanation: map [D, H, W] or [H, W] with V finite values.

    Raises:
        ValueError: the map holds values that are not finite.

    >>> importance_order(np.array([[0.1, 0.7], [0.7, 0.4]])).tolist()
    [1, 2, 3, 0]
    """
    if not np.isfinite(explanation).all():
        count = np.count_nonzero(~np.isfinite(explanation))
        raise ValueError(f"The map holds {count} values that are not finite, expected none.")
    return np.argsort(-explanation.ravel().astype(np.float64), kind="stable")


def random_order(voxels: int, *, seed: int, sample: str) -> np.ndarray:
    """Return a random order [V] of `voxels` voxels, the reference of a map: each `sample` has one, for all methods."""
    return numpy_generator(seed, "faithfulness", sample).permutation(voxels)


@torch.inference_mode()
def perturbation_curves(
    image: torch.Tensor, order: np.ndarray, probability: Probability, *, steps: int, batch_size: int
) -> PerturbationCurves:
    """Return the deletion and insertion curves of one image whose voxels are changed in the given order.

    Deletion sets voxels to 0; insertion restores them on an image of zeros (RISE starts from a blurred image instead,
    which shows a large lesion still). Both cost `steps + 1` images each.

    Args:
        image: the image [C, D, H, W] or [C, H, W], V voxels; all channels of a voxel change together.
        order: a permutation of the V voxels [V]: `importance_order` of a map, or `random_order`.
        probability: gives the probability of the explained class [B] of images [B, C, ...].
        steps: number of shares, equal up to one voxel, in 1 ... V.
        batch_size: images shown to `probability` at a time.

    Raises:
        ValueError: the order is no permutation of the voxels, `steps` leaves its range, or the probabilities are not
            one per image.
    """
    voxels = image[0].numel()
    if not np.array_equal(np.sort(order), np.arange(voxels)):
        raise ValueError(f"The order has {np.size(order)} entries, expected each of the image's {voxels} voxels once.")
    if not 1 <= steps <= voxels:
        raise ValueError(f"Got {steps} steps for {voxels} voxels, expected between 1 and the number of voxels.")
    rank = torch.from_numpy(np.argsort(order)).to(image.device).view(image.shape[1:])
    changed_voxels = torch.arange(steps + 1, device=image.device) * voxels // steps
    parts = []
    for counts in changed_voxels.split(batch_size):
        changed = rank < counts.view(-1, *[1] * image.ndim)  # [B, 1, D, H, W]
        parts.append(torch.stack([probability(image * ~changed), probability(image * changed)]))
    curves = torch.cat(parts, dim=1).float().cpu().numpy()
    if curves.shape != (2, steps + 1):
        raise ValueError(f"Curves have shape {curves.shape}, expected (2, {steps + 1}): one probability per image.")
    return PerturbationCurves(*curves)
