"""What the uncertainty knows: known cases, best and useless uncertainty, ties, and slower ways to the same numbers."""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from due.errors import DueError
from due.evaluate.intervals import patient_interval
from due.seeds import numpy_generator
from due.study.knowledge import (
    BINS,
    COLUMNS,
    COVERAGES,
    GrowingGap,
    disagreement,
    disagreement_hidden,
    distance_share,
    gap_trend,
    growing_gap_curve,
    growing_gaps,
    rank_correlation,
    rank_gain,
    reliability,
    risk_area,
    risk_coverage,
    size_score,
    slice_score,
    uncertainty_curves,
    weights_rank_errors,
    weights_rank_errors_within,
)
from due.study.scores import calibration_error
from due.uncertainty.mapping import MAPPINGS

RNG = np.random.default_rng(0)
FEW = 250

pixels = st.lists(st.tuples(st.sampled_from([0.0, 0.01, 0.1, 0.2, 0.25]), st.booleans()), min_size=1, max_size=6)


# Calibration.


def test_reliability_of_known_pixels():
    table = reliability(np.array([0.0, 0.04, 0.31, 0.39, 0.92, 1.0]), np.array([0, 1, 0, 1, 1, 1]))
    np.testing.assert_allclose(table["predicted"], [0.02, 0.35, 0.96])
    np.testing.assert_allclose(table["inside"], [0.5, 0.5, 1.0])
    assert table["n"].tolist() == [2, 2, 2]


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.float16])
def test_reliability_is_what_the_calibration_error_sums(kind):
    probability = RNG.random(500).astype(kind)
    truth = RNG.random(500) < probability**2
    table = reliability(probability, truth)
    summed = (table["n"] * (table["predicted"] - table["inside"]).abs()).sum() / table["n"].sum()
    assert summed == pytest.approx(calibration_error(probability, truth), abs=1e-3 if kind == np.float16 else 1e-6)
    assert len(table) <= BINS
    assert table["n"].sum() == 500


# Risk and coverage.


def test_the_best_order_has_no_excess_and_the_worst_has_the_most():
    error = np.arange(200) >= 150
    rising = np.linspace(0, 0.25, 200)
    assert risk_area(rising, error).excess == pytest.approx(0, abs=1e-12)
    curve = risk_coverage(rising, error)
    assert (curve.loc[curve["coverage"] <= 0.75, "risk"] == 0).all()
    assert curve["risk"].iloc[-1] == pytest.approx(0.25)
    useless, worst = risk_area(np.full(200, 0.1), error), risk_area(rising[::-1], error)
    assert 0 < useless.excess < worst.excess


def test_an_uncertainty_that_knows_nothing_has_the_same_risk_everywhere():
    error = RNG.random(1000) < 0.3
    curve = risk_coverage(np.full(1000, 0.1), error)
    np.testing.assert_allclose(curve["risk"], error.mean())
    assert len(curve) == COVERAGES
    np.testing.assert_allclose(curve["coverage"], np.arange(1, COVERAGES + 1) / COVERAGES)
    np.testing.assert_allclose(curve["n"], curve["coverage"] * 1000)
    assert risk_area(np.full(1000, 0.1), error).area == pytest.approx(error.mean())
    order = RNG.permutation(1000) / 4000
    np.testing.assert_allclose(risk_coverage(order, error)["risk"].iloc[10:], error.mean(), atol=0.08)


@given(pixels)
def test_ties_count_as_the_mean_over_all_their_orders(drawn):
    variance, error = np.array([v for v, _ in drawn]), np.array([e for _, e in drawn])
    orders = [list(order) for order in permutations(range(len(drawn))) if (np.diff(variance[list(order)]) >= 0).all()]
    curves = [np.cumsum(error[order]) / np.arange(1, len(drawn) + 1) for order in orders]
    expected = np.mean(curves, axis=0)
    np.testing.assert_allclose(risk_coverage(variance, error)["risk"], expected, atol=1e-12)
    area = risk_area(variance, error)
    assert area.area == pytest.approx(expected.mean())
    assert area.excess >= -1e-12


def test_rounding_errors_are_ties():
    probability = np.array([1 / 3, 2 / 3, 0.1, 0.9], dtype=np.float32)
    variance = probability * (1 - probability)
    assert len(np.unique(variance)) > 2
    for errors in ([True, False, True, False], [False, True, False, True]):
        np.testing.assert_allclose(risk_coverage(variance, np.array(errors))["risk"], 0.5)


def test_half_precision_is_ordered_like_double():
    variance = np.linspace(0, 0.25, 40).astype(np.float16)
    error = RNG.random(40) < 0.4
    pd.testing.assert_frame_equal(risk_coverage(variance, error), risk_coverage(variance.astype(float), error))


# Scores of slices.


def test_the_score_of_a_slice_is_its_variance_over_its_mean():
    probability = np.zeros((4, 3, 3))
    probability[0, :2], probability[1, 1, 1] = 0.5, 1.0
    variance = probability * (1 - probability)
    variance[3, 0, 0] = 0.1
    np.testing.assert_allclose(slice_score(probability, variance), [0.5, 0.0, 0.0, 1.0])


def test_a_predictor_that_doubts_more_than_it_predicts_is_cut_to_one():
    probability, variance = np.full((1, 2, 2), 1e-9), np.full((1, 2, 2), 0.01)
    assert slice_score(probability, variance).tolist() == [1.0]


@given(st.integers(0, 2**16))
def test_draws_never_exceed_one_and_empty_surroundings_do_not_matter(seed):
    draws = np.random.default_rng(seed).random((5, 2, 4, 4)) ** 3
    probability, variance = draws.mean(0), draws.var(0)
    score = slice_score(probability, variance)
    assert ((score >= 0) & (score <= 1)).all()
    around = ((0, 0), (3, 2), (1, 4))
    np.testing.assert_allclose(slice_score(np.pad(probability, around), np.pad(variance, around)), score)
    np.testing.assert_allclose(slice_score(probability[::-1], variance[::-1]), score[::-1])


MASKS = np.zeros((5, 4, 4), dtype=bool)
for number, side in enumerate((1, 2, 3, 4, 2)):
    MASKS[number, :side, :side] = True
KEPT, HIDDEN = np.array([0, 2, 4]), np.array([1, 3])


def test_size_is_of_the_two_kept_shapes_around():
    assert size_score(MASKS, KEPT, HIDDEN).tolist() == [-5.0, -6.5]
    changed = MASKS.copy()
    changed[HIDDEN] = ~changed[HIDDEN]
    assert size_score(changed, KEPT, HIDDEN).tolist() == [-5.0, -6.5]


def test_readers_disagree_on_kept_slices_or_on_hidden_ones():
    readers = np.stack([MASKS, MASKS, MASKS])
    assert disagreement(readers, MASKS, KEPT, HIDDEN).tolist() == [0, 0]
    readers[0, 2] = False  # Dice 0 of one reader of three on a slice that both hidden ones have beside them
    np.testing.assert_allclose(disagreement(readers, MASKS, KEPT, HIDDEN), [1 / 6, 1 / 6])
    assert disagreement_hidden(readers, MASKS, HIDDEN).tolist() == [0, 0]
    readers[1, 3, :, 2:] = False  # 8 of 16 pixels: Dice 2/3
    np.testing.assert_allclose(disagreement(readers, MASKS, KEPT, HIDDEN), [1 / 6, 1 / 6])
    np.testing.assert_allclose(disagreement_hidden(readers, MASKS, HIDDEN), [0, 1 / 9])
    np.testing.assert_allclose(disagreement(readers[::-1], MASKS, KEPT, HIDDEN), [1 / 6, 1 / 6])


@pytest.mark.parametrize("hidden", [[2], [5], [-1]])
def test_a_hidden_slice_lies_between_two_kept_ones(hidden):
    with pytest.raises(DueError, match="between two kept ones"):
        size_score(MASKS, KEPT, np.array(hidden))


def test_readers_and_consensus_have_one_box():
    with pytest.raises(DueError, match=r"\[R, K, h, w\]"):
        disagreement(MASKS[None, :, 1:], MASKS, KEPT, HIDDEN)


# Ranks.


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
    monkeypatch.setattr("due.study.knowledge.DRAWS", FEW)
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
    with pytest.raises(DueError, match="equal lengths"):
        rank_correlation(score[:-1], error, patients, seed=0)
    with pytest.raises(DueError, match="equal lengths"):
        rank_gain(score, reference, error, patients[:-1], seed=0)
    with pytest.raises(DueError, match="1 values that are not finite"):
        rank_correlation(np.where(np.arange(60) == 3, np.nan, score), error, patients, seed=0)
    with pytest.raises(DueError, match="above 0"):
        risk_coverage(np.zeros(0), np.zeros(0, dtype=bool))
    with pytest.raises(DueError, match=r"values from 0 to 0\.25"):
        risk_area(np.array([0.3, 0.1]), np.array([True, False]))
    with pytest.raises(DueError, match=r"`probability` lies between -0\.5 and 1"):
        reliability(np.array([-0.5, 1.0]), np.array([0, 1]))
    with pytest.raises(DueError, match=r"equal shapes \[M, h, w\]"):
        slice_score(np.zeros((1, 2, 2)), np.zeros((1, 2, 3)))


# Within a nodule.


def test_share_of_nodules_whose_score_rises_with_distance():
    distance = np.tile([1.0, 2.0, 1.0], 4)
    lesion = np.repeat(["rises", "falls", "constant", "one distance"], 3)
    distance[9:] = 1.0
    score = np.array([0.1, 0.3, 0.2, 0.3, 0.1, 0.2, 0.2, 0.2, 0.2, 0.1, 0.2, 0.3])
    assert distance_share(score, distance, lesion) == (1 / 3, 3)
    order = RNG.permutation(12)
    assert distance_share(score[order], distance[order], lesion[order]) == (1 / 3, 3)
    assert distance_share(np.exp(score), distance, lesion) == (1 / 3, 3)
    share, count = distance_share(score[9:], distance[9:], lesion[9:])
    assert np.isnan(share)
    assert count == 0


def test_distances_that_differ_by_rounding_are_one():
    score, lesion = np.array([0.1, 0.2]), np.array(["a", "a"])
    assert distance_share(score, np.array([1.25, 1.2500001]), lesion)[1] == 0
    assert distance_share(np.array([0.2, 0.2 + 1e-9]), np.array([1.25, 2.5]), lesion) == (0, 1)


@given(st.lists(st.tuples(st.sampled_from([1, 2, 3]), st.integers(0, 3)), min_size=2, max_size=9))
def test_a_nodule_rises_where_its_correlation_is_positive(slices):
    distance, score = (np.array(values, dtype=float) for values in zip(*slices, strict=True))
    share, count = distance_share(score, distance, np.zeros(len(score)))
    if len(set(distance)) < 2:
        assert count == 0
    else:
        rises = len(set(score)) > 1 and spearmanr(score, distance).statistic > 1e-9
        assert (share, count) == (float(rises), 1)


def test_growing_gaps_of_a_short_nodule():
    assert growing_gaps(2) == []
    assert growing_gaps(3) == [GrowingGap(1, 1, (-1, 0, 2, -1))]
    assert growing_gaps(5) == [
        GrowingGap(1, 1, (-1, 0, 2, 3)),
        GrowingGap(2, 1, (0, 1, 3, 4)),
        GrowingGap(2, 2, (-1, 0, 4, -1)),
        GrowingGap(3, 1, (1, 2, 4, -1)),
    ]


@given(st.integers(0, 30))
def test_growing_gaps_are_all_there_and_upside_down_alike(slices):
    gaps = growing_gaps(slices)
    assert len(gaps) == sum(max(slices - 2 * g, 0) for g in range(1, 5))
    for gap in gaps:
        assert gap.slice - gap.kept[1] == gap.kept[2] - gap.slice == gap.g <= 4
        assert all(place == -1 or 0 <= place < slices for place in gap.kept)
    turned = {
        (slices - 1 - gap.slice, gap.g, tuple(p if p < 0 else slices - 1 - p for p in gap.kept[::-1])) for gap in gaps
    }
    assert turned == set(gaps)


def test_trend_over_growing_gaps():
    slice_id = np.array(["a"] * 4 + ["b"] * 4 + ["c"] * 2 + ["d"])
    gap_mm = np.array([2, 4, 6, 8, 8, 6, 4, 2, 2.5, 5, 3.0])
    score = np.array([0.1, 0.2, 0.3, 0.4, 0.1, 0.1, 0.2, 0.4, 0.5, 0.9, 0.7])
    trend = gap_trend(score, gap_mm, slice_id)
    assert trend.rising == (2 / 3, 3)
    assert trend.means["g"].tolist() == [1, 2, 3, 4]
    np.testing.assert_allclose(trend.means["score"], [0.25, 0.2, 0.2, 0.25])
    np.testing.assert_allclose(trend.means["gap_mm"], [2, 4, 6, 8])
    assert (trend.means["n"] == 2).all()
    order = RNG.permutation(len(score))
    again = gap_trend(score[order], gap_mm[order], slice_id[order])
    assert again.rising == trend.rising
    pd.testing.assert_frame_equal(again.means, trend.means)


def test_slices_of_different_nodules_need_different_names():
    with pytest.raises(DueError, match="The slice 3 has the same gap twice"):
        gap_trend(np.array([0.1, 0.2]), np.array([2.0, 2.0]), np.array([3, 3]))


def test_no_slice_with_all_gaps_leaves_no_mean():
    trend = gap_trend(np.array([0.1, 0.2]), np.array([2.0, 4.0]), np.array([3, 3]))
    assert trend.rising == (1.0, 1)
    assert len(trend.means) == 0
    assert len(growing_gap_curve(method="a", trend=trend)) == 0


# Weights.


def test_weights_rank_errors_like_the_auroc_of_their_complement():
    weight, error = np.round(RNG.random(300), 2), RNG.random(300) < 0.3
    assert weights_rank_errors(weight, error) == pytest.approx(roc_auc_score(error, 1 - weight))
    assert weights_rank_errors(1.0 - error, error) == 1
    assert weights_rank_errors(error.astype(float), error) == 0
    assert weights_rank_errors(np.ones(300), error) == 0.5
    assert np.isnan(weights_rank_errors(weight, np.zeros(300, dtype=bool)))
    with pytest.raises(DueError, match="`weight`"):
        weights_rank_errors(weight + 1, error)


def test_within_gaps_both_mappings_rank_alike_and_over_all_only_the_absolute_one_keeps_scale():
    variance = np.concatenate([RNG.random(200) * top for top in (0.25, 0.01, 0.05)])
    error = RNG.random(600) < 4 * variance
    gap = np.repeat([7, 3, 5], 200)
    weights = {
        name: np.concatenate([mapping(variance[gap == g]) for g in (7, 3, 5)]) for name, mapping in MAPPINGS.items()
    }
    within = {name: weights_rank_errors_within(weight, error, gap) for name, weight in weights.items()}
    by_hand = np.mean([roc_auc_score(error[gap == g], variance[gap == g]) for g in (3, 5, 7)])
    assert within["absolute"] == pytest.approx((by_hand, 3))
    assert within["published"] == pytest.approx((by_hand, 3))
    assert weights_rank_errors(weights["absolute"], error) == pytest.approx(roc_auc_score(error, variance))
    assert weights_rank_errors(weights["published"], error) < weights_rank_errors(weights["absolute"], error) - 0.05


def test_gaps_without_errors_rank_nothing():
    weight, gap = np.array([0.1, 0.9, 0.5, 0.5]), np.array([0, 0, 1, 1])
    assert weights_rank_errors_within(weight, np.array([True, False, False, False]), gap) == (1.0, 1)
    mean, count = weights_rank_errors_within(weight, np.zeros(4, dtype=bool), gap)
    assert np.isnan(mean)
    assert count == 0


# The table of curves.


def made_up(count=120):
    generator = np.random.default_rng(2)
    probability = generator.random(900)
    pixels = pd.DataFrame({"probability": probability, "variance": probability * (1 - probability)})
    pixels["truth"] = generator.random(900) < probability
    slices = pd.DataFrame({"patient_id": [f"P{n % 20}" for n in range(count)], "score": generator.random(count)})
    slices["error"] = np.clip(slices["score"] + generator.normal(0, 0.2, count), 0, 1)
    slices["size"] = slices["error"] + generator.normal(0, 2, count)
    slices["disagreement"] = 0.0
    slices["distance_mm"] = np.tile([1.0, 2.0, 1.0000001], count // 3)
    return pixels, slices


def test_the_table_of_curves_holds_each_curve():
    pixels, slices = made_up()
    table = uncertainty_curves(method="diffusion", every=4, pixels=pixels, slices=slices, seed=0)
    assert tuple(table) == COLUMNS
    assert set(table["method"]) == {"diffusion"}
    assert set(table["every"]) == {4}
    by_curve = dict(list(table.groupby("curve")))
    assert by_curve["reliability"]["n"].sum() == 900
    assert by_curve["risk_coverage"]["n"].max() == 900
    wrong = (pixels["probability"] >= 0.5) != pixels["truth"]
    assert by_curve["risk_coverage"]["y"].iloc[-1] == pytest.approx(wrong.mean())
    error = by_curve["score_error"]
    assert error["n"].tolist() == [12] * 10
    first = slices.nsmallest(12, "score")
    assert error.iloc[0][["x", "y", "low", "high"]].tolist() == pytest.approx(
        [first["score"].mean(), first["error"].mean(), *np.percentile(first["error"], [25, 75])]
    )
    distance = by_curve["distance"]
    assert distance["x"].tolist() == [1.0, 2.0]
    assert distance["n"].tolist() == [80, 40]
    assert distance["y"].iloc[1] == pytest.approx(slices["score"][1::3].mean())
    known = rank_correlation(*(slices[name].to_numpy() for name in ("score", "error", "patient_id")), seed=0)
    assert by_curve["spearman_score"][["y", "low", "high"]].to_numpy()[0] == pytest.approx(known)
    assert by_curve["spearman_size"]["y"].item() < known.mean
    assert by_curve["spearman_disagreement"][["y", "low", "high"]].isna().all(axis=None)


def test_order_of_rows_does_not_change_the_curves():
    pixels, slices = made_up()
    options = {"method": "a", "every": 2, "seed": 0}
    one = uncertainty_curves(pixels=pixels, slices=slices, **options)
    other = uncertainty_curves(pixels=pixels.sample(frac=1, random_state=0), slices=slices[::-1], **options)
    pd.testing.assert_frame_equal(one, other)


def test_a_missing_column_is_named():
    pixels, slices = made_up()
    with pytest.raises(DueError, match=r"slices .* lacks \['disagreement'\]"):
        uncertainty_curves(method="a", every=2, pixels=pixels, slices=slices.drop(columns="disagreement"), seed=0)


def test_growing_gaps_as_rows_of_the_table():
    trend = gap_trend(np.array([0.1, 0.2, 0.3, 0.4]), np.array([2.0, 4.0, 6.0, 8.0]), np.array(["s"] * 4))
    rows = growing_gap_curve(method="diffusion", trend=trend)
    assert tuple(rows) == COLUMNS
    assert rows["x"].tolist() == [1, 2, 3, 4]
    np.testing.assert_allclose(rows["y"], [0.1, 0.2, 0.3, 0.4])
    assert set(rows["curve"]) == {"growing_gap"}
    assert set(rows["every"]) == {0}
