"""RES's adaptive threshold against brute force over all thresholds that can differ."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from explainct.learning.losses.res_threshold import STEP, adaptive_threshold

CELLS = st.lists(st.tuples(st.integers(0, 6), st.sampled_from([-1, 0, 1])), min_size=1, max_size=25)


def satisfied(maps, sign, threshold, balanced):
    """Return how well a threshold parts the cells, by its definition."""
    above, below = (maps >= threshold)[sign > 0], (maps < threshold)[sign < 0]
    if balanced:
        return sum(float(np.mean(side)) for side in (above, below) if len(side))
    return int(above.sum() + below.sum())


@pytest.mark.parametrize("balanced", [True, False])
@settings(max_examples=150, deadline=None)
@given(cells=CELLS)
def test_no_threshold_parts_the_cells_better(balanced, cells):
    maps, sign = (np.array(values) for values in zip(*cells, strict=True))
    maps = maps / 6
    found = adaptive_threshold(torch.tensor(maps), torch.tensor(sign), balanced=balanced).item()
    if not sign.any():
        assert found == 0
        return
    values = np.unique(maps)
    everywhere = np.concatenate([values, (values[1:] + values[:-1]) / 2, [-1, 2]])
    best = max(satisfied(maps, sign, threshold, balanced) for threshold in everywhere)
    assert satisfied(maps, sign, found, balanced) == pytest.approx(best)


def test_counts_and_shares_can_ask_for_different_thresholds():
    maps = torch.tensor([0.1, 0.2, 0.3, 0.4, 0.5])
    sign = torch.tensor([1, -1, -1, -1, 1])
    # By count, 0.5 leaves one of five wrong; so does nothing else. By share, 0.1 and 0.5 lose as much or more.
    assert adaptive_threshold(maps, sign, balanced=False).item() == pytest.approx(0.5)
    assert adaptive_threshold(maps, torch.tensor([1, 1, 1, 1, -1]), balanced=False).item() == pytest.approx(0.1)
    assert adaptive_threshold(maps, torch.tensor([1, 1, -1, 1, -1]), balanced=True).item() == pytest.approx(0.1)


def test_one_kind_of_cells_alone_is_defined():
    maps = torch.tensor([0.7, 0.3, 0.9])
    assert adaptive_threshold(maps, torch.tensor([1, 1, 0]), balanced=True).item() == pytest.approx(0.3)
    assert adaptive_threshold(maps, torch.tensor([-1, -1, 0]), balanced=True).item() == pytest.approx(0.7 + STEP)


def test_the_threshold_has_no_gradient():
    maps = torch.rand(2, 3, 4, 4, requires_grad=True)
    assert not adaptive_threshold(maps, torch.ones(2, 3, 4, 4), balanced=False).requires_grad
