"""The confidence study for reading: what was found, and all tables."""

import pandas as pd

from explainct.gax.evaluation import EVIDENCE, MARGIN
from explainct.gax.findings import Tables, findings
from explainct.gax.generate import FORMS
from explainct.gax.names import augmentation_label, map_label, method_label
from explainct.gax.published import NOTE
from explainct.report.study_text import Part, estimates

TITLE = "Confidence study: do heatmaps carry information that the classifier can use?"


def study_parts(tables: Tables, what: str, step: str) -> list[Part]:
    """Return the paragraphs and tables of the study in their order.

    Args:
        tables: the study's tables.
        what: its samples in words.
        step: name of the augmentation that sets the targets of GAX.
    """
    return [
        f"{what}. A score is kappa . (f(x changed by h) - f(x)) of raw logits; it is above 0 where the change favours "
        "a class, the true one as published, or the predicted one, for which no label is needed. Maps are those of the "
        "predicted class. Intervals are 95 % over patients and hold the trained classifiers fixed.",
        "## What was found",
        "\n".join(f"- {sentence}" for sentence in findings(tables, step)),
        "## The classifiers, in the form of the paper's Table 1",
        _classifiers(tables["classifiers"]),
        "As the paper prints it:",
        tables["published"],
        NOTE,
        "## Distributions of CO scores, correct and wrong predictions apart",
        "Medians with quartiles, all seeds together. The shuffled map has the same magnitudes in random order.",
        _distributions(tables["distributions"]),
        "## Scores as detectors of correct predictions",
        "AUROC of high scores as a sign of a correct prediction, mean over the classifiers. Rows that need the label "
        "are no detectors: they stand here since the paper proposes them. The margin is that of the softmax, "
        "without a map.",
        _detectors(tables["detectors"]),
        "## GAX: how many of the correct predictions reach the target of their class",
        "Targets are quantiles of the scores of Saliency on correct validation predictions, per class and classifier.",
        _reached(tables["reached"], ["method", "seed", "label"]),
        "## Forms of GAX, on a few samples of one classifier",
        _reached(tables["forms"], ["form", "label"]),
        "## Where the maps of test lesions lie: mass over area",
        "The share of a map's mass inside the lesion, divided by the lesion's share of the voxels: 1 for an even map.",
        _evidence(tables["evidence"]),
        _differences(tables["evidence_differences"]),
    ]


def _classifiers(table: pd.DataFrame) -> pd.DataFrame:
    shares = {
        name: ["-" if pd.isna(value) else f"{value:.3f}" for value in table[name]]
        for name in ("accuracy", "precision", "recall")
    }
    return table.assign(method=table["method"].map(method_label), **shares)


def _distributions(table: pd.DataFrame) -> pd.DataFrame:
    """Return a row per method, map and augmentation: medians with quartiles for the true class, then both gaps."""
    wide = table.pivot(index=["method", "map", "augmentation"], columns="kind").loc[
        pd.MultiIndex.from_frame(table[["method", "map", "augmentation"]].drop_duplicates())
    ]
    cells = {
        name: [
            "-" if pd.isna(median) else f"{median:.2f} [{low:.2f}, {high:.2f}]"
            for median, low, high in zip(
                *(wide[f"{name}_{part}", "co_true"] for part in ("median", "low", "high")), strict=True
            )
        ]
        for name in ("correct", "wrong")
    }
    gaps = {
        f"gap, {words}": ["-" if pd.isna(value) else f"{value:+.2f}" for value in wide["gap", kind]]
        for words, kind in (
            ("true class", "co_true"),
            ("predicted class", "co_predicted"),
            ("true class, shuffled map", "shuffled_true"),
        )
    }
    head = {
        "method": [method_label(key[0]) for key in wide.index],
        "map": [map_label(key[1]) for key in wide.index],
        "augmentation": [augmentation_label(key[2]) for key in wide.index],
    }
    return pd.DataFrame(head | cells | gaps)


def _detectors(table: pd.DataFrame) -> pd.DataFrame:
    """Return a row per map and augmentation and a column per kind of score; the margin first."""
    cells = table.assign(cell=estimates(table, "auroc"))
    margin = cells[cells["kind"] == MARGIN].iloc[0]
    rest = cells[cells["kind"] != MARGIN]
    keys = rest[["map", "augmentation"]].drop_duplicates()
    wide = rest.pivot(index=["map", "augmentation"], columns="kind", values="cell").loc[pd.MultiIndex.from_frame(keys)]
    names = {
        "co_predicted": "predicted class (no label)",
        "shuffled_predicted": "shuffled map",
        "co_true": "true class (needs the label)",
        "shuffled_true": "shuffled map, true class",
    }
    first = {"map": "Softmax margin", "augmentation": "no map", **dict.fromkeys(names.values(), "")}
    first["predicted class (no label)"] = margin["cell"]
    rows = {
        "map": [map_label(key[0]) for key in wide.index],
        "augmentation": [augmentation_label(key[1]) for key in wide.index],
        **{words: wide[kind].tolist() for kind, words in names.items()},
    }
    return pd.concat([pd.DataFrame([first]), pd.DataFrame(rows)], ignore_index=True)


def _reached(table: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    shown = table.rename(columns={"label": "class"})
    numbers = [name for name in ("target", "start", "score", "iterations", "rms", "mass") if name in table]
    shown = shown.assign(
        reached=[f"{100 * value:.0f} %" for value in table["reached"]],
        **{name: ["-" if pd.isna(value) else f"{value:.3g}" for value in table[name]] for name in numbers},
    )
    if "method" in by:
        shown["method"] = shown["method"].map(method_label)
    if "form" in by:
        shown["form"] = [FORMS[name].label for name in table["form"]]
    return shown.rename(columns={"mass": "mass over area"})


def _evidence(table: pd.DataFrame) -> pd.DataFrame:
    cells = table.assign(
        cell=estimates(table, "value"), map=table["metric"].map(EVIDENCE), method=table["method"].map(method_label)
    )
    wide = cells.pivot(index=["map", "method"], columns="seed", values="cell").reset_index()
    return wide.rename(
        columns={name: f"seed {name}" for name in wide.columns if str(name).isdigit()} | {"all": "all seeds"}
    )


def _differences(table: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "map": table["metric"].map(EVIDENCE),
            "method": table["method"].map(method_label),
            "minus": table["reference"].map(method_label),
            "difference": estimates(table, "difference", sign="+"),
            "patients": table["patients"],
            "seeds": table["seeds"],
        }
    )
