"""Rules that decide on the labels of a nodule: tuned on the validation part of a fold, applied to its test part.

A rule is data: which decision it starts from, and which score it swaps by, if any. All thresholds are those of one
class and one fold, from validation nodules alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit

from explainct.informer.alarm import exact_threshold, grid_threshold, swapped
from explainct.informer.thresholds import entropy, f1_threshold, youden_threshold
from explainct.scoring.metrics.calibrated_risk import check_logits, decision_risk, expected_f1_threshold, fit_platt

PROBABILITY_HALF = 0.5


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A rule.

    Attributes:
        name: its name in tables.
        label: its name for readers.
        source: `published` for what INFORMER describes, `control` for what is compared with it, `ours` for the
            calibrated alarm of this project.
        decision: what is called positive: from the Youden threshold on, above a half, from the threshold of the highest
            F1 on, or by calibrated probabilities from the threshold of the largest expected F1 on.
        swap_by: the column of scores, low where a decision is doubtful, below whose threshold decisions are swapped;
            empty for none.
        search: how that threshold is found.
    """

    name: str
    label: str
    source: str
    decision: str = "youden"
    swap_by: str = ""
    search: str = "exact"


MAP_LABELS = {"input_x_gradient": "Input x Gradient", "lrp": "LRP z+", "grad_cam": "Grad-CAM"}
MAP_NAMES = {"input_x_gradient": "ixg", "lrp": "lrp", "grad_cam": "grad_cam"}

CALIBRATED = Rule(name="calibrated", label="Calibrated, expected F1 (ours)", source="ours", decision="calibrated")
NO_ALARM = Rule(name="no_alarm", label="No alarm (Youden threshold)", source="control")

_CONTROLS = (
    NO_ALARM,
    Rule(name="above_half", label="p > 0.5", source="control", decision="half"),
    Rule(name="swap_random", label="Swap by random score", source="control", swap_by="random"),
    Rule(name="swap_margin", label="Swap by distance to the threshold", source="control", swap_by="margin"),
    Rule(name="entropy", label="Pred. Entropy", source="published", swap_by="certainty"),
    Rule(name="tta", label="TTA", source="published", swap_by="agreement"),
)


def rules_of(maps: Sequence[str]) -> list[Rule]:
    """Return all rules where these class maps are there, in the order of tables."""
    informer = [
        Rule(
            name=f"informer_{MAP_NAMES[name]}{suffix}",
            label=f"INFORMER, {MAP_LABELS[name]}{words}",
            source="published",
            swap_by=f"d_{name}",
            search=search,
        )
        for name in maps
        for suffix, words, search in (("", "", "exact"), ("_grid", ", grid of 0.001", "grid"))
    ]
    optimal = Rule(name="f1_threshold", label="F1-optimal threshold", source="control", decision="f1")
    return [*_CONTROLS, *informer, optimal, CALIBRATED]


def decide(scores: pd.DataFrame, rules: Sequence[Rule]) -> pd.DataFrame:
    """Return the test nodules with the decision of every rule, each fold's test part by its validation part.

    Args:
        scores: the table of `explainct.informer.scores.score_monitored`.
        rules: the rules.

    Returns:
        The rows of the test parts, with `probability`, `threshold` (Youden's), `calibrated_probability`, `log_odds`
        (its logit), `risk` (that the decision at the Youden threshold is wrong), `margin`, `certainty` and `agreement`
        (scores that are low where a decision is doubtful), and a column of 0 or 1 for each rule.

    Raises:
        UserError: validation labels of a class are all the same, or scores are not finite.
    """
    tables = []
    for _, group in scores.groupby(["fold", "attribute"], sort=True):
        parts = dict(iter(_with_certainty(group).groupby("part")))
        tables.append(_of_class(parts["validation"], parts["test"], rules))
    return pd.concat(tables, ignore_index=True)


def _with_certainty(scores: pd.DataFrame) -> pd.DataFrame:
    """Return scores with the probability, and those of the baselines so that low ones are doubtful."""
    probability = expit(scores["logit"].to_numpy(np.float64))
    return scores.assign(
        probability=probability, certainty=1 - entropy(probability), agreement=-scores["tta_deviation"]
    )


def _of_class(validation: pd.DataFrame, test: pd.DataFrame, rules: Sequence[Rule]) -> pd.DataFrame:
    """Return the test rows of one class and fold with all decisions."""
    label = validation["label"].to_numpy()
    check_logits(np.concatenate([validation["logit"], test["logit"]]))
    youden = youden_threshold(label, validation["probability"].to_numpy())
    platt = fit_platt(validation["logit"].to_numpy(), label)
    fitted = platt.probability(validation["logit"].to_numpy())
    limits = {
        "youden": ("probability", youden),
        "half": ("probability", PROBABILITY_HALF),
        "f1": ("probability", f1_threshold(label, validation["probability"].to_numpy())),
        "calibrated": (
            "calibrated_probability",
            expected_f1_threshold(fitted),
        ),
    }
    validation, test = (
        part.assign(
            threshold=youden,
            margin=(part["probability"] - youden).abs(),
            calibrated_probability=platt.probability(part["logit"].to_numpy()),
            log_odds=platt.log_odds(part["logit"].to_numpy()),
        )
        for part in (validation, test)
    )
    decisions = {}
    for rule in rules:
        column, limit = limits[rule.decision]
        decided = [(part[column] >= limit).to_numpy().astype(int) for part in (validation, test)]
        if rule.swap_by:
            search = exact_threshold if rule.search == "exact" else grid_threshold
            tau = search(validation[rule.swap_by].to_numpy(), label, decided[0])
            decided[1] = swapped(decided[1], test[rule.swap_by].to_numpy(), tau)
        decisions[rule.name] = decided[1]
    before = (test["probability"] >= youden).to_numpy().astype(int)
    risk = decision_risk(test["calibrated_probability"].to_numpy(), before)
    return test.assign(risk=risk, **decisions)
