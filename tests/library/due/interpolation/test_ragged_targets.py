"""The flat list of target slices and its padded form hold the same values."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from explainct.due.interpolation.ragged_targets import padded, places_of


@given(st.lists(st.integers(1, 4), min_size=1, max_size=6))
def test_padding_gathers_each_gap_in_its_own_row(lengths):
    gap = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    values = torch.arange(1, 1 + 2 * len(gap)).reshape(-1, 2)
    place, taken = places_of(gap, len(lengths))
    result = padded(values, gap, len(lengths))
    assert result.shape == (len(lengths), max(lengths), 2)
    assert taken.sum(1).tolist() == lengths
    for row, part in enumerate(values.split(lengths)):
        assert result[row, : len(part)].tolist() == part.tolist()
        assert not result[row, len(part) :].any()
    assert torch.equal(result[gap, place], values)
