"""The table of curves of one method."""

import numpy as np
import pandas as pd
import pytest

from explainct.due.interpolation_study.distance_trend import gap_trend
from explainct.due.interpolation_study.uncertainty_curves import COLUMNS, growing_gap_curve, uncertainty_curves
from explainct.errors import UserError
from explainct.scoring.statistics.rank_correlation import rank_correlation


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
    with pytest.raises(UserError, match=r"slices .* lacks \['disagreement'\]"):
        uncertainty_curves(method="a", every=2, pixels=pixels, slices=slices.drop(columns="disagreement"), seed=0)


def test_growing_gaps_as_rows_of_the_table():
    trend = gap_trend(np.array([0.1, 0.2, 0.3, 0.4]), np.array([2.0, 4.0, 6.0, 8.0]), np.array(["s"] * 4))
    rows = growing_gap_curve(method="diffusion", trend=trend)
    assert tuple(rows) == COLUMNS
    assert rows["x"].tolist() == [1, 2, 3, 4]
    np.testing.assert_allclose(rows["y"], [0.1, 0.2, 0.3, 0.4])
    assert set(rows["curve"]) == {"growing_gap"}
    assert set(rows["every"]) == {0}
