"""Thresholds of alarms against searches by hand, and what swapping promises."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score as sklearn_f1

from explainct.errors import UserError
from explainct.informer.alarm import NO_FLAG, exact_threshold, f1_score, grid_threshold, swapped
from explainct.informer.thresholds import entropy, f1_threshold, youden_threshold


def f1(label, decided):
    """Return F1 by its definition; scikit-learn's takes most of a test's time."""
    total = label.sum() + decided.sum()
    return 2 * (label * decided).sum() / total if total else 0.0


def case(seed, count=60, ties=True):
    rng = np.random.default_rng(seed)
    score = rng.uniform(0, 10, count)
    if ties:
        score[rng.integers(0, count, count // 3)] = score[0]
    return score, rng.integers(0, 2, count), rng.integers(0, 2, count)


@pytest.mark.parametrize("seed", range(200))
def test_the_exact_threshold_is_best_of_all_and_no_worse_than_the_published_grid(seed):
    score, label, decided = case(seed)
    exact, grid = exact_threshold(score, label, decided), grid_threshold(score, label, decided)
    values = {threshold: f1(label, swapped(decided, score, threshold)) for threshold in (exact, grid, NO_FLAG, np.inf)}
    assert values[exact] >= values[grid] >= values[NO_FLAG]
    best = max(f1(label, swapped(decided, score, threshold)) for threshold in [*score, NO_FLAG, np.inf])
    assert values[exact] == pytest.approx(best)
    if values[exact] == values[NO_FLAG]:
        assert exact == NO_FLAG


@pytest.mark.parametrize("seed", range(5))
def test_f1_is_that_of_scikit_learn(seed):
    _, label, decided = case(seed)
    expected = sklearn_f1(label, decided)
    assert f1(label, decided) == pytest.approx(expected)
    counts = (label * decided).sum(), ((1 - label) * decided).sum(), (label * (1 - decided)).sum()
    assert f1_score(*map(np.array, counts)) == pytest.approx(expected)


@given(st.integers(0, 1000))
def test_the_grid_is_that_of_a_loop(seed):
    score, label, decided = case(seed, 12)
    loop = [f1(label, swapped(decided, score, threshold)) for threshold in np.arange(0, score.max() + 0.1, 0.1)]
    found = f1(label, swapped(decided, score, grid_threshold(score, label, decided, step=0.1)))
    assert found == pytest.approx(max(loop))


def test_a_threshold_of_zero_flags_no_distinctiveness_and_swapping_twice_changes_nothing():
    score, _, decided = case(3)
    np.testing.assert_array_equal(swapped(decided, score, 0.0), decided)
    twice = swapped(swapped(decided, score, 4.0), score, 4.0)
    np.testing.assert_array_equal(twice, decided)


def test_constant_scores_flag_all_or_none():
    label = np.array([1, 1, 0, 1])
    assert exact_threshold(np.full(4, 2.0), label, label) == NO_FLAG
    threshold = exact_threshold(np.full(4, 2.0), label, 1 - label)
    np.testing.assert_array_equal(swapped(1 - label, np.full(4, 2.0), threshold), label)


def test_no_positive_gives_an_f1_of_zero_and_no_flag():
    score, label, decided = np.arange(5.0), np.zeros(5, int), np.array([0, 1, 0, 1, 0])
    assert exact_threshold(score, label, decided) == NO_FLAG
    assert f1_score(np.array([0]), np.array([0]), np.array([0])).tolist() == [0]


def test_scores_that_are_no_numbers_are_refused():
    with pytest.raises(UserError, match="1 of 3 scores of an alarm are not finite"):
        exact_threshold(np.array([0.1, np.nan, 0.3]), np.array([0, 1, 0]), np.array([0, 1, 0]))


@pytest.mark.parametrize("seed", range(20))
def test_thresholds_are_the_best_of_all(seed):
    rng = np.random.default_rng(seed)
    label, probability = rng.permutation(np.arange(50) % 3 == 0).astype(int), rng.random(50).round(2)

    def youden(threshold):
        called = probability >= threshold
        return called[label == 1].mean() - called[label == 0].mean()

    assert youden(youden_threshold(label, probability)) == pytest.approx(max(map(youden, probability)))
    best = max(f1(label, probability >= threshold) for threshold in probability)
    assert f1(label, probability >= f1_threshold(label, probability)) == pytest.approx(best)


@pytest.mark.parametrize("choose", [youden_threshold, f1_threshold])
def test_labels_of_one_class_are_refused(choose):
    with pytest.raises(UserError, match=r"labels of a class are \[1\]"):
        choose(np.ones(4, int), np.linspace(0.1, 0.9, 4))


def test_entropy_is_symmetric_and_highest_at_a_half():
    p = np.linspace(0, 1, 11)
    np.testing.assert_allclose(entropy(p), entropy(1 - p))
    assert entropy(p).argmax() == 5
