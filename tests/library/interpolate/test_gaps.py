"""Gaps: positions, what is hidden, and how examples are drawn."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from due.interpolate.frames import LesionFrames
from due.interpolate.gaps import GapDataset, augment, hold_out_gaps


def numbers_of(frames: np.ndarray) -> list[int]:
    """Return which slices of the fixture `lesion` these are."""
    return [round(10 * float(frame.mean())) for frame in frames]


def test_every_third_slice_is_kept(lesion):
    gaps = hold_out_gaps([lesion], 3)
    assert [numbers_of(gap.contexts) for gap in gaps] == [[0, 3], [3, 6]]
    assert [numbers_of(gap.truth) for gap in gaps] == [[1, 2], [4, 5]]
    assert [gap.gap_mm for gap in gaps] == [4, 5]
    np.testing.assert_allclose(gaps[0].t, [1 / 4, 3 / 4])
    np.testing.assert_allclose(gaps[1].t, [2 / 5, 3 / 5])
    assert gaps[0].pixel_mm == lesion.pixel_mm


@given(count=st.integers(0, 20), every=st.integers(2, 6), seed=st.integers(0, 99))
def test_gaps_hide_whole_runs_strictly_inside(count, every, seed):
    z = np.cumsum(np.random.default_rng(seed).uniform(0.5, 3, count))
    frames = np.broadcast_to(np.arange(count, dtype=np.float32)[:, None, None] / 100, (count, 4, 4))
    gaps = hold_out_gaps([LesionFrames("a", frames, z, 1.0, "p")], every)
    assert len(gaps) == max(count - 1, 0) // every
    for gap in gaps:
        assert gap.t.shape == (every - 1,)
        assert gap.truth.shape == (every - 1, 4, 4)
        assert gap.gap_mm > 0
        assert (np.diff(gap.t) > 0).all()
        assert gap.t[0] > 0
        assert gap.t[-1] < 1


def test_examples_are_slices_between_at_their_place(lesion):
    batch = GapDataset([lesion], max_gap=4).batch(200, np.random.default_rng(0))
    seen = set()
    for target, contexts, t, gap_mm in zip(*(tensor.numpy() for tensor in batch[:4]), strict=True):
        below, above = numbers_of(contexts)
        middle = numbers_of(target[None])[0]
        assert min(below, above) < middle < max(below, above)
        assert abs(above - below) <= 4
        z = lesion.z_mm
        assert t == pytest.approx((z[middle] - z[below]) / (z[above] - z[below]))
        assert gap_mm == pytest.approx(abs(z[above] - z[below]))
        seen.add((below, middle, above))
    triplets = {(i, j, k) for i in range(7) for k in range(i + 2, min(i + 5, 7)) for j in range(i + 1, k)}
    assert seen <= triplets | {triplet[::-1] for triplet in triplets}
    assert any(below > above for below, _, above in seen)
    assert any(below < above for below, _, above in seen)
    assert len(GapDataset([lesion], max_gap=4)) == len(triplets)


def test_batches_follow_from_the_generator(lesion):
    gaps = GapDataset([lesion], max_gap=4)
    first, same, other = (gaps.batch(8, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, same, strict=True))
    assert not np.array_equal(first.t, other.t)


def test_patients_have_equal_chances(lesion):
    many = [replace(lesion, lesion_id=f"a{number}", pixel_mm=1.0) for number in range(9)]
    one = replace(lesion, patient_id="P1", pixel_mm=2.0)
    batch = GapDataset([*many, one], max_gap=4).batch(600, np.random.default_rng(0))
    share = Counter(batch.pixel_mm.tolist())[2.0] / 600
    assert 0.42 < share < 0.58


def test_short_lesions_teach_nothing(lesion):
    short = replace(lesion, frames=lesion.frames[:2], z_mm=lesion.z_mm[:2])
    assert len(GapDataset([short], max_gap=4)) == 0
    assert GapDataset([short, lesion], max_gap=4).lesions == [lesion]


def test_augmentation_reaches_all_orientations_and_keeps_slices_together():
    generator = np.random.default_rng(0)
    target = np.arange(9.0).reshape(3, 3)
    seen = set()
    for _ in range(200):
        turned, contexts = augment(target, np.stack([target, target + 9]), generator)
        assert np.array_equal(contexts, [turned, turned + 9])
        seen.add(turned.tobytes())
    orientations = {np.rot90(m, k).tobytes() for m in (target, target.T) for k in range(4)}
    assert seen == orientations
