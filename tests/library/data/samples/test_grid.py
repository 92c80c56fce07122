"""Geometry of the network's grid."""

import numpy as np
import pandas as pd
import pytest

from explainct.data.samples.resample import grid_spacing
from explainct.runtime.volume import Box


def test_grid_voxels_span_the_block():
    lesion = pd.Series({"spacing_z": 2.5, "spacing_y": 0.7, "spacing_x": 0.6, "scan_z_mm": 2.5 * np.arange(9)})
    spacing = grid_spacing(lesion, Box((3, 0, 5), (8, 11, 6)), (9, 21, 2))
    assert spacing == pytest.approx((4 * 2.5 / 8, 10 * 0.7 / 20, 0.6))


def test_grid_voxels_span_the_measured_slices():
    lesion = pd.Series({"spacing_z": 2.5, "spacing_y": 0.7, "spacing_x": 0.6, "scan_z_mm": [0.0, 2.4, 5.0, 7.5, 10.0]})
    assert grid_spacing(lesion, Box((1, 0, 0), (3, 2, 2)), (3, 2, 2))[0] == pytest.approx(2.6 / 2)
    assert grid_spacing(lesion, Box((1, 0, 0), (2, 2, 2)), (3, 2, 2))[0] == pytest.approx(2.5 / 2)
