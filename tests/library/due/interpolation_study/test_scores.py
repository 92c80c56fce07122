"""Scores of a method: perfect and useless ones, and slower ways to the same numbers."""

import numpy as np
import pandas as pd
import pytest
from nodule_examples import disc, nodule
from scipy.ndimage import distance_transform_edt
from scipy.stats import rankdata, spearmanr
from sklearn.metrics import roc_auc_score

from explainct.due.interpolation.hidden_slices import hold_out, load_nodules
from explainct.due.interpolation.slice_scores import dice
from explainct.due.interpolation_study.scores import Answer, references, regions_of, score_slices, summary
from explainct.due.interpolation_study.slice_uncertainty import REFERENCES
from explainct.due.uncertainty.variance_to_weight import published_weights
from explainct.scoring.statistics import rank_correlation as ranks

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(ranks, "DRAWS", 100)


@pytest.fixture(scope="module")
def held(small):
    return [one for nodule in load_nodules(small) if (one := hold_out(nodule, 4)) is not None]


def answer(mean, variance):
    return Answer(mean, variance, np.nan, 0.0)


def truths(held):
    return [one.truth.astype(float) for one in held]


def blurred(held):
    """Return a method whose probability falls evenly from 1 to 0 within 4 pixels of the slice below."""
    means = []
    for one in held:
        below = one.nodule.masks[one.kept[np.searchsorted(one.kept, one.hidden) - 1]]
        signed = [distance_transform_edt(mask) - distance_transform_edt(~mask) for mask in below]
        means.append(np.clip(0.5 + np.stack(signed) / 8, 0, 1))
    return answer(means, [mean * (1 - mean) for mean in means])


def row(held, given, compared=None):
    known = references(held)
    (scores, pixels), (reference, _) = (score_slices(held, one) for one in (given, compared or given))
    return summary(scores.join(known), pixels, reference, 0), scores.join(known), pixels


def test_a_perfect_method(held):
    perfect = answer(truths(held), [np.zeros(one.truth.shape) for one in held])
    found, scores, _ = row(held, perfect, blurred(held))
    assert found["slices"] == sum(len(one.hidden) for one in held)
    assert found["nodules"] == len(held)
    assert found["patients"] == len({one.nodule.patient_id for one in held})
    assert (found["dice"], found["dice_low"], found["dice_high"]) == (1, 1, 1)
    assert found["gain_low"] > 0
    assert found["brier"] == found["calibration_error"] == found["aurc"] == found["excess_aurc"] == 0
    assert (scores["score"] == 0).all()
    for nothing in ("error_auroc", "spearman_error", "over_size", "over_disagreement", "weights_absolute_auroc"):
        assert np.isnan(found[nothing])


def test_a_useless_method(held):
    useless = answer([np.zeros(one.truth.shape) for one in held], [np.full(one.truth.shape, 0.25) for one in held])
    found, _, pixels = row(held, useless, blurred(held))
    assert found["dice"] == 0
    assert found["gain_high"] < 0
    wrong = pixels["truth"].mean()
    assert found["brier"] > 0.1
    assert found["calibration_error"] == pytest.approx(wrong)
    assert found["aurc"] == pytest.approx(wrong)
    assert found["excess_aurc"] > 0
    assert np.isnan(found["error_auroc"])
    assert found["weights_absolute_auroc"] == found["weights_published_auroc"] == 0.5


def test_uncertainty_that_knows_every_error_and_one_that_knows_none(held):
    means = blurred(held).mean
    wrong = [(mean >= 0.5) != one.truth for mean, one in zip(means, held, strict=True)]
    oracle, _, _ = row(held, answer(means, [0.25 * one for one in wrong]))
    assert oracle["error_auroc"] == oracle["weights_absolute_auroc"] == 1
    assert oracle["excess_aurc"] == pytest.approx(0, abs=1e-9)
    chance, _, pixels = row(held, answer(means, [0.25 * RNG.random(one.shape) for one in wrong]))
    assert chance["error_auroc"] == pytest.approx(0.5, abs=0.02)
    share = np.mean((pixels["probability"] >= 0.5) != pixels["truth"])
    assert chance["aurc"] == pytest.approx(share, rel=0.1)
    against, _, _ = row(held, answer(means, [0.25 * ~one for one in wrong]))
    assert against["error_auroc"] == 0
    assert oracle["aurc"] < chance["aurc"] < against["aurc"]


@pytest.mark.filterwarnings("ignore:Only one class")
def test_no_pixel_is_wrong_but_some_are_doubted(held):
    doubting = answer(truths(held), [0.25 * RNG.random(one.truth.shape) for one in held])
    found, _, _ = row(held, doubting)
    assert found["dice"] == 1
    assert np.isnan(found["error_auroc"])


def test_gain_against_itself_is_nothing(held):
    found, _, _ = row(held, blurred(held))
    assert (found["gain"], found["gain_low"], found["gain_high"]) == (0, 0, 0)
    other, _, _ = row(held, blurred(held), answer(truths(held), [np.zeros(one.truth.shape) for one in held]))
    assert other["gain_high"] < 0
    assert other["gain"] == pytest.approx(found["dice"] - 1)


def test_a_score_of_slices_that_ranks_errors_beats_the_references(held):
    found, scores, pixels = row(held, blurred(held))
    best = summary(scores.assign(score=scores["error"] ** 2), pixels, scores, 0)
    assert best["spearman_error"] == pytest.approx(1)
    for name in REFERENCES:
        own = spearmanr(scores[name], scores["error"]).statistic
        assert best[f"over_{name}"] == pytest.approx(1 - own)
        assert best[f"over_{name}_low"] > 0
        assert found[f"over_{name}"] == pytest.approx(found["spearman_error"] - own)
    assert found["spearman_error"] == pytest.approx(spearmanr(scores["score"], scores["error"]).statistic)
    same = summary(scores.assign(score=scores["size"]), pixels, scores, 0)
    assert (same["over_size"], same["over_size_low"], same["over_size_high"]) == (0, 0, 0)


def test_rising_with_distance_looks_at_sums_of_variance_within_a_nodule(held):
    _, scores, pixels = row(held, blurred(held))
    several = scores["distance_mm"].round(3).groupby(scores["lesion_id"]).nunique() > 1
    assert several.sum() > 10
    for sign, share in ((1, 1), (-1, 0)):
        table = summary(scores.assign(variance=20 + sign * scores["distance_mm"]), pixels, scores, 0)
        assert (table["rising_with_distance"], table["rising_nodules"]) == (share, several.sum())


def test_weights_keep_the_order_of_variances_and_are_scaled_by_gap(held):
    means = blurred(held).mean
    # Gaps differ in scale, which a mapping by gap erases.
    scaled = [np.round(mean * (1 - mean) / (1 + number % 7), 6) for number, mean in enumerate(means)]
    found, _, pixels = row(held, answer(means, scaled))
    wrong = (pixels["probability"] >= 0.5) != pixels["truth"]
    assert found["weights_absolute_auroc"] == pytest.approx(found["error_auroc"], abs=1e-9)
    published, first = np.zeros(len(pixels)), 0
    for one, variance in zip(held, scaled, strict=True):
        region = regions_of(one)
        for below, above in zip(one.kept, one.kept[1:], strict=False):
            inside = (one.hidden > below) & (one.hidden < above)
            values = variance[inside][region[inside]]
            published[first : first + len(values)] = published_weights(values)
            first += len(values)
    assert first == len(pixels)
    assert found["weights_published_auroc"] == pytest.approx(roc_auc_score(wrong, 1 - published))
    assert found["weights_published_auroc"] != pytest.approx(found["error_auroc"], abs=1e-3)


def test_rows_are_those_of_slices_counted_one_by_one(held):
    given = blurred(held)
    scores, pixels = score_slices(held, given)
    expected, rest = [], 0
    for one, mean, variance in zip(held, given.mean, given.variance, strict=True):
        for number, hidden in enumerate(one.hidden):
            below, above = one.kept[one.kept < hidden].max(), one.kept[one.kept > hidden].min()
            shapes = one.nodule.masks[below] | one.nodule.masks[above]
            near = distance_transform_edt(~shapes) <= 3
            truth = one.nodule.masks[hidden]
            expected.append(
                {
                    "lesion_id": one.nodule.lesion_id,
                    "slice": hidden,
                    "distance_mm": np.abs(one.nodule.z_mm[[below, above]] - one.nodule.z_mm[hidden]).min(),
                    "dice": dice(mean[[number]], truth[None])[0],
                    "brier": np.mean((mean[number][near] - truth[near]) ** 2),
                    "score": variance[number].sum() / mean[number].sum(),
                    "variance": variance[number].sum(),
                }
            )
            rest += near.sum()
    expected = pd.DataFrame(expected)
    pd.testing.assert_frame_equal(scores[list(expected)], expected, check_dtype=False)
    np.testing.assert_allclose(scores["error"], 1 - expected["dice"])
    assert len(pixels) == rest
    assert pixels["gap"].nunique() == sum(len(one.kept) - 1 for one in held)
    assert (np.diff(pixels["gap"]) >= 0).all()


def test_no_method_changes_the_region_and_no_truth_does():
    one = hold_out(nodule([disc(5), disc(12), disc(6)]), 2)
    other = hold_out(nodule([disc(5), disc(1), disc(6)]), 2)
    np.testing.assert_array_equal(regions_of(one), regions_of(other))
    np.testing.assert_array_equal(regions_of(one)[0], distance_transform_edt(~disc(6)) <= 3)


def test_references_know_the_kept_slices_only_but_for_the_oracle():
    masks = np.stack([disc(5), disc(7), disc(6)])
    readers = np.stack([masks] * 3)
    readers[0, 0] = False
    spoiled = readers.copy()
    spoiled[1:, 1] = False
    first, second = (references([hold_out(nodule(masks, readers=own), 2)]) for own in (readers, spoiled))
    assert first["size"].item() == -(disc(5).sum() + disc(6).sum()) / 2
    assert first["disagreement"].item() == pytest.approx(1 / 6)
    assert first["disagreement_hidden"].item() == 0
    pd.testing.assert_frame_equal(first[["size", "disagreement"]], second[["size", "disagreement"]])
    assert second["disagreement_hidden"].item() == pytest.approx(2 / 3)


def test_spearman_of_distance_is_over_all_slices(held):
    found, scores, _ = row(held, blurred(held))
    ranks = [rankdata(scores[name]) for name in ("score", "distance_mm")]
    assert found["spearman_distance"] == pytest.approx(np.corrcoef(*ranks)[0, 1])
