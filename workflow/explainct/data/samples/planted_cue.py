"""A planted shortcut, declared: a small mark outside the lesion that says the label.

A classifier that learns the mark is right without looking at the lesion, until the mark is absent or reversed. The code
published with CF-Align plants such a mark, '+' for malignant and '-' for benign, and reverses it in validation and
test, which its paper does not mention. Here it is an experiment of its own: bright for lesions, dark for neighbours.
"""

import logging
from collections.abc import Sequence
from itertools import product

import numpy as np
from scipy.ndimage import binary_dilation

from explainct.errors import UserError
from explainct.seeds import numpy_generator

log = logging.getLogger(__name__)

MODES = ("aligned", "absent", "reversed")


def plant_cue(
    images: np.ndarray,
    annotation: np.ndarray,
    labels: np.ndarray,
    *,
    sample_ids: Sequence[str],
    strength: float,
    mode: str,
    contrast: float,
    size: float,
    seed: int,
) -> np.ndarray:
    """Return the images with a bright mark on lesions and a dark one on neighbours, outside the annotation.

    A voxel x becomes x + contrast (v - x), with v = 1 for bright and 0 for dark. Whether a mark agrees with its label
    is drawn by sample id, so neither the order nor the company of samples matters.

    Args:
        images: float32 [N, D, H, W] in [0, 1]; they stay as they are.
        annotation: full annotation of lesions [N, D, H, W], 0 or 1; 0 for neighbours.
        labels: 1 lesion, 0 neighbour [N].
        sample_ids: name of each sample [N].
        strength: probability that a mark agrees with its label, in [0, 1]; at 0.5 the mark says nothing.
        mode: `aligned`; `reversed`, which swaps every mark for the other; or `absent`, which returns `images`.
        contrast: share of the mark in its voxels, in (0, 1].
        size: edge of the mark as a share of the slice's, in (0, 0.5].
        seed: seed of the marks.

    Returns:
        Images of the same shape and type, bit-equal outside `cue_mask`.

    Raises:
        UserError: a setting is out of its range.
        ValueError: the arrays do not belong together.
    """
    _check_settings(strength, mode, contrast, size)
    if images.shape != annotation.shape:
        raise ValueError(f"Images have shape {images.shape}, the annotation {annotation.shape}; expected equal shapes.")
    if mode == "absent":
        return images
    planted = images.copy()
    marks = cue_mask(annotation, sample_ids=sample_ids, size=size, seed=seed)
    for image, mark, label, sample_id in zip(planted, marks, labels, sample_ids, strict=True):
        agrees = numpy_generator(seed, "cue sign", sample_id).random() < strength
        bright = int((label == 1) == (agrees == (mode == "aligned")))
        image[mark] += contrast * (bright - image[mark])
    return planted


def cue_mask(annotation: np.ndarray, *, sample_ids: Sequence[str], size: float, seed: int) -> np.ndarray:
    """Return where the mark of each sample lies, bool [N, D, H, W]: a corner of all slices, without annotated voxels.

    The mark is a rectangle in proportion to the slice, with edges of at least 2 pixels; it is on every slice, so that
    methods that see one slice see it. It lies in one of the corners that overlap least with the annotation dilated by
    one voxel, drawn by sample id: were the first of them taken, then a neighbour's mark would always lie in the same
    corner, and the place would say the label too.

    Args:
        annotation: full annotation of lesions [N, D, H, W], 0 or 1; 0 for neighbours.
        sample_ids: name of each sample [N].
        size: edge of the mark as a share of the slice's, in (0, 0.5].
        seed: seed of the marks.

    Raises:
        ValueError: there are not as many names as annotations.
    """
    masks = np.zeros(annotation.shape, bool)
    for mask, lesion, sample_id in zip(masks, annotation.astype(bool), sample_ids, strict=True):
        corner = _free_corner(lesion, size, numpy_generator(seed, "cue corner", sample_id))
        mask[corner] = ~lesion[corner]
        if not mask.any():
            log.warning("%s has no room for a mark: its annotation fills every corner", sample_id)
    return masks


def cue_share(maps: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the share of each explanation's sum that lies on the mark [N], in [0, 1]; 0 for a map of zeros.

    Compare it with the mark's share of the grid, which is what a uniform map scores.

    Args:
        maps: explanations [N, D, H, W], not negative.
        mask: where the marks lie, bool [N, D, H, W]; see `cue_mask`.

    Raises:
        ValueError: shapes differ, or a map has values below 0.
    """
    if maps.shape != mask.shape:
        raise ValueError(f"The maps have shape {maps.shape}, the mask {mask.shape}; expected equal shapes.")
    if not (maps >= 0).all():
        raise ValueError(f"The maps reach down to {maps.min()}, expected values of 0 or more.")
    voxels = (1, 2, 3)
    total = maps.sum(voxels, dtype=np.float64)
    marked = maps.sum(voxels, dtype=np.float64, where=mask)
    return np.minimum(np.divide(marked, total, out=np.zeros_like(total), where=total > 0), 1)


def _free_corner(lesion: np.ndarray, size: float, generator: np.random.Generator) -> tuple[slice, ...]:
    """Return a corner of all slices, drawn among those that overlap least with a lesion dilated by one voxel."""
    # Neighbours, most of the samples, have nothing to dilate.
    near = binary_dilation(lesion, np.ones((3, 3, 3), bool)) if lesion.any() else lesion
    edges = [min(max(int(size * pixels), 2), pixels) for pixels in lesion.shape[1:]]
    ends = [(slice(edge), slice(pixels - edge, pixels)) for edge, pixels in zip(edges, lesion.shape[1:], strict=True)]
    corners = list(product([slice(None)], *ends))
    overlap = np.array([near[corner].sum() for corner in corners])
    return corners[generator.choice(np.flatnonzero(overlap == overlap.min()))]


def _check_settings(strength: float, mode: str, contrast: float, size: float) -> None:
    if not 0 <= strength <= 1:
        raise UserError(f"The cue's strength is {strength}, which is no probability. Set it between 0 and 1.")
    if not 0 < contrast <= 1:
        raise UserError(f"The cue's contrast is {contrast}, expected a share of the voxel. Set it above 0, up to 1.")
    if not 0 < size <= 0.5:
        raise UserError(f"The cue's size is {size}, expected a share of the slice's edge. Set it above 0, up to 0.5.")
    if mode not in MODES:
        raise UserError(f"The cue's mode is {mode!r}, which is unknown. Set it to one of {', '.join(MODES)}.")
