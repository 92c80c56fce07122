"""Filling gaps: their order, their batches, and what each slice is drawn from."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from slice_examples import Known, disc, exactly, generator, hook, lesion_of, shown_nearest

from explainct.due.interpolation.classical import clipped_field
from explainct.due.interpolation.filling import draw_gaps, expect_gaps
from explainct.due.interpolation.gaps import hold_out_gaps, surroundings


def lesion_of_size(size: int, name: str, count: int = 7):
    patches = [disc(2 + 0.5 * n, (7, 7), size) for n in range(count)]
    return lesion_of(patches, np.arange(count) * 1.5, name)


def mixed_gaps():
    lesions = [lesion_of_size(24, "A"), lesion_of_size(16, "B"), lesion_of_size(24, "C"), lesion_of_size(16, "D")]
    gaps = [gap for lesion in lesions for gap in hold_out_gaps([lesion], 3)]
    return [*gaps, *hold_out_gaps(lesions[:2], 2)]


@pytest.mark.parametrize("filling", ["direct", "autoregressive"])
def test_gaps_keep_their_order_across_sizes(interpolator, settings, filling):
    interpolator.network = Known(shown_nearest)
    gaps = mixed_gaps()
    filled = draw_gaps(interpolator, gaps, settings | {"filling": filling}, generator())
    means = expect_gaps(interpolator, gaps, generator())
    assert len(filled) == len(means) == len(gaps)
    for gap, drawn, mean in zip(gaps, filled, means, strict=True):
        assert drawn.shape == (2, len(gap.z), gap.size, gap.size)
        assert mean.shape == (len(gap.z), gap.size, gap.size)
        below, above = gap.contexts[[1, 2]]
        if len(gap.z) == 2:
            np.testing.assert_array_equal(mean, [below, above])
        for one in drawn:
            np.testing.assert_array_equal(one[0], mean[0])
            # One after another, the second slice is as near to the first one as to the one above, which is larger.
            np.testing.assert_array_equal(one, mean)


@pytest.mark.parametrize("filling", ["direct", "autoregressive"])
def test_draws_are_zero_or_one_and_follow_from_the_seed(interpolator, settings, filling):
    gaps, options = mixed_gaps()[:3], settings | {"filling": filling, "draws": 3}
    first, same, other = (draw_gaps(interpolator, gaps, options, generator(seed)) for seed in (1, 1, 2))
    for gap, a, b, c in zip(gaps, first, same, other, strict=True):
        assert a.shape == (3, len(gap.z), gap.size, gap.size)
        assert set(a.unique().tolist()) == {0, 1}
        assert torch.equal(a, b)
        assert not torch.equal(a, c)


def test_direct_and_autoregressive_differ(interpolator, settings):
    gaps = mixed_gaps()[:2]
    direct, other = (
        draw_gaps(interpolator, gaps, settings | {"filling": name}, generator())
        for name in ("direct", "autoregressive")
    )
    assert all(not torch.equal(a, b) for a, b in zip(direct, other, strict=True))


def test_direct_filling_takes_all_gaps_of_a_size_at_once(interpolator, settings, monkeypatch):
    calls = []
    sample = interpolator.sample
    monkeypatch.setattr(
        interpolator, "sample", lambda around, **chain: calls.append((around, chain)) or sample(around, **chain)
    )
    gaps = mixed_gaps()
    draw_gaps(interpolator, gaps, settings, generator())
    assert [(len(around), around.fields.shape[-1]) for around, _ in calls] == [(11, 16), (11, 24)]
    assert all((chain["draws"], chain["steps"]) == (2, 3) for _, chain in calls)
    expected = surroundings([gap for gap in gaps if gap.size == 16])
    assert all(torch.equal(getattr(calls[0][0], name), value) for name, value in vars(expected).items())


def test_autoregressive_filling_goes_on_from_the_last_slice(interpolator, settings, monkeypatch):
    calls, drawn = [], [hook(), disc(3, (4, 9)), disc(5)]

    def sample(around, *, draws, steps, generator):
        calls.append(around)
        assert (draws, steps) == (1, 3)
        # The draws differ.
        return torch.from_numpy(np.stack([drawn[len(calls) - 1], drawn[len(calls) - 1].T]))[None]

    monkeypatch.setattr(interpolator, "sample", sample)
    gap = hold_out_gaps([lesion_of_size(16, "A", 13)], 4)[1]
    (filled,) = draw_gaps(interpolator, [gap], settings | {"filling": "autoregressive"}, generator())
    assert torch.equal(filled, torch.from_numpy(np.stack([np.stack(drawn), np.stack([one.T for one in drawn])])))
    for number, around in enumerate(calls):
        assert around.z.tolist() == [gap.z[number]] * 2
        assert around.shown.all()
        for draw in (0, 1):
            own = [one.T if draw else one for one in drawn]
            known = [*gap.fields[:2], *(clipped_field(one) for one in own)][number : number + 2]
            np.testing.assert_array_equal(around.fields[draw], [*known, *gap.fields[2:]])
            z = [*gap.context_z[:2], *gap.z][number : number + 2]
            assert around.context_z[draw].tolist() == [*z, *gap.context_z[2:]]


def test_a_slot_that_was_missing_below_is_filled_by_the_lowest_slice(interpolator, settings, monkeypatch):
    shown = []
    interpolator.network = Known(shown_nearest)
    sample = interpolator.sample
    monkeypatch.setattr(
        interpolator,
        "sample",
        lambda around, **chain: shown.append(around.shown[0].tolist()) or sample(around, **chain),
    )
    gap = hold_out_gaps([lesion_of_size(16, "A", 4)], 3)[0]
    draw_gaps(interpolator, [gap], settings | {"filling": "autoregressive"}, generator())
    assert shown == [[False, True, True, False], [True, True, True, False]]


def test_the_expectation_of_the_draws_is_the_mean_of_many(interpolator, settings):
    interpolator.network = Known(exactly(0.3))
    gaps = mixed_gaps()[:3]
    many = draw_gaps(interpolator, gaps, settings | {"draws": 240}, generator())
    for mean, draws in zip(expect_gaps(interpolator, gaps, generator()), many, strict=True):
        np.testing.assert_allclose(mean, 0.3, atol=1e-6)
        assert draws.mean().item() == pytest.approx(0.3, abs=0.01)
        # Five standard deviations, in every pixel.
        assert (draws.mean(0) - mean).abs().max() < 5 * np.sqrt(0.21 / 240)


def test_the_truth_is_not_looked_at(interpolator, settings):
    gaps = mixed_gaps()[:3]
    blind = [replace(gap, truth=None, contexts=np.full_like(gap.contexts, np.nan)) for gap in gaps]
    for filling in ("direct", "autoregressive"):
        pairs = (draw_gaps(interpolator, some, settings | {"filling": filling}, generator()) for some in (gaps, blind))
        assert all(torch.equal(a, b) for a, b in zip(*pairs, strict=True))


def test_no_gaps_are_filled_with_nothing(interpolator, settings):
    assert draw_gaps(interpolator, [], settings, generator()) == []
    assert draw_gaps(interpolator, [], settings | {"filling": "autoregressive"}, generator()) == []
    assert expect_gaps(interpolator, [], generator()) == []
