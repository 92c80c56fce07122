"""Rules and their evaluation on scores whose truth is known, and the tables that are made of them."""

import numpy as np
import pandas as pd
import pytest
from monitored import MAPS, scored
from sklearn.metrics import f1_score, recall_score, roc_auc_score

from explainct.errors import UserError
from explainct.informer.evaluation import (
    Draws,
    class_aucs,
    error_detection,
    likelihood_ratios,
    published_resamples,
    rule_differences,
    score_table,
    scores_by_draw,
    uncertainties,
)
from explainct.informer.figures import alarm_boxplot, risk_coverage_figure
from explainct.informer.page import findings
from explainct.informer.published import published_table
from explainct.informer.rules import decide, rules_of
from explainct.informer.study import compare_alarms

RULES = rules_of(MAPS)


def knowing(label, probability, rng):
    """Distinctiveness that is low where the decision at a half is wrong."""
    return 1 - 0.8 * ((probability >= 0.5) != label) + 0.05 * rng.random(label.shape)


@pytest.fixture(scope="module")
def scores():
    return scored()


@pytest.fixture(scope="module")
def decisions(scores):
    return decide(scores, RULES)


@pytest.fixture(scope="module")
def draws(decisions):
    return Draws(decisions, seed=0)


@pytest.fixture(scope="module")
def values(decisions, draws):
    return scores_by_draw(decisions, RULES, draws)


def test_every_nodule_is_decided_once_by_every_rule(scores, decisions):
    assert len(decisions) == len(scores) / 2
    assert not decisions.duplicated(["lesion_id", "attribute"]).any()
    for rule in RULES:
        assert set(decisions[rule.name]) <= {0, 1}
    assert {rule.source for rule in RULES} == {"published", "control", "ours"}


def test_a_decision_takes_no_scores_column(scores, decisions):
    assert not {rule.name for rule in RULES} & set(scores)
    test = scores[scores["part"] == "test"].set_index(["lesion_id", "attribute"])["random"]
    found = decisions.set_index(["lesion_id", "attribute"])["random"]
    pd.testing.assert_series_equal(found.sort_index(), test.sort_index())


def test_thresholds_follow_from_validation_nodules_alone(scores, decisions):
    changed = scores.copy()
    test = changed["part"] == "test"
    changed.loc[test, "label"] = 1 - changed.loc[test, "label"]
    again = decide(changed, RULES)
    names = [rule.name for rule in RULES]
    pd.testing.assert_frame_equal(again[names], decisions[names])


def test_scores_are_those_of_scikit_learn(decisions, values):
    table = score_table(values).set_index(["metric", "rule", "attribute"])["value"]
    for attribute, rows in decisions.groupby("attribute"):
        for rule in ("no_alarm", "calibrated", "informer_lrp_grid"):
            assert table["f1", rule, attribute] == pytest.approx(f1_score(rows["label"], rows[rule]))
            assert table["sensitivity", rule, attribute] == pytest.approx(recall_score(rows["label"], rows[rule]))
            specificity = recall_score(1 - rows["label"], 1 - rows[rule])
            assert table["specificity", rule, attribute] == pytest.approx(specificity)
    assert table["f1", "no_alarm", "mean"] == pytest.approx(table["f1", "no_alarm"].drop("mean").mean())


def test_a_draw_of_patients_counts_their_nodules_as_often(decisions, draws, values):
    counts = draws.drawn[7].astype(int)
    number = draws.owner(decisions)
    repeated = decisions.loc[decisions.index.repeat(counts[number])]
    rows = repeated[repeated["attribute"] == "margin"]
    assert values["f1", "entropy", "margin"][7] == pytest.approx(f1_score(rows["label"], rows["entropy"]))


def test_differences_are_paired(values):
    table = rule_differences(values, RULES, ["no_alarm", "entropy"])
    assert len(table) == 2 * (len(RULES) - 1)
    row = table.query("rule == 'calibrated' and reference == 'entropy'").iloc[0]
    expected = values["f1", "calibrated", "mean"] - values["f1", "entropy", "mean"]
    assert row["difference"] == pytest.approx(expected[0])
    assert row["low"] < row["difference"] < row["high"]


def test_resamples_are_thirty_of_the_size_of_the_test_set(decisions, values):
    table = published_resamples(decisions, RULES, seed=0)
    assert table.groupby("rule").size().eq(30).all()
    means = table.groupby("rule")["mean_f1"].mean()
    assert means["no_alarm"] == pytest.approx(values["f1", "no_alarm", "mean"][0], abs=0.03)
    pd.testing.assert_frame_equal(table, published_resamples(decisions, RULES, seed=0))


def test_areas_are_those_of_all_folds_together(decisions, draws):
    table = class_aucs(decisions, draws).set_index("attribute")
    rows = decisions[decisions["attribute"] == "texture"]
    assert table.loc["texture", "auc"] == pytest.approx(roc_auc_score(rows["label"], rows["probability"]))
    assert table.loc["texture", "positives"] == rows["label"].sum()


def test_scores_that_know_errors_are_told_from_those_that_do_not(decisions, draws):
    errors, curves = error_detection(decisions, uncertainties(decisions, MAPS), draws)
    errors = errors.set_index("score")
    assert errors.loc["risk", "auroc"] > 0.7
    assert errors.loc["random", "low"] < 0.5 < errors.loc["random", "high"]
    assert errors.loc["d_lrp", "risk_above_low"] > 0
    assert errors.loc["risk", "aurc"] < errors.loc["random", "aurc"]
    assert errors.loc["risk", "error_at_80"] < errors.loc["risk", "error_rate"]
    assert (errors.loc["risk", ["risk_above", "risk_above_low", "risk_above_high"]] == 0).all()
    last = curves.groupby("score").tail(1)
    np.testing.assert_allclose(last["risk"], errors["error_rate"].iloc[0])


def test_distinctiveness_that_knows_errors_wins_and_adds_information():
    decisions = decide(scored(distinct=knowing), RULES)
    draws = Draws(decisions, seed=0)
    values = scores_by_draw(decisions, RULES, draws)
    gain = rule_differences(values, RULES, ["no_alarm"]).set_index("rule").loc["informer_ixg"]
    assert gain["low"] > 0.1
    ratios = likelihood_ratios(decisions, MAPS)
    assert len(ratios) == 3 * 6 * 2
    assert (ratios.query("target == 'error'")["p"] < 1e-6).all()


def test_noise_adds_no_information(decisions):
    ratios = likelihood_ratios(decisions, MAPS)
    assert (ratios["chi2"] >= 0).all()
    assert (ratios["p"] < 0.01).mean() < 0.15


def test_the_published_means_that_are_not_those_of_their_rows_are_marked():
    table = published_table().set_index("rule")
    assert table["agrees"].to_dict() == {
        "INFORMER_ixg": False,
        "INFORMER_lrp": False,
        "Pred. Entropy": True,
        "TTA": True,
    }
    assert table["recomputed"].round(4).tolist() == [0.5714, 0.5724, 0.563, 0.5628]
    assert table["median"].tolist() == ["0.573", "0.572", "0.564", "0.564"]


@pytest.fixture(scope="module")
def study(scores, tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    scores.to_parquet(folder / "scores.parquet")
    names = ("aucs", "f1", "differences", "resamples", "errors", "curves", "likelihood", "published")
    files = {f"{name}_file": folder / f"{name}.csv" for name in names}
    compare_alarms(
        scores_file=folder / "scores.parquet",
        maps=MAPS,
        cohort="semi-synthetic cohort",
        seed=0,
        decisions_file=folder / "decisions.parquet",
        **files,
        md=folder / "study.md",
        html=folder / "study.html",
    )
    return folder


def test_the_study_says_what_it_found_and_of_what(study):
    for name in ("study.md", "study.html"):
        text = (study / name).read_text()
        assert "semi-synthetic cohort" in text
        for words in (
            "Calibrated, expected F1 (ours)",
            "Pred. Entropy",
            "not the printed mean",
            "0.569",
            "no comparison",
        ):
            assert words in text
    differences = pd.read_csv(study / "differences.csv")
    tables = {"differences": differences, "errors": pd.read_csv(study / "errors.csv")}
    sentences = findings(tables, RULES)
    row = differences.query("rule == 'informer_ixg' and reference == 'no_alarm'").iloc[0]
    assert f"{row['difference']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]" in sentences[0]


@pytest.mark.parametrize(
    ("low", "high", "words"), [(0.1, 0.3, "higher"), (-0.3, -0.1, "lower"), (-1, 1, "no difference")]
)
def test_sentences_follow_the_interval_whichever_way_it_points(study, low, high, words):
    tables = {"differences": pd.read_csv(study / "differences.csv").assign(difference=0.0, low=low, high=high)}
    tables["errors"] = pd.read_csv(study / "errors.csv").assign(risk_above_low=low, risk_above_high=high)
    assert all(words in sentence for sentence in findings(tables, RULES) if "as a sign of" not in sentence)


def test_pictures_are_drawn_and_equal_for_equal_tables(study, tmp_path):
    for name in ("a", "b"):
        files = {"png": tmp_path / f"{name}.png", "pdf": tmp_path / f"{name}.pdf"}
        alarm_boxplot(resamples_file=study / "resamples.csv", maps=MAPS, cohort="x", **files)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    risk_coverage_figure(
        curves_file=study / "curves.csv",
        errors_file=study / "errors.csv",
        cohort="x",
        png=tmp_path / "c.png",
        pdf=tmp_path / "c.pdf",
    )


def test_logits_that_are_no_numbers_are_refused(scores):
    broken = scores.copy()
    broken.loc[broken["part"] == "validation", "logit"] = np.nan
    with pytest.raises(UserError, match="not finite"):
        decide(broken, RULES)
