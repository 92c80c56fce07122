"""What the monitoring study found, in prose and tables, for reading: Markdown, and a page for the report.

Sentences are made of the numbers of the run: each says what its interval allows, whichever way it points.
"""

from collections.abc import Mapping, Sequence

import pandas as pd

from explainct.informer.evaluation import COVERAGE, MEAN, UNCERTAINTIES
from explainct.informer.published import NOTE
from explainct.informer.rules import MAP_LABELS, Rule
from explainct.report.study_text import Part, estimates

TITLE = "Monitoring study: which predictions should not be trusted?"

Tables = Mapping[str, pd.DataFrame]
"""The tables of `explainct.informer.study.compare_alarms` by name."""


def findings(tables: Tables, rules: Sequence[Rule]) -> list[str]:
    """Return what the study found, a sentence each.

    Args:
        tables: the study's tables.
        rules: its rules.
    """
    label = {rule.name: rule.label for rule in rules}
    differences = tables["differences"].set_index(["rule", "reference"])
    informer = [rule for rule in rules if rule.name.startswith("informer_") and rule.search == "exact"]
    sentences = [
        f"{rule.label} against {label[reference]}: {_said(differences.loc[(rule.name, reference)])}"
        for rule in informer
        for reference in ("no_alarm", "swap_random", "entropy")
    ]
    sentences += [
        f"{label['calibrated']} against {label[reference]}: {_said(differences.loc[('calibrated', reference)])}"
        for reference in ("no_alarm", "f1_threshold", *(rule.name for rule in informer))
    ]
    errors = tables["errors"].set_index("score")
    sentences += [
        f"Calibrated risk ranks errors against {uncertainty_label(name)}: AUROC {_above(row)}"
        for name, row in errors.iterrows()
        if name != "risk"
    ]
    for name in (name for name in errors.index if name.startswith("d_")):
        row = errors.loc[name]
        way = (
            "low distinctiveness goes with errors, as the paper expects"
            if row["low"] > 0.5
            else (
                "low distinctiveness goes with correct predictions, against what the paper expects"
                if row["high"] < 0.5
                else "the interval holds 0.5: distinctiveness does not tell errors from correct predictions"
            )
        )
        sentences.append(
            f"{uncertainty_label(name)} as a sign of errors: AUROC {row['auroc']:.3f} [{row['low']:.3f}, "
            f"{row['high']:.3f}]; {way}."
        )
    return sentences


def uncertainty_label(name: str) -> str:
    """Return the name for readers of a score by which errors are looked for."""
    if name in UNCERTAINTIES:
        return UNCERTAINTIES[name][0]
    return f"low distinctiveness, {MAP_LABELS[name.removeprefix('d_')]}"


def study_parts(tables: Tables, rules: Sequence[Rule], what: str) -> list[Part]:
    """Return the paragraphs and tables of the study in their order; `what` are its nodules in words."""
    return [
        f"{what}. Every nodule is a test nodule once; classifiers and all thresholds are those of the other folds' "
        "training and validation nodules, for each fold and class. Intervals are 95 % over patients, paired, and hold "
        "the trained classifiers fixed. Rows say whether a rule is as published, a control, or ours.",
        "## What was found",
        "\n".join(f"- {sentence}" for sentence in findings(tables, rules)),
        "## Area under the ROC curve of the classifiers",
        _aucs(tables["aucs"]),
        "## F1 of every rule, in the form of INFORMER's Table 1",
        _wide(tables["f1"], rules, "f1"),
        "## As INFORMER prints it",
        f"{NOTE} A printed mean that is not that of its row is marked.",
        _published(tables["published"]),
        "## Differences of mean F1",
        _differences(tables["differences"], rules),
        "## Sensitivity",
        _wide(tables["f1"], rules, "sensitivity"),
        "## Specificity",
        _wide(tables["f1"], rules, "specificity"),
        "## Scores as detectors of errors",
        "Errors are those of the decisions without an alarm. Scores are ranked within fold and class; values are means "
        f"over classes. The error rate is that of the most certain {100 * COVERAGE:.0f} % of the predictions.",
        _errors(tables["errors"]),
        "## What distinctiveness adds to the calibrated probability",
        "Likelihood-ratio test, one degree of freedom, of a logistic regression with distinctiveness against one "
        "without it; nodules of a patient count as independent, so the tests are optimistic. They are not corrected "
        f"for their number, {len(tables['likelihood'])}.",
        _likelihood(tables["likelihood"]),
    ]


def _said(row: pd.Series) -> str:
    """Return a difference of mean F1 with its interval, and what it allows to say."""
    numbers = f"{row['difference']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]"
    if row["low"] > 0:
        return f"mean F1 is higher, {numbers}."
    return f"mean F1 is lower, {numbers}." if row["high"] < 0 else f"no difference is shown, {numbers}."


def _above(row: pd.Series) -> str:
    """Return by how much the AUROC of the calibrated risk is above another, and what the interval allows to say."""
    numbers = f"{row['risk_above']:+.3f} [{row['risk_above_low']:+.3f}, {row['risk_above_high']:+.3f}]"
    if row["risk_above_low"] > 0:
        return f"is higher, {numbers}."
    return f"is lower, {numbers}." if row["risk_above_high"] < 0 else f"shows no difference, {numbers}."


def _aucs(table: pd.DataFrame) -> pd.DataFrame:
    cells = {"attribute": table["attribute"], "AUC": estimates(table, "auc")}
    return pd.DataFrame(cells | {name: table[name].astype(str) for name in ("positives", "nodules")})


def _wide(table: pd.DataFrame, rules: Sequence[Rule], metric: str) -> pd.DataFrame:
    """Return one metric with a row per rule and a column per class; the mean has its interval, the best value stars."""
    rows = table[table["metric"] == metric]
    attributes = [name for name in dict.fromkeys(rows["attribute"]) if name != MEAN]
    values = rows.pivot(index="rule", columns="attribute", values="value").loc[[rule.name for rule in rules]]
    cells = {
        name: [f"{value:.3f}{'*' if value == values[name].max() else ''}" for value in values[name]]
        for name in attributes
    }
    means = rows[rows["attribute"] == MEAN].set_index("rule").loc[values.index]
    head = {"rule": [rule.label for rule in rules], "": [rule.source for rule in rules]}
    return pd.DataFrame(head | cells | {f"mean {metric}": estimates(means, "value")})


def _published(table: pd.DataFrame) -> pd.DataFrame:
    marked = [
        f"{value:.4f}{'' if agrees else ' (not the printed mean)'}"
        for value, agrees in zip(table["recomputed"], table["agrees"], strict=True)
    ]
    return table.drop(columns="agrees").assign(recomputed=marked)


def _differences(table: pd.DataFrame, rules: Sequence[Rule]) -> pd.DataFrame:
    """Return differences with a row per rule and a column per reference."""
    label = {rule.name: rule.label for rule in rules}
    cells = table.assign(cell=estimates(table, "difference", sign="+"))
    wide = cells.pivot(index="rule", columns="reference", values="cell").fillna("")
    wide = wide.loc[[rule.name for rule in rules], list(dict.fromkeys(table["reference"]))]
    wide.columns = [f"minus {label[name]}" for name in wide.columns]
    wide.insert(0, "rule", [label[name] for name in wide.index])
    return wide


def _errors(table: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "score": table["score"].map(uncertainty_label),
            "AUROC": estimates(table, "auroc"),
            "calibrated risk minus this": estimates(table, "risk_above", "risk_above_low", "risk_above_high", "+"),
            "area under risk-coverage": [f"{value:.3f}" for value in table["aurc"]],
            f"error rate at {100 * COVERAGE:.0f} %": [f"{value:.3f}" for value in table["error_at_80"]],
            "without abstaining": [f"{value:.3f}" for value in table["error_rate"]],
        }
    )


def _likelihood(table: pd.DataFrame) -> pd.DataFrame:
    """Return chi2 and p with a row per map and target and a column per class."""
    cells = table.assign(
        cell=[f"{row.chi2:.1f} (p = {row.p:.2g})" for row in table.itertuples()], map=table["map"].map(MAP_LABELS)
    )
    wide = cells.pivot(index=["map", "target"], columns="attribute", values="cell")
    return wide[list(dict.fromkeys(table["attribute"]))].reset_index()
