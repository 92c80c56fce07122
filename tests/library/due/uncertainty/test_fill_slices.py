"""A lesion's own slices: annotated ones stay, those between are filled at their z, where they lie in the scan."""

import h5py
import numpy as np
import pandas as pd
import torch
from lesion_examples import INTERPOLATE, SLICES, SPACING_Z, Oracle, ellipsoid

from explainct.due.interpolation.filling import diffuse_gaps
from explainct.due.interpolation.slice_patches import load_patches
from explainct.due.uncertainty.fill_slices import fill_slices

Z_MM = -50.0 + SPACING_Z * np.arange(SLICES)


def fill(cohort, annotated, consensus, seen=None):
    lesions = pd.read_parquet(cohort.lesions_file).iloc[[1]]
    with h5py.File(cohort.slices_file, "r+") as file:
        group = file[lesions.lesion_id.item()]
        group["annotated"][:] = annotated
        group["consensus"][:] = consensus
        group["readers"][:] = consensus[None]
    patches = load_patches(lesions=lesions, slices_file=cohort.slices_file, size=INTERPOLATE["size"])[0]

    def filler(gaps, generator):
        if seen is not None:
            seen.extend(gaps)
        return diffuse_gaps(Oracle(1000.0), gaps, {"estimate": "expectation"}, generator)

    return fill_slices(
        consensus=consensus,
        annotated=annotated,
        z_mm=Z_MM,
        patches=patches,
        filler=filler,
        generator=torch.Generator().manual_seed(0),
    )


def test_hidden_slices_are_filled_at_their_own_z_and_others_stay(cohort):
    consensus, seen = ellipsoid(1), []
    inside = np.flatnonzero(consensus.any((1, 2)))
    annotated = np.isin(np.arange(SLICES), inside[::3])
    filled = fill(cohort, annotated, consensus, seen)
    known = np.flatnonzero(annotated)
    hidden = np.setdiff1d(np.arange(known[0], known[-1]), known)
    np.testing.assert_array_equal(np.concatenate([gap.z for gap in seen]), Z_MM[hidden])
    np.testing.assert_array_equal(filled[known], consensus[known])
    beyond = np.setdiff1d(np.arange(SLICES), np.arange(known[0], known[-1] + 1))
    assert not filled[beyond].any()
    # The oracle blends signed distances: an ellipsoid's slices are met within a pixel of their outline.
    both = ((filled[hidden] >= 0.5) & (consensus[hidden] > 0)).sum()
    assert 2 * both / ((filled[hidden] >= 0.5).sum() + consensus[hidden].sum()) > 0.85


def test_equal_slices_are_filled_with_that_slice_in_place(cohort):
    mask = ellipsoid(1)[SLICES // 2]
    consensus = np.repeat(mask[None], SLICES, axis=0)
    filled = fill(cohort, np.arange(SLICES) % 4 == 0, consensus)
    np.testing.assert_array_equal(filled >= 0.5, consensus > 0)


def test_without_a_hidden_slice_nothing_is_asked(cohort):
    consensus, seen = ellipsoid(1), []
    filled = fill(cohort, consensus.any((1, 2)), consensus, seen)
    assert seen == []
    np.testing.assert_array_equal(filled, consensus)
