"""The eight orientations of the square: all differ, all are undone, all are drawn."""

from collections import Counter

import numpy as np
import pytest
import torch
from slice_examples import generator

from explainct.due.interpolation.orientations import ORIENTATIONS, turned, turned_at_random, turned_back

PATCHES = torch.arange(2 * 3 * 4 * 4.0).reshape(2, 3, 4, 4)


@pytest.mark.parametrize("number", range(ORIENTATIONS))
def test_turning_back_undoes_turning(number):
    assert torch.equal(turned_back(turned(PATCHES, number), number), PATCHES)
    assert torch.equal(turned(turned_back(PATCHES, number), number), PATCHES)


def test_they_are_the_eight_orientations():
    patch = PATCHES[0, 0].numpy()
    expected = {np.rot90(one, quarter).tobytes() for one in (patch, patch.T) for quarter in range(4)}
    assert {turned(PATCHES[0, 0], number).numpy().tobytes() for number in range(ORIENTATIONS)} == expected
    assert len(expected) == 8


def test_examples_are_turned_one_by_one_with_equal_chances():
    planes = PATCHES[:1].expand(4000, -1, -1, -1)
    result = turned_at_random(planes, generator())
    numbers = []
    for example in result:
        same = [number for number in range(ORIENTATIONS) if torch.equal(example, turned(PATCHES[0], number))]
        numbers += same
        assert len(same) == 1
    counts = Counter(numbers)
    assert sorted(counts) == list(range(ORIENTATIONS))
    # Five standard deviations.
    assert max(abs(count - 500) for count in counts.values()) < 5 * np.sqrt(4000 / 8 * 7 / 8)
    assert torch.equal(result, turned_at_random(planes, generator()))
