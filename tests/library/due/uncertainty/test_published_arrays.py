"""The mask and the weights of DUE's published code, against their restatement."""

from dataclasses import replace

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lesion_examples import INTERPOLATE, SLICES, ellipsoid, lesion_row, untrained_predictor

from explainct.benchmarks.published_losses import due_mask, due_query_times, due_weights
from explainct.data.samples.blocks import lesion_box
from explainct.data.samples.resample import block_of, paste
from explainct.due.interpolation.slice_patches import from_patches, grid_lines, load_patches
from explainct.due.uncertainty.fill_gaps import predict_gaps
from explainct.due.uncertainty.fill_grid import missing_gaps
from explainct.due.uncertainty.grid_planes import lay_planes
from explainct.due.uncertainty.published_arrays import at_published_times, mask_as_published, weights_at_published_times

LESION = pd.Series(lesion_row(1))
BLOCK = lesion_box(LESION)
CONSENSUS = ellipsoid(1).astype(np.uint8)


def planes_of(annotated, grid):
    return lay_planes(
        consensus=np.ones_like(CONSENSUS),
        annotated=annotated,
        lesion=LESION,
        block=BLOCK,
        grid=grid,
    )


def patches_of(cohort, annotated):
    lesions = pd.read_parquet(cohort.lesions_file).iloc[[1]]
    with h5py.File(cohort.slices_file, "r+") as file:
        file[f"{LESION.lesion_id}/annotated"][:] = annotated
    (patches,) = load_patches(lesions=lesions, slices_file=cohort.slices_file, size=INTERPOLATE["size"])
    return patches


def weights_of(planes, patches, grid):
    return weights_at_published_times(
        planes,
        patches,
        grid_lines(LESION, BLOCK, grid),
        predictor=untrained_predictor(),
        generator=torch.Generator().manual_seed(3),
    )


@pytest.mark.parametrize("depth", [20, 64])
def test_weights_are_those_of_the_restatement_at_its_times(cohort, depth):
    annotated, grid = np.ones(SLICES, bool), (depth, 10, 12)
    planes, patches = planes_of(annotated, grid), patches_of(cohort, annotated)
    own = weights_of(planes, patches, grid)
    gaps = []
    for gap in missing_gaps(planes, patches):
        low, high = gap.context_z[1:3]
        z = low + due_query_times(len(gap.z)).numpy() * (high - low)
        gaps.append(replace(gap, z=z, shown=np.array([False, True, True, False])))
    answers = predict_gaps(untrained_predictor(), gaps, "draw", torch.Generator().manual_seed(3))
    variance = np.zeros(grid)
    variances = torch.cat([answer.variance for answer in answers])
    variance[planes.missing] = from_patches(variances, patches.place, *grid_lines(LESION, BLOCK, grid))
    np.testing.assert_allclose(own, due_weights(torch.from_numpy(variance), SLICES), atol=1e-3)
    assert (own == 1).all((1, 2)).sum() == SLICES
    for lower in np.unique(planes.lower):
        gap = own[planes.missing[planes.lower == lower]]
        assert (gap.min(), gap.max()) == (0, 1)


def test_times_and_contexts_do_not_depend_on_the_gap(cohort):
    annotated = np.isin(np.arange(SLICES), [0, 1, 4, 9, 12])
    grid = (64, 10, 12)
    gaps = missing_gaps(planes_of(annotated, grid), patches_of(cohort, annotated))
    assert len({len(gap.z) for gap in gaps}) > 2
    for gap in map(at_published_times, gaps):
        np.testing.assert_allclose(gap.t, due_query_times(len(gap.z)))
        assert gap.shown.tolist() == [False, True, True, False]
    assert at_published_times(replace(gaps[0], z=gaps[0].z[:1])).t == pytest.approx([2])


def test_one_annotated_slice_has_weight_one_everywhere(cohort):
    annotated, grid = np.arange(SLICES) == 6, (16, 10, 12)
    assert (weights_of(planes_of(annotated, grid), patches_of(cohort, annotated), grid) == 1).all()


@pytest.mark.parametrize("margin_mm", [0.0, 4.0])
@settings(max_examples=10, deadline=None)
@given(depth=st.integers(2, 70))
def test_the_mask_of_a_wholly_annotated_lesion_is_the_restated_one(margin_mm, depth):
    grid = (depth, 16, 32)
    block = block_of(LESION, margin_mm)
    own = mask_as_published(CONSENSUS, np.ones(SLICES, bool), lesion=LESION, block=block, grid=grid)
    mask = paste(CONSENSUS, LESION, block)
    assert own.dtype == np.uint8
    np.testing.assert_array_equal(
        own, torch.nn.functional.interpolate(torch.from_numpy(mask)[None, None].float(), grid, mode="nearest")[0, 0]
    )
    if depth & (depth - 1) == 0:
        np.testing.assert_array_equal(own, due_mask(torch.from_numpy(mask), grid))


def test_slices_that_are_not_annotated_do_not_matter_to_the_mask():
    annotated = np.isin(np.arange(SLICES), [3, 5, 10])
    options = {"lesion": LESION, "block": BLOCK, "grid": (SLICES, *CONSENSUS.shape[1:])}
    own = mask_as_published(CONSENSUS, annotated, **options)
    other = np.where(annotated[:, None, None], CONSENSUS, 1 - CONSENSUS)
    np.testing.assert_array_equal(mask_as_published(other, annotated, **options), own)
    # Nearest annotated slice, the lower on ties; nothing outside of them.
    source = [None, None, None, 3, 3, 5, 5, 5, 10, 10, 10, None, None]
    for plane, number in zip(own, source, strict=True):
        np.testing.assert_array_equal(plane, 0 if number is None else CONSENSUS[number])
