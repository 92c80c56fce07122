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
NOT_QUITE = (
    "It would be 1 by construction, whatever the map shows, if each step raised the predicted class; here some do not."
)
SEPARATED = 0.99
"""AUROC from which on the labelled score counts as separating correct from wrong."""

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
    return [*_detector_sentences(tables, step), *_median_sentences(tables, step), _adversarial_sentence(tables, step)]


def _detector_sentences(tables: Tables, step: str) -> list[str]:
    detectors = tables["detectors"].set_index(["map", "augmentation", "kind"])
    margin = detectors.loc[("", "", MARGIN)]
    if pd.isna(margin["auroc"]):
        return ["No classifier has both correct and wrong predictions, so nothing can be said about detecting them."]
    labelled, free = (detectors.loc[(TARGET_MAP, step, kind)] for kind in ("co_true", "co_predicted"))
    counts = tables["classifiers"][["wrong", "samples"]].sum()
    where = f"{map_label(TARGET_MAP)} by {augmentation_label(step)}"
    reason = CONSTRUCTION if labelled["auroc"] >= SEPARATED else NOT_QUITE
    return [
        f"{where}, scored for the true class as published, tells correct from wrong predictions with an AUROC of "
        f"{_interval(labelled)}. {reason}",
        f"{where}, scored for the predicted class, has an AUROC of {_interval(free)}; the softmax margin, which needs "
        f"no map, has {_interval(margin)} ({counts['wrong']} of {counts['samples']} predictions are wrong, all "
        f"classifiers together). {_against_margin(free)}",
    ]


def _median_sentences(tables: Tables, step: str) -> list[str]:
    table = tables["distributions"].set_index(["map", "augmentation", "kind", "method"])
    sentences = []
    for method in tables["distributions"]["method"].unique():
        true, predicted = (table.loc[(TARGET_MAP, step, kind, method)] for kind in ("co_true", "co_predicted"))
        name = method_label(method)
        if pd.isna(true["gap"]):
            word = "wrong" if true["wrong"] == 0 else "correct"
            sentences.append(f"{name}: no prediction is {word}, so there is no gap.")
            continue
        sign = "changes" if true["gap"] * predicted["gap"] < 0 else "keeps"
        sentences.append(
            f"{name}: the gap of medians between {int(true['correct'])} correct and {int(true['wrong'])} wrong "
            f"predictions is {true['gap']:+.2f} for the true class and {predicted['gap']:+.2f} for the predicted one: "
            f"it {sign} its sign ({map_label(TARGET_MAP)} by {augmentation_label(step)})."
        )
    return sentences


def _adversarial_sentence(tables: Tables, step: str) -> str:
    control = tables["distributions"].set_index(["map", "augmentation", "kind"]).sort_index()
    far, near = (
        ", ".join(
            f"{row.correct_median:+.1f} ({method_label(row.method)})"
            for row in control.loc[(ADVERSARIAL, augmentation, "co_predicted")].itertuples()
        )
        for augmentation in (ADD, step)
    )
    return (
        "The adversarial sign direction, which raises the predicted class most for a small step, has a median score on "
        f"correct predictions of {near} by {augmentation_label(step)}, and of {far} at the published scale, where each "
        "voxel moves by the whole range of the image."
    )


def _against_margin(row: pd.Series) -> str:
    numbers = f"{row['above_margin']:+.3f} [{row['above_low']:+.3f}, {row['above_high']:+.3f}]"
    if row["above_low"] > 0:
        return f"The map adds: the difference is {numbers}."
    if row["above_high"] < 0:
        return f"The margin is the better detector: the difference is {numbers}."
    return f"No difference is shown: {numbers}."


def _gax_sentences(tables: Tables) -> list[str]:
    reached = tables["reached"]
    if reached.empty:
        return ["No prediction is correct, so GAX has nothing to raise."]
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
            f"{numbers} in mass over area ({row.patients} patients, {_seeds(row.seeds)}; other trainings are not in "
            "the interval)."
        )
    return sentences


def _seeds(count: int) -> str:
    return f"{count} seed{'' if count == 1 else 's'}"


def _interval(row: pd.Series) -> str:
    return f"{row['auroc']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"
