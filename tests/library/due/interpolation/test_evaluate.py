"""Scores of the interpolator: whose slices, and that the numbers are what they say."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import spearmanr
from sklearn.metrics import brier_score_loss, f1_score
from slice_examples import Known, disc, lesion_of, shown_nearest

from explainct.due.interpolation import evaluate
from explainct.due.interpolation.evaluate import brier, dice, evaluate_interpolator, region_of, score_gaps
from explainct.due.interpolation.gaps import hold_out_gaps
from explainct.due.interpolation.model_file import save_model


@pytest.fixture
def record(dataset, settings, interpolator, tmp_path):
    def call(**changes) -> dict:
        save_model(interpolator, tmp_path / "model.pt")
        arguments = {**dataset.paths, "settings": settings, "seed": 0, "device": "cpu", "threads": 1}
        out = tmp_path / "metrics.json"
        evaluate_interpolator(**{**arguments, **changes}, model_file=tmp_path / "model.pt", out_file=out)
        return json.loads(out.read_text())

    return call


@pytest.mark.parametrize("filling", ["direct", "autoregressive"])
def test_hidden_slices_of_validation_patients_are_scored(record, settings, monkeypatch, filling):
    seen = []
    monkeypatch.setattr(evaluate, "hold_out_gaps", lambda patches, every: seen.extend(patches) or GAPS(patches, every))
    result = record(settings=settings | {"filling": filling})
    assert [lesion.patient_id for lesion in seen] == ["P2"]
    assert (result["gaps"], result["slices"], result["lesions"]) == (3, 3, 1)
    methods = {"diffusion", "nearest", "linear", "signed_distance"}
    assert set(result["dice"]) == set(result["brier"]) == methods
    # An ellipsoid is easy for the signed distance, and an untrained network knows nothing.
    assert result["dice"]["signed_distance"] > 0.9
    assert result["dice"]["signed_distance"] > result["dice"]["diffusion"]
    assert result["brier"]["signed_distance"] < result["brier"]["diffusion"]
    assert result == record(settings=settings | {"filling": filling})


GAPS = evaluate.hold_out_gaps


def test_at_most_so_many_gaps(record, monkeypatch):
    monkeypatch.setattr(evaluate, "MOST_GAPS", 2)
    assert record()["gaps"] == 2


def test_nothing_to_score_is_said(record, make_dataset):
    assert record(**make_dataset(splits=("train", "test")).paths) == {"gaps": 0, "slices": 0, "lesions": 0}
    assert record(**make_dataset(slices=2).paths) == {"gaps": 0, "slices": 0, "lesions": 0}


def full_gap(wanted: int):
    """Return a gap between slices that are all inside, whose target slices are random."""
    truth = (np.random.default_rng(0).random((wanted, 16, 16)) > 0.5).astype(np.float32)
    full = np.ones((1, 16, 16))
    lesion = lesion_of([*full, *truth, *full], np.arange(wanted + 2))
    return hold_out_gaps([lesion], wanted + 1)[0]


def test_scores_follow_from_the_draws(interpolator, monkeypatch, settings):
    draws = torch.rand(5, 2, 16, 16, generator=torch.Generator().manual_seed(0))
    gap = full_gap(2)
    monkeypatch.setattr(evaluate, "draw_gaps", lambda *_: [draws])
    result = score_gaps(interpolator, [gap], settings, 0)
    mean, truth = draws.numpy().mean(0), gap.truth
    assert result["brier"]["diffusion"] == pytest.approx(((mean - truth) ** 2).mean(), abs=1e-5)
    assert result["dice"]["diffusion"] == pytest.approx(
        np.mean([f1_score(a.ravel(), b.ravel() >= 0.5) for a, b in zip(truth, mean, strict=True)]), abs=1e-5
    )
    expected = spearmanr(draws.numpy().var(0).ravel(), ((mean - truth) ** 2).ravel()).statistic
    assert result["variance_error_spearman"] == pytest.approx(expected, abs=1e-5)


def test_gaps_of_all_sizes_count_slice_by_slice(interpolator, settings):
    interpolator.network = Known(shown_nearest)
    lesions = [lesion_of([disc(3 + n, (9, 9), size) for n in range(5)], [0, 1, 3, 4, 6]) for size in (16, 24)]
    gaps = [*hold_out_gaps(lesions, 2), *hold_out_gaps(lesions[:1], 3)]
    result = score_gaps(interpolator, gaps, settings, 0)
    # The oracle copies the nearer slice, as one classical method does.
    assert result["dice"]["diffusion"] == result["dice"]["nearest"]
    assert result["brier"]["diffusion"] == result["brier"]["nearest"]
    assert result["variance_error_spearman"] is None
    expected = [np.mean([2 * (a & b).sum() / (a.sum() + b.sum())]) for a, b in nearest_pairs(gaps)]
    assert result["dice"]["nearest"] == pytest.approx(np.mean(expected), abs=1e-5)


def nearest_pairs(gaps):
    """Return the nearer context and the truth of each target slice."""
    for gap in gaps:
        for t, truth in zip(gap.t, gap.truth, strict=True):
            yield gap.contexts[1 if t <= 0.5 else 2] > 0, truth > 0


def test_constant_variance_has_no_rank_correlation(interpolator, monkeypatch, settings):
    monkeypatch.setattr(evaluate, "draw_gaps", lambda *_: [torch.ones(3, 1, 16, 16)])
    assert score_gaps(interpolator, [full_gap(1)], settings, 0)["variance_error_spearman"] is None


slices = arrays(np.float64, (3, 5, 5), elements=st.floats(0, 1, width=16))


@given(predicted=slices, truth=slices)
def test_dice_equals_f1(predicted, truth):
    for value, a, b in zip(dice(predicted, truth), predicted.reshape(3, -1), truth.reshape(3, -1), strict=True):
        assert value == pytest.approx(f1_score(b >= 0.5, a >= 0.5, zero_division=1.0))


@given(predicted=slices, truth=slices)
def test_brier_equals_scikit_learns_within_the_region(predicted, truth):
    region = np.zeros((3, 5, 5), bool)
    region[:, 1:4, :3] = True
    for value, a, b, inside in zip(brier(predicted, truth >= 0.5, region), predicted, truth, region, strict=True):
        assert value == pytest.approx(brier_score_loss(b[inside] >= 0.5, a[inside], pos_label=True))


def test_region_is_near_the_contexts():
    contexts = np.zeros((2, 11, 11))
    assert region_of(contexts).all()
    contexts[1, 5, 5] = 1
    i, j = np.indices((11, 11)) - 5
    assert np.array_equal(region_of(contexts), i**2 + j**2 <= 9)
