"""Scores of what fills the gaps: whose slices, what is compared, and that the numbers are what they say."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from lesion_examples import INTERPOLATE, save_untrained
from sklearn.metrics import f1_score, roc_auc_score
from slice_examples import disc, lesion_of

from explainct.due.interpolation.classical import nearest
from explainct.due.interpolation.filling import Filled
from explainct.due.interpolation.gaps import hold_out_gaps
from explainct.due.uncertainty import evaluate_filling as module
from explainct.due.uncertainty.evaluate_filling import evaluate_filling, score_gaps, tune_bias
from explainct.scoring.statistics.bootstrap import patient_interval

METHODS = {"filled", "nearest", "linear", "signed_distance", "signed_distance_tuned"}


@pytest.fixture
def record(cohort, tmp_path):
    predictor_file = tmp_path / "predictor.pt"
    save_untrained(predictor_file)

    def call(filled_by="predictor", **changes):
        settings = INTERPOLATE | {"filled_by": filled_by, "latent_at_inference": "mean", "estimate": "expectation"}
        out = tmp_path / "metrics.json"
        evaluate_filling(
            lesions_file=cohort.lesions_file,
            slices_file=cohort.slices_file,
            splits_file=cohort.splits_file,
            samples_file=None,
            model_file=predictor_file if filled_by == "predictor" else cohort.model_file,
            taught_by={"annotation_from": "all"},
            size=INTERPOLATE["size"],
            settings=settings | changes,
            seed=0,
            device="cpu",
            threads=1,
            out_file=out,
        )
        return json.loads(out.read_text())

    return call


@pytest.mark.parametrize("filled_by", ["predictor", "diffusion"])
def test_all_gaps_of_validation_patients_are_scored(record, monkeypatch, filled_by):
    seen, hold_out = [], module.hold_out_gaps
    monkeypatch.setattr(
        module, "hold_out_gaps", lambda patches, every: seen.append(patches) or hold_out(patches, every)
    )
    result = record(filled_by)
    assert [lesion.patient_id for lesion in seen[0]] == ["LIDC-IDRI-0002"]
    # The signed distance is tuned on lesions that teach.
    assert {lesion.patient_id for lesion in seen[1]} == {f"LIDC-IDRI-{number:04d}" for number in (0, 1, 3, 5)}
    assert (result["gaps"], result["slices"], result["lesions"], result["patients"]) == (3, 3, 1, 1)
    assert result["filled_by"] == filled_by
    assert set(result["dice"]) == set(result["brier"]) == METHODS
    assert result["dice"]["signed_distance"]["mean"] > 0.75
    gain = result["dice"]["filled"]["mean"] - result["dice"]["signed_distance_tuned"]["mean"]
    assert result["gain"]["mean"] == pytest.approx(gain, abs=2e-6)
    assert record(filled_by) == result


def test_nothing_to_score_is_said(record, cohort):
    splits = pd.read_parquet(cohort.splits_file)
    splits["split"] = splits["split"].replace("validation", "test")
    splits.to_parquet(cohort.splits_file)
    result = record()
    assert "dice" not in result
    assert (result["gaps"], result["slices"], result["lesions"], result["patients"]) == (0, 0, 0, 0)


def gaps_of(sizes=(16, 24)):
    lesions = [
        lesion_of([disc(3 + n, (9 + number, 9), size) for n in range(5)], [0, 1, 3, 4, 6])
        for number, size in enumerate(sizes)
    ]
    return [gap for lesion in lesions for gap in hold_out_gaps([lesion], 2)]


def test_scores_follow_from_what_fills():
    gaps = gaps_of()
    random = torch.Generator().manual_seed(0)
    answers = [
        Filled(*(scale * torch.rand(len(gap.z), gap.size, gap.size, generator=random) for scale in (1.0, 0.25)))
        for gap in gaps
    ]
    patients = dict.fromkeys([gap.lesion_id for gap in gaps], "A")
    result = score_gaps(lambda *_: answers, gaps, patients=patients, bias=0.0, seed=0, generator=torch.Generator())
    pairs = [
        (mean.numpy(), variance.numpy(), truth)
        for answer, gap in zip(answers, gaps, strict=True)
        for mean, variance, truth in zip(answer.mean, answer.variance, gap.truth, strict=True)
    ]
    expected = [f1_score(t.ravel() >= 0.5, m.ravel() >= 0.5) for m, _, t in pairs]
    assert result["dice"]["filled"]["mean"] == pytest.approx(np.mean(expected), abs=1e-5)
    regions = [module.region_of(module._bounds(gap)) for gap in gaps for _ in gap.z]
    errors = [((m - t)[near] ** 2).mean() for (m, _, t), near in zip(pairs, regions, strict=True)]
    assert result["brier"]["filled"]["mean"] == pytest.approx(np.mean(errors), abs=1e-5)
    wrong, variance = (
        np.concatenate([values[near] for values, near in zip(parts, regions, strict=True)])
        for parts in ([(m >= 0.5) != (t >= 0.5) for m, _, t in pairs], [v for _, v, _ in pairs])
    )
    assert result["error_auroc"]["mean"] == pytest.approx(roc_auc_score(wrong, variance), abs=1e-5)
    probability, truth = (
        np.concatenate([values[near] for values, near in zip(parts, regions, strict=True)])
        for parts in ([m for m, _, _ in pairs], [t >= 0.5 for _, _, t in pairs])
    )
    bins = np.minimum((probability * 10).astype(int), 9)
    off = [abs((probability - truth)[bins == number].sum()) for number in range(10)]
    assert result["calibration_error"] == pytest.approx(sum(off) / len(truth), abs=1e-5)


def test_a_filler_that_copies_the_nearer_slice_scores_as_that_method():
    gaps = gaps_of()
    answers = [Filled(*map(torch.from_numpy, (nearest(module._bounds(gap), gap.t), 0 * gap.truth))) for gap in gaps]
    patients = dict.fromkeys([gap.lesion_id for gap in gaps], "A")
    result = score_gaps(lambda *_: answers, gaps, patients=patients, bias=0.0, seed=0, generator=torch.Generator())
    assert result["dice"]["filled"] == result["dice"]["nearest"]
    assert result["brier"]["filled"] == result["brier"]["nearest"]
    assert result["error_auroc"]["mean"] == 0.5
    assert result["gain"]["mean"] == pytest.approx(
        result["dice"]["nearest"]["mean"] - result["dice"]["signed_distance"]["mean"], abs=2e-6
    )


def test_intervals_are_over_patients():
    values, patients = np.array([0.0, 0.0, 1.0]), np.array(["a", "a", "b"])
    assert module._interval(values, patients, 0) == {
        name: round(value, 6) for name, value in patient_interval(values, patients, seed=0)._asdict().items()
    }


def test_tuning_moves_shrunk_outlines_outwards():
    # Between two small discs far apart lies a larger one, which no blend of distances reaches.
    lesion = lesion_of([disc(radius, (12, 12), 24) for radius in (4, 5, 4, 5, 4)], range(5))
    assert tune_bias([lesion], seed=0) > 0.5
    straight = lesion_of([disc(5, (12, 12), 24)] * 3, range(3))
    assert abs(tune_bias([straight], seed=0)) < 0.5
    assert tune_bias([lesion_of([disc(5, (12, 12), 24)] * 2, range(2))], seed=0) == 0
