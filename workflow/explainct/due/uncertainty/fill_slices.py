"""Fill a lesion's own slices: those between annotated ones, at their own z and on the pixels of the scan."""

from itertools import pairwise

import numpy as np
import torch

from explainct.due.interpolation.gaps import gap_between
from explainct.due.interpolation.slice_patches import LesionPatches, from_patches
from explainct.due.uncertainty.fill_gaps import Filler


def fill_slices(
    *,
    consensus: np.ndarray,
    annotated: np.ndarray,
    z_mm: np.ndarray,
    patches: LesionPatches,
    filler: Filler,
    generator: torch.Generator,
) -> np.ndarray:
    """Return the annotation of a lesion's box with its gaps filled, in [0, 1] [k, h, w] float16.

    Annotated slices keep the consensus, slices between two of them are filled, and those beyond them are empty.

    Args:
        consensus: the consensus mask of the lesion's box, 0 or 1 [k, h, w].
        annotated: slices that the method may see [k] bool.
        z_mm: positions of the slices in mm [k], ascending.
        patches: the annotated slices.
        filler: what fills the gaps, see `load_filler`.
        generator: random stream of this lesion, on the device of the model.
    """
    known = np.flatnonzero(annotated)
    filled = consensus * annotated[:, None, None].astype(np.float32)
    between = {lower: np.arange(start + 1, stop) for lower, (start, stop) in enumerate(pairwise(known))}
    hidden = {lower: slices for lower, slices in between.items() if len(slices)}
    if hidden:
        gaps = [gap_between(patches, range(len(known)), lower, z_mm[slices]) for lower, slices in hidden.items()]
        mean = torch.cat([one.mean for one in filler(gaps, generator)])  # [N, S, S]
        lines = np.arange(consensus.shape[1]), np.arange(consensus.shape[2])
        filled[np.concatenate(list(hidden.values()))] = from_patches(mean, patches.place, *lines)  # [N, h, w]
    return filled.astype(np.float16)
