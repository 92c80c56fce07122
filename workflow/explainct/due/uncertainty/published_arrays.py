"""The mask and the weights of DUE's published code, which `fill_grid` does not give."""

from dataclasses import replace

import numpy as np
import pandas as pd
import torch

from explainct.data.samples.dropped_slices import nearest_annotated
from explainct.data.samples.resample import paste, resize_mask_by_floor
from explainct.due.interpolation.gaps import ABOVE, BELOW, CONTEXT_SLICES, Gap
from explainct.due.interpolation.slice_patches import LesionPatches, from_patches
from explainct.due.uncertainty.fill_gaps import predict_gaps
from explainct.due.uncertainty.fill_grid import missing_gaps
from explainct.due.uncertainty.grid_planes import Planes
from explainct.due.uncertainty.neural_process import UncertaintyPredictor
from explainct.due.uncertainty.variance_to_weight import published_weights
from explainct.runtime.volume import Box

FIRST_TIME, LAST_TIME = 2.0, 6.0
"""Times that the predictor is asked for in every gap; the slices around the gap are at times 0 and 1."""


def mask_as_published(
    consensus: np.ndarray, annotated: np.ndarray, *, lesion: pd.Series, block: Box, grid: tuple[int, int, int]
) -> np.ndarray:
    """Return the mask of a lesion's block on the grid, resized as in the published code, 0 or 1 [D, H, W].

    There all slices are annotated. Here a slice between annotated ones that the method may not see is the nearest
    annotated one, the lower on ties.

    Args:
        consensus: the consensus mask of the lesion's box, 0 or 1 [k, h, w].
        annotated: slices that the method may see, at least one [k] bool.
        lesion: its row of `lesions.parquet`.
        block: its block, in scan indices.
        grid: D, H and W.
    """
    known, slices = np.flatnonzero(annotated), np.arange(len(consensus))
    inside = (slices >= known[0]) & (slices <= known[-1])
    seen = consensus[nearest_annotated(annotated)] * inside[:, None, None].astype(np.uint8)
    return resize_mask_by_floor(paste(seen, lesion, block), grid)


def at_published_times(gap: Gap) -> Gap:
    """Return a gap of M slices asked for at times 2 to 6, evenly, and known by the two slices around it alone.

    The times do not depend on the length of the gap and lie beyond its upper slice; a single slice has time 2.
    """
    low, high = gap.context_z[BELOW], gap.context_z[ABOVE]
    bounding = np.isin(np.arange(CONTEXT_SLICES), (BELOW, ABOVE))
    times = np.linspace(FIRST_TIME, LAST_TIME, len(gap.z))
    return replace(gap, z=low + times * (high - low), shown=gap.shown & bounding)


def weights_at_published_times(
    planes: Planes,
    patches: LesionPatches,
    lines: tuple[np.ndarray, np.ndarray],
    *,
    predictor: UncertaintyPredictor,
    generator: torch.Generator,
) -> np.ndarray:
    """Return voxel weights as the published code computes them, in [0, 1] [D, H, W] float16; 1 on known planes.

    The variance is that of one draw of the latent, at times that are the same in every gap; its flipped sigmoid is
    scaled by minimum and maximum in each gap. The published code draws anew in each step of the training.

    Args:
        planes: what is known of the lesion on the grid [D, H, W].
        patches: its annotated slices, as many as `planes` knows.
        lines: where the grid's rows [H] and columns [W] lie in the lesion's box, see `grid_lines`.
        predictor: the imputed uncertainty predictor.
        generator: random stream of the draws, on the predictor's device.
    """
    weights = np.ones(planes.nearest.shape, np.float16)
    if len(planes.missing):
        gaps = [at_published_times(gap) for gap in missing_gaps(planes, patches)]
        predicted = predict_gaps(predictor, gaps, "draw", generator)
        variances = torch.cat([answer.variance for answer in predicted])  # [N, S, S]
        variance = from_patches(variances, patches.place, *lines)  # [N, H, W]
        for lower in np.unique(planes.lower):
            own = planes.lower == lower
            weights[planes.missing[own]] = published_weights(variance[own])
    return weights
