"""The z of planes between measured slices, and the place of arrays in the patient."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explainct.data.ingest.dicom_geometry_checks import STEP_TOLERANCE
from explainct.data.ingest.scan_space import mean_step, place_in_scan, plane_z
from explainct.runtime.volume import Box, Volume

steps = st.lists(st.floats(1 - STEP_TOLERANCE, 1 + STEP_TOLERANCE), min_size=1, max_size=20)


def uneven(steps, step=2.5, first=-120.0):
    """Return the z in mm of slices whose steps are these shares of `step`."""
    return first + step * np.cumsum([0.0, *steps])


@given(steps, st.integers(1, 6))
def test_planes_on_slices_have_the_z_of_their_slices(steps, times):
    z = uneven(steps)
    planes = plane_z(z, times * (len(z) - 1) + 1)
    np.testing.assert_array_equal(planes[::times], z)
    assert (np.diff(planes) > 0).all()


@given(st.integers(2, 40), st.integers(1, 70), st.sampled_from([0.5, 0.625, 0.7, 1.25, 2.5, 3.0]))
def test_planes_of_even_slices_are_even(slices, depth, step):
    z = -331.7 + step * np.arange(slices)
    np.testing.assert_allclose(plane_z(z, depth), np.linspace(z[0], z[-1], depth), rtol=0, atol=1e-9)


def test_one_slice_gives_all_planes_its_z():
    assert plane_z(np.array([-7.5]), 3).tolist() == [-7.5] * 3


DIRECTIONS = {
    "upright": np.eye(3),
    "prone": np.diag([-1.0, -1.0, 1.0]),
    "leaning": np.array([[1, 0, 6e-4], [0, 1, 8e-4], [0, 0, np.sqrt(1 - 1e-6)]]),
}


def scan_of(z_mm, direction):
    return pd.Series(
        {
            "z_mm": z_mm.tolist(),
            "spacing_z": mean_step(z_mm) / direction[2, 2],
            "spacing_y": 0.7,
            "spacing_x": 0.8,
            "origin": [10.0, -20.0, z_mm[0]],
            "direction": direction.ravel().tolist(),
        }
    )


@pytest.mark.parametrize("direction", DIRECTIONS.values(), ids=DIRECTIONS)
@given(steps=steps, depth=st.integers(2, 30), first=st.integers(0, 19))
def test_the_corners_of_an_array_lie_on_those_of_its_box(direction, steps, depth, first):
    z = uneven(steps)
    box = Box((min(first, len(z) - 2), 3, 5), (len(z), 9, 6))
    volume = place_in_scan(np.zeros((depth, 12, 1)), scan_of(z, direction), box)
    assert volume.position((0, 0, 0))[2] == pytest.approx(z[box.start[0]], abs=1e-9)
    assert volume.position((depth - 1, 11, 0))[2] == pytest.approx(z[-1], abs=1e-9)
    away = np.subtract(volume.position((0, 11, 0)), volume.position((0, 0, 0)))
    np.testing.assert_allclose(away, direction @ [0, 5 * 0.7, 0], atol=1e-9)
    assert volume.spacing[2] == 0.8


@pytest.mark.parametrize("direction", DIRECTIONS.values(), ids=DIRECTIONS)
@pytest.mark.parametrize("step", [0.7, 1.25, 2.5])
def test_where_slices_are_even_nothing_depends_on_their_z(direction, step):
    scan = scan_of(-120 + step * np.arange(30), direction)
    spacing = (scan.spacing_z, scan.spacing_y, scan.spacing_x)
    box = Box((4, 3, 5), (17, 9, 12))
    expected = Volume(np.zeros(box.shape), spacing, tuple(scan.origin), tuple(scan.direction))
    placed = place_in_scan(np.zeros(box.shape), scan, box)
    np.testing.assert_allclose(placed.spacing, spacing, rtol=1e-12)
    np.testing.assert_allclose(placed.origin, expected.position(box.start), rtol=0, atol=1e-10)
    assert placed.direction == expected.direction
