"""How good the rules are, and how well each score finds errors: out-of-fold, with intervals over patients.

Each draw takes patients with replacement, the same ones for all rules, classes and scores, so differences are paired.
Intervals hold the trained classifiers fixed.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import chi2
from sklearn.linear_model import LogisticRegression

from explainct.informer.alarm import f1_score
from explainct.informer.rules import NO_ALARM, Rule
from explainct.scoring.metrics.selective import risk_at, selective_area, selective_risk
from explainct.scoring.statistics.paired_differences import interval_of_draws, patient_draws, roc_auc_by_draw
from explainct.seeds import numpy_generator

METRICS = ("f1", "sensitivity", "specificity")
MEAN = "mean"
"""The name of the mean over classes in the column `attribute`."""
COVERAGE = 0.8
"""Share of predictions that is kept where the error rate after abstaining is given."""
PUBLISHED_RESAMPLES = 30
"""Bootstrapped test sets of INFORMER (section 3)."""

UNCERTAINTIES: dict[str, tuple[str, str, int]] = {
    "risk": ("Calibrated risk (ours)", "risk", 1),
    "entropy": ("Predictive entropy", "certainty", -1),
    "margin": ("Distance to the threshold", "margin", -1),
    "tta_deviation": ("TTA, deviation of logits", "tta_deviation", 1),
    "tta_entropy": ("TTA, entropy of the mean", "tta_entropy", 1),
    "random": ("Random", "random", 1),
}
"""Scores by which errors are looked for: label for readers, column, and 1 where high values are uncertain or -1."""


class Draws:
    """Draws of patients for a table of decisions.

    Args:
        decisions: the table of `explainct.informer.rules.decide`.
        seed: seed of the draws.
    """

    def __init__(self, decisions: pd.DataFrame, *, seed: int) -> None:
        names = sorted(set(decisions["patient_id"]))
        self.number = {name: number for number, name in enumerate(names)}
        self.drawn = patient_draws(len(names), 1, seed=seed)  # [1 + R, P]; row 0 is the cohort

    def owner(self, table: pd.DataFrame) -> np.ndarray:
        """Return the patient's number of each row [N]."""
        return table["patient_id"].map(self.number).to_numpy()

    def count(self, table: pd.DataFrame, values: np.ndarray) -> np.ndarray:
        """Return the sum of `values` [N] of the rows in each draw [1 + R]."""
        return self.drawn @ np.bincount(self.owner(table), values, minlength=len(self.number))


Values = dict[tuple[str, str, str], np.ndarray]
"""Values in the cohort and in each draw [1 + R], by metric, rule and attribute."""


def scores_by_draw(decisions: pd.DataFrame, rules: Sequence[Rule], draws: Draws) -> Values:
    """Return F1, sensitivity and specificity of each rule and class, and their means over classes, in each draw.

    Counts are those of all folds together. A sensitivity or specificity without a sample is NaN.

    Args:
        decisions: the table of `explainct.informer.rules.decide`.
        rules: the rules.
        draws: draws of its patients.

    Returns:
        The values by metric, rule and attribute, `mean` among the latter.
    """
    values: Values = {}
    for attribute, rows in decisions.groupby("attribute", sort=False):
        label = rows["label"].to_numpy()
        positives, negatives = draws.count(rows, label), draws.count(rows, 1 - label)
        for rule in rules:
            called = rows[rule.name].to_numpy()
            hits, false = draws.count(rows, called * label), draws.count(rows, called * (1 - label))
            values["f1", rule.name, str(attribute)] = f1_score(hits, false, positives - hits)
            with np.errstate(invalid="ignore"):
                values["sensitivity", rule.name, str(attribute)] = hits / positives
                values["specificity", rule.name, str(attribute)] = 1 - false / negatives
    attributes = list(dict.fromkeys(decisions["attribute"]))
    for metric in METRICS:
        for rule in rules:
            values[metric, rule.name, MEAN] = np.mean([values[metric, rule.name, name] for name in attributes], axis=0)
    return values


def score_table(values: Values) -> pd.DataFrame:
    """Return the values of `scores_by_draw` as a table: metric, rule, attribute, value, low and high (95 %)."""
    rows = [(*key, *interval_of_draws(draws)) for key, draws in values.items()]
    return pd.DataFrame(rows, columns=["metric", "rule", "attribute", "value", "low", "high"])


def rule_differences(values: Values, rules: Sequence[Rule], references: Sequence[str]) -> pd.DataFrame:
    """Return by how much the mean F1 of each rule is above that of each reference, with paired 95 % intervals.

    Args:
        values: as `scores_by_draw` returns them.
        rules: the rules.
        references: names of rules.

    Returns:
        One row per reference and other rule: rule, reference, difference, low, high.
    """
    rows = [
        (rule.name, reference, *interval_of_draws(values["f1", rule.name, MEAN] - values["f1", reference, MEAN]))
        for reference in references
        for rule in rules
        if rule.name != reference
    ]
    return pd.DataFrame(rows, columns=["rule", "reference", "difference", "low", "high"])


def published_resamples(decisions: pd.DataFrame, rules: Sequence[Rule], *, seed: int) -> pd.DataFrame:
    """Return the mean F1 of each rule on 30 test sets that are drawn with replacement (INFORMER, section 3, Figure 3).

    Nodules are drawn, not patients, and as many as there are, as published.

    Args:
        decisions: the table of `explainct.informer.rules.decide`.
        rules: the rules.
        seed: seed of the draws.

    Returns:
        Columns resample, rule, mean_f1.
    """
    names = sorted(set(decisions["lesion_id"]))
    drawn = numpy_generator(seed, "published resamples").multinomial(
        len(names), np.full(len(names), 1 / len(names)), size=PUBLISHED_RESAMPLES
    )
    number = decisions["lesion_id"].map({name: n for n, name in enumerate(names)}).to_numpy()
    rows = []
    for resample, counts in enumerate(drawn):
        weight = counts[number]
        for rule in rules:
            called, label = decisions[rule.name].to_numpy(), decisions["label"].to_numpy()
            counts_of = (weight * called * label, weight * called * (1 - label), weight * (1 - called) * label)
            sums = pd.DataFrame(np.column_stack(counts_of)).groupby(decisions["attribute"].to_numpy()).sum()
            rows.append((resample, rule.name, float(f1_score(*sums.to_numpy().T).mean())))
    return pd.DataFrame(rows, columns=["resample", "rule", "mean_f1"])


def class_aucs(decisions: pd.DataFrame, draws: Draws) -> pd.DataFrame:
    """Return the area under the ROC curve of each attribute, all folds together.

    Args:
        decisions: the table of `explainct.informer.rules.decide`.
        draws: draws of its patients.

    Returns:
        Columns attribute, auc with low and high (95 %), positives and nodules.
    """
    rows = []
    for attribute, group in decisions.groupby("attribute", sort=False):
        label = group["label"].to_numpy()
        area = roc_auc_by_draw(label, group["probability"].to_numpy(), draws.owner(group), draws.drawn)
        rows.append((attribute, *interval_of_draws(area), int(label.sum()), len(group)))
    return pd.DataFrame(rows, columns=["attribute", "auc", "low", "high", "positives", "nodules"])


def uncertainties(decisions: pd.DataFrame, maps: Sequence[str]) -> dict[str, np.ndarray]:
    """Return each score by which errors are looked for, [N], as ranks in (0, 1] within its fold and class.

    Scores of different folds are those of different classifiers, whose scales differ; their ranks do not.

    Args:
        decisions: the table of `explainct.informer.rules.decide`.
        maps: class maps whose distinctiveness is there; low distinctiveness counts as uncertain, as published.
    """
    columns = {name: (column, sign) for name, (_, column, sign) in UNCERTAINTIES.items()}
    columns |= {f"d_{name}": (f"d_{name}", -1) for name in maps}
    keys = [decisions["fold"], decisions["attribute"]]
    return {
        name: (sign * decisions[column]).groupby(keys).rank(pct=True).to_numpy()
        for name, (column, sign) in columns.items()
    }


def error_detection(
    decisions: pd.DataFrame, found: dict[str, np.ndarray], draws: Draws
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return how well each score finds the errors of the decisions without an alarm.

    Args:
        decisions: the table of `explainct.informer.rules.decide`.
        found: scores of its rows, as `uncertainties` returns them.
        draws: draws of its patients.

    Returns:
        One row per score, means over classes: score, auroc with low and high (95 %), aurc and excess_aurc (areas under
        the risk-coverage curve), error_rate, and error_at_80 (error rate of the most certain 80 %), and how much the
        AUROC of the calibrated risk is above it: risk_above, risk_above_low, risk_above_high. And the risk-coverage
        curves: score, coverage, risk.
    """
    wrong = (decisions[NO_ALARM.name] != decisions["label"]).to_numpy()
    of_class = list(decisions.groupby("attribute", sort=False).indices.values())
    rows, curves, areas = [], [], {}
    for name, values in found.items():
        areas[name] = np.mean(
            [
                roc_auc_by_draw(wrong[part].astype(int), values[part], draws.owner(decisions.iloc[part]), draws.drawn)
                for part in of_class
            ],
            axis=0,
        )
        parts = [selective_area(values[part], wrong[part]) for part in of_class]
        left = np.mean([risk_at(values[part], wrong[part], COVERAGE) for part in of_class])
        above = interval_of_draws(areas["risk"] - areas[name])
        rows.append((name, *interval_of_draws(areas[name]), *np.mean(parts, axis=0), wrong.mean(), left, *above))
        curve = pd.concat([selective_risk(values[part], wrong[part]) for part in of_class])
        mean = curve.groupby(curve["coverage"].round(6), as_index=False)["risk"].mean()
        curves.append(mean.assign(score=name))
    columns = ["score", "auroc", "low", "high", "aurc", "excess_aurc", "error_rate", "error_at_80"]
    columns += ["risk_above", "risk_above_low", "risk_above_high"]
    return pd.DataFrame(rows, columns=columns), pd.concat(curves, ignore_index=True)[["score", "coverage", "risk"]]


def likelihood_ratios(decisions: pd.DataFrame, maps: Sequence[str]) -> pd.DataFrame:
    """Return whether distinctiveness says more than the calibrated probability does, by likelihood-ratio tests.

    A logistic regression on the calibrated log odds and their square is compared with one that has the distinctiveness
    too, standardised within its fold. Nodules of a patient count as independent, so the tests are optimistic.

    Args:
        decisions: the table of `explainct.informer.rules.decide`.
        maps: class maps whose distinctiveness is there.

    Returns:
        One row per map, attribute and target (`label`, or `error` of the decision without an alarm): map, attribute,
        target, chi2 (one degree of freedom) and p.
    """
    rows = []
    for attribute, group in decisions.groupby("attribute", sort=False):
        odds = group["log_odds"].to_numpy()
        base = np.column_stack([odds, odds**2])
        targets = {
            "label": group["label"].to_numpy(),
            "error": (group[NO_ALARM.name] != group["label"]).to_numpy().astype(int),
        }
        for name in maps:
            of_fold = group.groupby("fold")[f"d_{name}"]
            deviation = of_fold.transform("std").replace(0, 1)
            d = ((group[f"d_{name}"] - of_fold.transform("mean")) / deviation).to_numpy()
            for target, values in targets.items():
                gain = 2 * (log_likelihood(np.column_stack([base, d]), values) - log_likelihood(base, values))
                gain = max(gain, 0.0)
                rows.append((name, attribute, target, gain, float(chi2.sf(gain, 1))))
    return pd.DataFrame(rows, columns=["map", "attribute", "target", "chi2", "p"])


def log_likelihood(features: np.ndarray, target: np.ndarray) -> float:
    """Return the highest log-likelihood of a logistic regression without regularisation.

    Args:
        features: [N, F].
        target: 0 or 1 [N]; where all are the same it is 0.
    """
    if len(np.unique(target)) < 2:
        return 0.0
    scaled = (features - features.mean(0)) / np.maximum(features.std(0), 1e-12)
    model = LogisticRegression(C=np.inf, max_iter=1000, tol=1e-8).fit(scaled, target)
    return float(model.predict_log_proba(scaled)[np.arange(len(target)), target].sum())
