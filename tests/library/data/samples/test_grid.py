"""Geometry of the network's grid."""

import pytest

from explainct.data.samples.resample import grid_spacing
from explainct.runtime.volume import Box


def test_grid_voxels_span_the_block():
    block = Box((3, 0, 5), (8, 11, 6))
    assert grid_spacing(block, (2.5, 0.7, 0.6), (9, 21, 2)) == pytest.approx((4 * 2.5 / 8, 10 * 0.7 / 20, 0.6))
