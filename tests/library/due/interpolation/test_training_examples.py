"""Training examples: all ways to hide a slice, with equal chances, in batches of equal pixels."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from slice_examples import lesion_of

from explainct.due.interpolation.training_examples import Examples


def growing(count: int, size: int = 16, name: str = "P0", pixel_mm: float = 0.8):
    """Return a lesion of different slices at uneven positions."""
    patches = np.zeros((count, size, size))
    for number in range(count):
        patches[number, 4:9, 2 : 4 + number] = 1
    return lesion_of(patches, np.cumsum(1 + np.arange(count) % 3), name, pixel_mm)


def brute_force(count: int, max_gap: int) -> set[tuple[int, ...]]:
    """Return (context..., hidden) of each example by its definition: two kept slices below and two above, or -1."""
    found = set()
    for every in range(2, max_gap + 1):
        for kept in ([*range(0, count, every)], [*range(count - 1, -1, -every)]):
            for hidden in set(range(count)) - set(kept):
                below = sorted(number for number in kept if number < hidden)
                above = sorted(number for number in kept if number > hidden)
                if below and above:
                    found.add((*([-1, *below][-2:]), *([*above, -1][:2]), hidden))
    return found


def described(batch, lesion) -> list[tuple[int, ...]]:
    """Return (context..., hidden) of the examples, found by their pixels."""

    def number(stack, patch):
        return int(np.flatnonzero((stack == patch).all((1, 2)))[0])

    return [
        (
            *(number(lesion.fields, field) if there else -1 for field, there in zip(fields, shown, strict=True)),
            number(lesion.patches, target),
        )
        for fields, shown, target in zip(
            batch.around.fields.numpy(), batch.around.shown.numpy(), batch.target.numpy(), strict=True
        )
    ]


@pytest.mark.parametrize(("count", "max_gap"), [(3, 2), (3, 9), (5, 4), (7, 3), (8, 4), (9, 20)])
def test_examples_are_what_brute_force_finds(count, max_gap):
    lesion = growing(count)
    examples = Examples([lesion], max_gap)
    expected = brute_force(count, max_gap)
    assert len(examples) == len(expected)
    batch = examples.batch(5 * len(expected), np.random.default_rng(0))
    found = described(batch, lesion)
    assert set(found) == expected
    assert max(context_slices[2] - context_slices[1] for context_slices in found) <= max_gap
    for row, (*context_slices, hidden) in enumerate(found):
        z = [lesion.z_mm[number] if number >= 0 else 0 for number in context_slices]
        assert batch.around.context_z[row].tolist() == z
        assert batch.around.z[row] == lesion.z_mm[hidden]
        assert not batch.around.fields[row][~batch.around.shown[row]].any()
    assert batch.around.pixel_mm.unique().tolist() == pytest.approx([0.8])


@given(counts=st.lists(st.integers(1, 9), max_size=5), max_gap=st.integers(2, 5))
def test_their_number_is_that_of_all_lesions(counts, max_gap):
    lesions = [growing(count, 16 + 8 * (number % 2)) for number, count in enumerate(counts)]
    examples = Examples(lesions, max_gap)
    assert len(examples) == sum(len(brute_force(count, max_gap)) for count in counts)
    assert examples.lesions == [lesion for lesion, count in zip(lesions, counts, strict=True) if count > 2]


def test_slices_of_different_lesions_are_not_mixed():
    one, other = growing(5), lesion_of(growing(6).patches.transpose(0, 2, 1)[::-1], range(6), "P1", 0.4)
    batch = Examples([one, other], 4).batch(50, np.random.default_rng(0))
    for lesion, pixel_mm, count in ((one, 0.8, 5), (other, 0.4, 6)):
        mine = torch.isclose(batch.around.pixel_mm, torch.tensor(pixel_mm))
        some = type(batch)(batch.target[mine], batch.around[mine])
        assert set(described(some, lesion)) == brute_force(count, 4)


def test_chances_of_examples_do_not_depend_on_their_size():
    lesions = [growing(4, 16, pixel_mm=1.0), growing(6, 32, pixel_mm=2.0), growing(9, 48, pixel_mm=3.0)]
    examples, random = Examples(lesions, 3), np.random.default_rng(0)
    drawn = Counter()
    for _ in range(2500):
        batch = examples.batch(4, random)
        drawn.update(batch.around.pixel_mm.tolist())
        assert len(batch.around.pixel_mm.unique()) == 1
    for number, count in enumerate((4, 6, 9)):
        share = len(brute_force(count, 3)) / len(examples)
        assert drawn[number + 1.0] / drawn.total() == pytest.approx(share, rel=0.12)


@pytest.mark.parametrize(("size", "expected"), [(16, 32), (24, 14), (32, 8), (40, 5), (48, 4), (112, 4)])
def test_batches_have_as_many_pixels(size, expected):
    batch = Examples([growing(3, size)], 4).batch(8, np.random.default_rng(0))
    assert batch.target.shape == (expected, size, size)
    assert batch.around.fields.shape == (expected, 4, size, size)


def test_batches_follow_from_the_generator(lesion):
    examples = Examples([lesion], max_gap=4)
    first, same, other = (described(examples.batch(8, np.random.default_rng(seed)), lesion) for seed in (1, 1, 2))
    assert first == same
    assert first != other


def test_short_lesions_teach_nothing(lesion):
    short = lesion_of(lesion.patches[:2], lesion.z_mm[:2])
    assert len(Examples([short], max_gap=4)) == 0
    assert Examples([short, lesion], max_gap=4).lesions == [lesion]
