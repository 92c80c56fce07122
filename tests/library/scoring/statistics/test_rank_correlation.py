"""Rank correlations and their intervals, next to scipy and to ranks taken anew."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from explainct.due.interpolation_study.slice_uncertainty import slice_score
from explainct.errors import UserError
from explainct.scoring.metrics.calibration import reliability, risk_area, risk_coverage
from explainct.scoring.statistics.bootstrap import patient_interval
from explainct.scoring.statistics.rank_correlation import rank_correlation, rank_gain
from explainct.seeds import numpy_generator

FEW = 250


def slices_of_patients(count=60, people=12):
    generator = np.random.default_rng(5)
    error = generator.random(count)
    score = np.round(error + generator.normal(0, 0.5, count), 1)  # with ties
    reference = np.round(generator.normal(0, 1, count) + error, 1)
    return score, reference, error, np.array([f"P{n}" for n in generator.integers(0, people, count)])


def drawn_slices(patients, seed):
    """Draws of patients as lists of slices, the slow way."""
    names = np.unique(patients)
    generator = numpy_generator(seed, "bootstrap")
    for counts in generator.multinomial(len(names), np.full(len(names), 1 / len(names)), size=FEW):
        yield np.concatenate([np.tile(np.flatnonzero(patients == n), c) for n, c in zip(names, counts, strict=True)])


def test_intervals_of_correlations_are_those_of_ranks_taken_anew(monkeypatch):
    monkeypatch.setattr("explainct.scoring.statistics.rank_correlation.DRAWS", FEW)
    score, reference, error, patients = slices_of_patients()
    drawn = [part.astype(int) for part in drawn_slices(patients, 3)]
    own = np.array([spearmanr(score[part], error[part]).statistic for part in drawn])
    other = np.array([spearmanr(reference[part], error[part]).statistic for part in drawn])
    point, other_point = spearmanr(score, error).statistic, spearmanr(reference, error).statistic
    expected = (point, *np.percentile(own, [2.5, 97.5]))
    assert rank_correlation(score, error, patients, seed=3) == pytest.approx(expected)
    expected = (point - other_point, *np.percentile(own - other, [2.5, 97.5]))
    assert rank_gain(score, reference, error, patients, seed=3) == pytest.approx(expected)


def test_draws_are_those_of_other_intervals():
    """In patient a, score and error agree, in b they do not: the correlation tells how often each was drawn."""
    patients = np.repeat(["a", "b"], 2)
    score, error = np.array([0.0, 1.0, 0.0, 1.0]), np.array([0.0, 1.0, 1.0, 0.0])
    drawn = patient_interval(np.array([1.0, 1.0, -1.0, -1.0]), patients, seed=1)
    assert rank_correlation(score, error, patients, seed=1) == pytest.approx(drawn)


def test_perfect_and_useless_scores():
    _, _, error, patients = slices_of_patients(400, 50)
    assert rank_correlation(error, error, patients, seed=0) == pytest.approx((1, 1, 1))
    assert rank_correlation(-error, error, patients, seed=0) == pytest.approx((-1, -1, -1))
    noise = np.random.default_rng(1).random(400)
    known = rank_correlation(noise, error, patients, seed=0)
    assert known.low < 0 < known.high
    gain = rank_gain(error, noise, error, patients, seed=0)
    assert gain.low > 0.8
    assert rank_gain(noise, noise, error, patients, seed=0) == (0, 0, 0)


@settings(max_examples=20, deadline=None)
@given(st.randoms(use_true_random=False))
def test_order_of_slices_and_scale_of_scores_do_not_matter(random):
    score, reference, error, patients = slices_of_patients()
    known = rank_gain(score, reference, error, patients, seed=0)
    order = random.sample(range(len(score)), len(score))
    shuffled = rank_gain(score[order], reference[order], error[order], patients[order], seed=0)
    assert shuffled == pytest.approx(known)
    assert rank_gain(np.exp(3 * score), reference**3, np.sqrt(error), patients, seed=0) == pytest.approx(known)


def test_a_constant_has_no_rank():
    score, _, error, patients = slices_of_patients()
    assert np.isnan(rank_correlation(np.zeros(60), error, patients, seed=0)).all()
    assert np.isnan(rank_gain(score, np.zeros(60), error, patients, seed=0)).all()
    # Of two patients of one slice each, half of the draws hold one patient only.
    few = rank_correlation(np.array([1.0, 2.0]), np.array([1.0, 2.0]), np.array(["a", "b"]), seed=0)
    assert few == (1, 1, 1)


def test_what_has_no_pair_is_refused():
    score, reference, error, patients = slices_of_patients()
    with pytest.raises(UserError, match="equal lengths"):
        rank_correlation(score[:-1], error, patients, seed=0)
    with pytest.raises(UserError, match="equal lengths"):
        rank_gain(score, reference, error, patients[:-1], seed=0)
    with pytest.raises(UserError, match="1 values that are not finite"):
        rank_correlation(np.where(np.arange(60) == 3, np.nan, score), error, patients, seed=0)
    with pytest.raises(UserError, match="above 0"):
        risk_coverage(np.zeros(0), np.zeros(0, dtype=bool))
    with pytest.raises(UserError, match=r"values from 0 to 0\.25"):
        risk_area(np.array([0.3, 0.1]), np.array([True, False]))
    with pytest.raises(UserError, match=r"`probability` lies between -0\.5 and 1"):
        reliability(np.array([-0.5, 1.0]), np.array([0, 1]))
    with pytest.raises(UserError, match=r"equal shapes \[M, h, w\]"):
        slice_score(np.zeros((1, 2, 2)), np.zeros((1, 2, 3)))
