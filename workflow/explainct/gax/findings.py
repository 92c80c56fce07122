"""What the confidence study found: sentences made of the run's numbers, whichever way they point."""

from collections.abc import Mapping

import pandas as pd

from explainct.gax.evaluation import EVIDENCE, MARGIN
from explainct.gax.generate import FORMS
from explainct.gax.names import ADD, ADVERSARIAL, TARGET_MAP, augmentation_label, map_label, method_label

CONSTRUCTION = (
    "This is so by construction, and no finding about the map: the map raises the predicted class, and the score asks "
    "whether the true class rose. The sign of the score is whether the two are the same, which whoever computes it "
    "knows."
)

Tables = Mapping[str, pd.DataFrame]
"""The tables of `explainct.gax.study.compare_heatmaps` by name."""


def findings(tables: Tables, step: str) -> list[str]:
    """Return what the study found, a sentence each.

    Args:
        tables: the study's tables.
        step: name of the augmentation that sets the targets of GAX.
    """
    return [*_gap_sentences(tables, step), *_gax_sentences(tables), *_evidence_sentences(tables)]


def _gap_sentences(tables: Tables, step: str) -> list[str]:
    detectors = tables["detectors"].set_index(["map", "augmentation", "kind"])
    margin = detectors.loc[("", "", MARGIN)]
    if pd.isna(margin["auroc"]):
        return ["No classifier has both correct and wrong predictions, so nothing can be said about detecting them."]
    labelled, free = (detectors.loc[(TARGET_MAP, step, kind)] for kind in ("co_true", "co_predicted"))
    gaps = tables["distributions"].set_index(["map", "augmentation", "kind", "method"])["gap"]
    where = f"{map_label(TARGET_MAP)} by {augmentation_label(step)}"
    sentences = [
        f"{where}, scored for the true class as published, tells correct from wrong predictions with an AUROC of "
        f"{_interval(labelled)}. {CONSTRUCTION}",
        f"{where}, scored for the predicted class, has an AUROC of {_interval(free)}; the softmax margin, which "
        f"needs no map, has {_interval(margin)}. {_against_margin(free)}",
    ]
    for method in tables["distributions"]["method"].unique():
        true, predicted = (gaps[(TARGET_MAP, step, kind, method)] for kind in ("co_true", "co_predicted"))
        turned = "so it changes sign" if true * predicted < 0 else "so it keeps its sign"
        sentences.append(
            f"{method_label(method)}: the gap of medians between correct and wrong predictions is {true:+.2f} for "
            f"the true class and {predicted:+.2f} for the predicted one, {turned} ({where})."
        )
    control = tables["distributions"].set_index(["map", "augmentation", "kind"])["correct_median"].sort_index()
    medians, close = (
        ", ".join(f"{value:+.1f}" for value in control.loc[(ADVERSARIAL, augmentation, "co_predicted")])
        for augmentation in (ADD, step)
    )
    sentences.append(
        "The adversarial sign direction, which raises the predicted class most for a small step, has a median score of "
        f"{medians} at the published scale and of {close} by {augmentation_label(step)} (correct "
        "predictions, by method): what the published scale measures is how the classifier behaves far from its data."
    )
    return sentences


def _against_margin(row: pd.Series) -> str:
    numbers = f"{row['above_margin']:+.3f} [{row['above_low']:+.3f}, {row['above_high']:+.3f}]"
    if row["above_low"] > 0:
        return f"The map adds: the difference is {numbers}."
    if row["above_high"] < 0:
        return f"The margin is the better detector: the difference is {numbers}."
    return f"No difference is shown: {numbers}."


def _gax_sentences(tables: Tables) -> list[str]:
    reached = tables["reached"]
    total = reached["samples"].sum()
    share = 100 * (reached["samples"] * reached["reached"]).sum() / total
    worst = reached.loc[reached["reached"].idxmin()]
    sentences = [
        f"GAX reached the target of its class for {share:.1f} % of {total} correct predictions; "
        f"the lowest share is {100 * worst['reached']:.0f} %, of class {worst['label']} with "
        f"{method_label(worst['method'])}, seed {worst['seed']}."
    ]
    for row in tables["forms"].itertuples():
        mass = "" if pd.isna(row.mass) else f" and a mean mass over area of {row.mass:.2f}"
        sentences.append(
            f"{FORMS[row.form].label}, class {row.label}: {100 * row.reached:.0f} % of {row.samples} samples reached "
            f"the target (median {row.target:.1f}; the first map scores {row.start:.1f}); maps have a median rms of "
            f"{row.rms:.3f}{mass}."
        )
    return sentences


def _evidence_sentences(tables: Tables) -> list[str]:
    sentences = []
    for row in tables["evidence_differences"].itertuples():
        numbers = f"{row.difference:+.2f} [{row.low:+.2f}, {row.high:+.2f}]"
        way = "no difference is shown"
        if row.low > 0 or row.high < 0:
            way = f"the mass lies {'more' if row.low > 0 else 'less'} inside the lesion"
        sentences.append(
            f"{method_label(row.method)} against {method_label(row.reference)}, {EVIDENCE[row.metric]}: {way}, "
            f"{numbers} in mass over area ({row.patients} patients, {row.seeds} seeds; other trainings are not in the "
            "interval)."
        )
    return sentences


def _interval(row: pd.Series) -> str:
    return f"{row['auroc']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"
