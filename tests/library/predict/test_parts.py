"""The parts of filling: measures, the self-test, and what lies beyond what the models have seen."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explainct.data.annotate.formats.outlines import Outlines
from explainct.predict.choose import fill_all
from explainct.predict.fill_lesions import Lesion, fill_by_distance
from explainct.predict.measure import DRAWS, LEVELS, Estimate, axes_mm, draw_levels, measure, size_band
from explainct.predict.seen import beyond_seen
from explainct.predict.self_test import hide_slices
from explainct.seeds import torch_generator

SLICES = np.array([0, 3, 6, 9])


def ball(k, size=40, radius=9.0):
    """Return the slice at height k of a ball whose middle slice is 4.5."""
    i, j = np.mgrid[:size, :size] - (size - 1) / 2
    return i**2 + j**2 < radius**2 - ((k - 4.5) * 1.2) ** 2


def lesion(pixel=0.7, step=1.5, masks=None, slices=SLICES):
    masks = np.stack([ball(k) for k in slices]) if masks is None else masks
    outlines = Outlines("L", slices, masks, (0, 0))
    z = np.arange(slices[-1] + 1) * step
    return Lesion(outlines, outlines.box, masks, z[slices], z, (pixel, pixel))


def shifted_filler(amount):
    """Return a filler that answers with the mean of the two context slices in the middle, to the power `amount`."""

    def fill(gaps, generator):
        import torch

        from explainct.due.interpolation.filling import Filled

        blends = [torch.from_numpy(gap.contexts[1:3].mean(0) ** amount) for gap in gaps]
        means = [blend.expand(len(gap.z), *blend.shape) for blend, gap in zip(blends, gaps, strict=True)]
        return [Filled(mean, mean * (1 - mean)) for mean in means]

    return fill


def filled(one, filler):
    return fill_all([one], filler, None, torch_generator(0, "test"))[0][0]


def test_hidden_slices_are_the_inner_outlined_ones_and_no_answer_sees_them():
    one = lesion()
    slices, _ = hide_slices([one], [one.hidden()], None, None)
    assert [hidden.slice for hidden in slices] == [3, 6]
    assert slices[0].gap_mm == pytest.approx(9.0)
    changed = one.known.copy()
    changed[1] = ball(3, radius=12)
    other = lesion(masks=changed)
    first, second = one.hidden()[0], other.hidden()[0]
    before, after = (fill_by_distance(which, gap, bias=0.0) for which, gap in ((one, first), (other, second)))
    assert np.array_equal(before, after)


def test_a_peer_is_asked_for_all_slices_of_the_gap_and_judged_on_the_hidden_one():
    asked = []

    def peer(kept, kept_mm, target_mm):
        asked.append(target_mm.tolist())
        return np.stack([ball(z / 1.5) for z in target_mm]).astype(float)

    one = lesion()
    slices, _ = hide_slices([one], [one.hidden()], None, peer)
    assert asked[0] == pytest.approx([1.5, 3.0, 4.5, 6.0, 7.5])
    assert [hidden.dice("itk") for hidden in slices] == [1.0, 1.0]


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (lesion(), None),
        (lesion(pixel=0.2), "size of a pixel 0.20 mm"),
        (lesion(step=5.0), "distance between annotated slices 15.00 mm"),
        (lesion(masks=np.stack([ball(k, 140, 64) for k in SLICES])), "extent in the slices 89.60 mm"),
    ],
)
def test_sizes_that_the_models_have_not_seen_are_named(one, words):
    flags = beyond_seen(one)
    assert any(words in flag for flag in flags) if words else flags == []


def test_beyond_what_was_seen_the_better_method_on_hidden_slices_fills():
    far = lesion(step=5.0)
    assert filled(far, shifted_filler(9)).method == "sdf"
    gone = np.stack([ball(0), ball(3) & False, ball(6) & False, ball(9)])
    gone[1:3] = ball(0, radius=14)
    assert filled(lesion(step=5.0, masks=gone[[0, 3]], slices=np.array([0, 9])), shifted_filler(1)).method == "sdf"
    assert filled(lesion(), shifted_filler(9)).method == "ours"
    # Outlines that do not change: the blend of the two is exact, which signed distances with a bias are not.
    same = lesion(step=5.0, masks=np.stack([ball(4.5)] * 4))
    result = filled(same, shifted_filler(1))
    assert result.method in ("ours", "sdf")
    assert all(one.dice(result.method) >= one.dice("ours") for one in result.hidden)


def test_outlined_slices_stay_and_uncertain_slices_come_first():
    result = filled(lesion(), shifted_filler(1))
    assert np.array_equal(result.probability[SLICES], lesion().known.astype(np.float32))
    assert not result.variance[SLICES].any()
    slices = result.uncertain_slices()
    assert sorted(k for k, _ in slices) == [1, 2, 4, 5, 7, 8]
    assert [score for _, score in slices] == sorted((score for _, score in slices), reverse=True)


@given(st.integers(0, 10**6))
def test_axes_are_those_of_all_corners(seed):
    mask = np.random.default_rng(seed).random((7, 9)) > 0.6
    if not mask.any():
        return
    corners = np.concatenate([np.argwhere(mask) + np.array([a, b]) for a in (-0.5, 0.5) for b in (-0.5, 0.5)]) * [
        0.9,
        0.6,
    ]
    longest = np.linalg.norm(corners[:, None] - corners[None], axis=2).max()
    long, short = axes_mm(mask, (0.9, 0.6))
    assert long == pytest.approx(longest)
    assert 0 < short <= long + 1e-9


def test_measures_of_a_ball_and_their_interval():
    probability = np.stack([ball(k) for k in range(10)]).astype(np.float32)
    generator = np.random.default_rng(0)
    sure = measure(probability, SLICES, first=5, spacing=(1.5, 0.7, 0.7), with_interval=True, generator=generator)
    assert sure.volume_mm3.low == sure.volume_mm3.high == pytest.approx(sure.volume_mm3.value)
    assert sure.volume_mm3.value == pytest.approx(probability.sum() * 1.5 * 0.7 * 0.7)
    assert sure.slice in (9, 10)
    probability[[1, 2, 4, 5, 7, 8]] *= 0.5
    doubted = measure(probability, SLICES, first=5, spacing=(1.5, 0.7, 0.7), with_interval=True, generator=generator)
    assert doubted.volume_mm3.low < doubted.volume_mm3.high
    outlined = probability[SLICES].sum() * 1.5 * 0.7 * 0.7
    assert doubted.volume_mm3.low == pytest.approx(outlined)


def test_levels_are_even_and_go_together():
    levels = draw_levels(3, np.random.default_rng(0))
    assert levels.shape == (DRAWS, 3)
    counts = np.bincount(levels.ravel(), minlength=LEVELS)
    assert counts.min() > 0.7 * counts.mean()
    assert np.corrcoef(levels.T)[0, 1] > 0.7


@pytest.mark.parametrize(
    ("estimate", "band"),
    [
        (Estimate(5.9), "below 6 mm"),
        (Estimate(6.0), "6 to 8 mm"),
        (Estimate(20.0, 16.0, 22.0), "15 mm or more"),
        (Estimate(7.9, 7.5, 8.1), "uncertain"),
    ],
)
def test_size_bands(estimate, band):
    assert size_band(estimate, (6, 8, 15), "mm") == band
