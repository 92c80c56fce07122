"""Gaps: the four context slices around them, positions, what is hidden, and what is known of each target slice."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from slice_examples import disc, lesion_of

from explainct.due.interpolation.gaps import ABOVE, BELOW, by_size, gap_between, hold_out_gaps, surroundings


def numbers_of(patches, lesion) -> list[int]:
    """Return which slices of the lesion these are."""
    return [int(np.flatnonzero((lesion.patches == patch).all((1, 2)))[0]) for patch in patches]


def test_every_second_slice_is_kept_with_the_next_ones_around(lesion):
    gaps = hold_out_gaps([lesion], 2)
    expected = [[-1, 0, 2, 4], [0, 2, 4, 6], [2, 4, 6, -1]]
    for gap, context_slices, hidden in zip(gaps, expected, [1, 3, 5], strict=True):
        for place, number in enumerate(context_slices):
            assert gap.shown[place] == (number >= 0)
            patch, field, z = (
                (lesion.patches[number], lesion.fields[number], lesion.z_mm[number]) if number >= 0 else (0, 0, 0)
            )
            assert (gap.contexts[place] == patch).all()
            assert (gap.fields[place] == field).all()
            assert gap.context_z[place] == z
        assert numbers_of(gap.truth, lesion) == [hidden]
        assert gap.z.tolist() == [lesion.z_mm[hidden]]


def test_every_third_slice_is_kept(lesion):
    gaps = hold_out_gaps([lesion], 3)
    assert [numbers_of(gap.contexts[gap.shown], lesion) for gap in gaps] == [[0, 3, 6], [0, 3, 6]]
    assert [gap.shown.tolist() for gap in gaps] == [[False, True, True, True], [True, True, True, False]]
    assert [numbers_of(gap.truth, lesion) for gap in gaps] == [[1, 2], [4, 5]]
    np.testing.assert_allclose(gaps[0].t, [1 / 4, 3 / 4])
    np.testing.assert_allclose(gaps[1].t, [2 / 5, 3 / 5])
    assert gaps[0].pixel_mm == lesion.pixel_mm
    assert (gaps[0].lesion_id, gaps[0].size) == (lesion.lesion_id, 16)


@given(count=st.integers(0, 20), every=st.integers(2, 6), seed=st.integers(0, 99))
def test_gaps_hide_whole_runs_strictly_inside(count, every, seed):
    z = np.cumsum(np.random.default_rng(seed).uniform(0.5, 3, count))
    patches = np.broadcast_to(np.arange(count, dtype=np.float32)[:, None, None] / 100, (count, 4, 4))
    gaps = hold_out_gaps([lesion_of(patches, z)] if count else [], every)
    assert len(gaps) == max(count - 1, 0) // every
    for gap in gaps:
        assert gap.t.shape == (every - 1,)
        assert gap.truth.shape == (every - 1, 4, 4)
        assert (np.diff(gap.t) > 0).all()
        assert 0 < gap.t[0] <= gap.t[-1] < 1
        assert gap.shown[[BELOW, ABOVE]].all()
        assert (np.diff(gap.context_z[gap.shown]) > 0).all()
        assert not gap.contexts[~gap.shown].any()
        assert not gap.context_z[~gap.shown].any()


def test_upside_down_lesions_have_upside_down_gaps(lesion):
    turned = lesion_of(lesion.patches[::-1], -lesion.z_mm[::-1])
    for gap, other in zip(hold_out_gaps([lesion], 3), hold_out_gaps([turned], 3)[::-1], strict=True):
        np.testing.assert_array_equal(gap.contexts, other.contexts[::-1])
        np.testing.assert_array_equal(gap.fields, other.fields[::-1])
        np.testing.assert_array_equal(gap.shown, other.shown[::-1])
        np.testing.assert_array_equal(gap.context_z, -other.context_z[::-1])
        np.testing.assert_allclose(gap.t, 1 - other.t[::-1])


def test_slices_between_any_kept_ones_can_be_wanted(lesion):
    gap = gap_between(lesion, [0, 1, 5], 1, np.array([2.0, 5.0]))
    assert numbers_of(gap.contexts[gap.shown], lesion) == [0, 1, 5]
    assert gap.shown.tolist() == [True, True, True, False]
    assert gap.truth is None
    np.testing.assert_allclose(gap.t, [1 / 6, 4 / 6])


def test_surroundings_have_a_row_per_wanted_slice(lesion):
    gaps = [*hold_out_gaps([lesion], 3), *hold_out_gaps([lesion_of(lesion.patches[::-1], lesion.z_mm, "P1", 0.5)], 2)]
    around = surroundings(gaps)
    assert len(around) == 2 + 2 + 3
    owners = [gap for gap in gaps for _ in gap.z]
    assert around.z.tolist() == [z for gap in gaps for z in gap.z]
    for row, gap in enumerate(owners):
        np.testing.assert_array_equal(around.fields[row], gap.fields)
        np.testing.assert_array_equal(around.disagreement[row], gap.disagreement)
        assert around.context_z[row].tolist() == gap.context_z.tolist()
        assert around.shown[row].tolist() == gap.shown.tolist()
        assert around.pixel_mm[row].item() == pytest.approx(gap.pixel_mm)
    assert {name: value.dtype for name, value in vars(around).items()} == {
        **dict.fromkeys(["fields", "disagreement", "context_z", "z", "pixel_mm"], torch.float32),
        "shown": torch.bool,
    }
    some = around[torch.tensor([6, 0])]
    assert some.z.tolist() == [around.z[6], around.z[0]]
    assert torch.equal(some.fields, around.fields[[6, 0]])


def test_gaps_are_sorted_by_the_size_of_their_patches(lesion):
    large = lesion_of([disc(3 + n, (11, 11), 24) for n in range(3)], [0, 1, 2])
    gaps = [*hold_out_gaps([large], 2), *hold_out_gaps([lesion], 3), *hold_out_gaps([large], 2)]
    assert list(by_size(gaps).items()) == [(16, [1, 2]), (24, [0, 3])]
    assert by_size([]) == {}
