"""The flat list of missing slices and its padded form hold the same values."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from due.interpolate.targets import Targets, padded, slots


@given(st.lists(st.integers(1, 4), min_size=1, max_size=6))
def test_padding_gathers_each_gap_in_its_own_row(lengths):
    gap = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    values = torch.arange(1, 1 + 2 * len(gap)).reshape(-1, 2)
    place, taken = slots(gap, len(lengths))
    result = padded(values, gap, len(lengths))
    assert result.shape == (len(lengths), max(lengths), 2)
    assert taken.sum(1).tolist() == lengths
    for row, part in enumerate(values.split(lengths)):
        assert result[row, : len(part)].tolist() == part.tolist()
        assert not result[row, len(part) :].any()
    assert torch.equal(result[gap, place], values)


def test_positions_are_counted_from_the_lower_context():
    targets = Targets(
        contexts=torch.zeros(2, 2, 4, 4),
        gap_mm=torch.tensor([4.0, 10.0]),
        pixel_mm=torch.ones(2),
        gap=torch.tensor([0, 1, 1]),
        t=torch.tensor([0.5, 0.25, 0.75]),
    )
    assert targets.context_z.tolist() == [[0.0, 4.0], [0.0, 10.0]]
    assert targets.z.tolist() == [2.0, 2.5, 7.5]
