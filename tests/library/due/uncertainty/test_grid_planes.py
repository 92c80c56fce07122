"""Planes of the grid between measured slices: each annotated slice on its own z, and nothing new where z is even."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lesion_examples import SLICES, ellipsoid, lesion_row
from slice_examples import disc, lesion_of

from explainct.data.ingest.dicom_geometry_checks import STEP_TOLERANCE
from explainct.data.samples.resample import annotated_planes, block_of, paste, resize_mask
from explainct.due.uncertainty.fill_grid import missing_gaps
from explainct.due.uncertainty.grid_planes import Planes, lay_planes

MARGIN_MM = 4.0
SCAN_SLICES = 60

scan_steps = st.lists(
    st.floats(1 - STEP_TOLERANCE, 1 + STEP_TOLERANCE), min_size=SCAN_SLICES - 1, max_size=SCAN_SLICES - 1
)


def lesion_at(z_mm):
    """Return a lesion's row whose scan has slices at these z in mm [60]."""
    step = (z_mm[-1] - z_mm[0]) / (len(z_mm) - 1)
    return pd.Series(lesion_row(1) | {"scan_z_mm": z_mm.tolist(), "spacing_z": step})


def every(step):
    filled = np.flatnonzero(ellipsoid(1).any((1, 2)))
    return np.isin(np.arange(SLICES), [*filled[::step], filled[-1]])


def lay(lesion, annotated, depth):
    block = block_of(lesion, MARGIN_MM)
    return lay_planes(consensus=ellipsoid(1), annotated=annotated, lesion=lesion, block=block, grid=(depth, 10, 12))


def even_planes(lesion, annotated, depth):
    """Lay the planes evenly by the slice spacing, as was done before z was measured."""
    grid = (depth, 10, 12)
    block = block_of(lesion, MARGIN_MM)
    offset = int(lesion.k_start) - block.start[0]
    first = lesion.scan_z_mm[lesion.k_start]
    slice_z = first + (np.arange(block.shape[0]) - offset) * lesion.spacing_z
    flags = np.zeros(block.shape[0], bool)
    flags[offset : offset + len(annotated)] = annotated
    known_z = slice_z[flags]
    seen = paste(ellipsoid(1) * annotated[:, None, None].astype(np.uint8), lesion, block)
    z = np.linspace(slice_z[0], slice_z[-1], depth)
    holds = np.zeros(depth, bool)
    holds[annotated_planes(flags, depth)] = True
    inside = (z > known_z[0]) & (z < known_z[-1])
    closest = np.abs(z[:, None] - known_z).round(9).argmin(1)  # the lower slice where rounding would decide
    slices = resize_mask(seen[flags], (len(known_z), *grid[1:]))
    nearest = np.where((inside | holds)[:, None, None], slices[closest], resize_mask(seen, grid))
    missing = np.flatnonzero(inside & ~holds)
    lower = np.searchsorted(known_z, z[missing], side="right") - 1
    t = (z[missing] - known_z[lower]) / (known_z[lower + 1] - known_z[lower])
    return Planes(nearest, holds, missing, lower, t, known_z)


@pytest.mark.parametrize("step_mm", [0.625, 0.7, 1.25, 2.0, 2.5, 3.0])
@pytest.mark.parametrize("depth", [6, 17, 25, 32, 64])
@pytest.mark.parametrize("step", [1, 2, 3, 5])
def test_where_z_is_even_no_number_changes(step_mm, depth, step):
    lesion = lesion_at(-331.7 + step_mm * np.arange(SCAN_SLICES))
    planes, before = lay(lesion, every(step), depth), even_planes(lesion, every(step), depth)
    for name in ("nearest", "annotated", "missing", "lower"):
        np.testing.assert_array_equal(getattr(planes, name), getattr(before, name))
    np.testing.assert_allclose(planes.t, before.t, rtol=0, atol=1e-11)
    np.testing.assert_allclose(planes.z_mm, before.z_mm, rtol=0, atol=1e-11)


@given(scan_steps, st.sampled_from([1, 2, 3, 5]), st.integers(1, 3))
def test_annotated_slices_and_planes_on_slices_have_their_own_z(steps, step, times):
    z_mm = -150 + 2.0 * np.cumsum([0.0, *steps])
    lesion, annotated = lesion_at(z_mm), every(step)
    block = block_of(lesion, MARGIN_MM)
    planes = lay(lesion, annotated, times * (block.shape[0] - 1) + 1)
    first = int(lesion.k_start)
    # Exact: contexts of a gap have the z that `annotate/slices.h5` has.
    np.testing.assert_array_equal(planes.z_mm, z_mm[first : first + SLICES][annotated])
    holding = block.start[0] + np.flatnonzero(planes.annotated) / times
    np.testing.assert_array_equal(holding, first + np.flatnonzero(annotated))
    # A missing plane on a slice lies at that slice's z, so its place between contexts is what was measured.
    on_slice = planes.missing % times == 0
    k = block.start[0] + planes.missing[on_slice] // times
    known = planes.z_mm
    lower = planes.lower[on_slice]
    np.testing.assert_array_equal(planes.t[on_slice], (z_mm[k] - known[lower]) / (known[lower + 1] - known[lower]))
    assert np.all((planes.t > 0) & (planes.t < 1))


@given(scan_steps)
def test_gaps_ask_for_the_z_of_the_planes_between_their_contexts(steps):
    z_mm = -150 + 2.0 * np.cumsum([0.0, *steps])
    lesion, annotated = lesion_at(z_mm), every(3)
    planes = lay(lesion, annotated, block_of(lesion, MARGIN_MM).shape[0])
    k = block_of(lesion, MARGIN_MM).start[0] + planes.missing
    asked = np.concatenate(
        [gap.z for gap in missing_gaps(planes, lesion_of([disc(3)] * len(planes.z_mm), planes.z_mm))]
    )
    np.testing.assert_allclose(asked, z_mm[k], rtol=0, atol=1e-9)
