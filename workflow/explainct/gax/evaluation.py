"""Tables of the confidence study: distributions, detectors of correctness, GAX, and where the evidence lies.

Intervals are over patients, paired, and hold the trained classifiers fixed.
"""

import numpy as np
import pandas as pd

from explainct.scoring.statistics.paired_differences import (
    interval_of_draws,
    mean_by_draw,
    patient_draws,
    roc_auc_by_draw,
    value_differences,
)

MODEL = ["method", "seed"]
KINDS = ("co_true", "co_predicted", "shuffled_true", "shuffled_predicted")
"""Scores for the true and the predicted class, by the map and by its shuffled control."""
MARGIN = "margin"
EVIDENCE = {
    "gax_mass": "GAX",
    "cam_mass": "Class activation map",
    "input_x_gradient_mass": "Input x Gradient",
}
"""Columns with mass over area of a map, and the map for readers."""


def classifier_table(scores: pd.DataFrame) -> pd.DataFrame:
    """Return how the classifiers did on the study's test samples, in the form of the paper's Table 1.

    Args:
        scores: tables of `explainct.gax.heatmap_scores.score_heatmaps`, together.

    Returns:
        A row per method and seed: samples, wrong, accuracy, precision and recall of the classes from 1 on, which hold a
        finding; NaN where there is nothing to divide by.
    """
    rows = []
    test = scores[scores["split"] == "test"].drop_duplicates([*MODEL, "sample_id"])
    for key, table in test.groupby(MODEL, sort=True):
        found, called = table["label"] > 0, table["predicted"] > 0
        hits = table["correct"] & found
        rows.append(
            (
                *(*key, len(table), int((~table["correct"]).sum()), table["correct"].mean()),
                *(hits.sum() / part.sum() if part.any() else np.nan for part in (called, found)),
            )
        )
    return pd.DataFrame(rows, columns=[*MODEL, "samples", "wrong", "accuracy", "precision", "recall"])


def distribution_table(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the distributions of CO scores, correct and wrong predictions apart, as Figures 2 and 3 draw them.

    Args:
        scores: tables of `explainct.gax.heatmap_scores.score_heatmaps`, together.

    Returns:
        A row per method, map, augmentation and kind of score, all seeds together: `correct` and `wrong` (how many), and
        of each the quartiles `correct_low`, `correct_median`, `correct_high` and so on; and `gap`, the median of the
        correct ones less that of the wrong ones.
    """
    rows = []
    test = scores[scores["split"] == "test"]
    for key, table in test.groupby(["method", "map", "augmentation"], sort=False):
        for kind in KINDS:
            row = dict(zip(["method", "map", "augmentation"], key, strict=True)) | {"kind": kind}
            for name, part in (("correct", table[table["correct"]]), ("wrong", table[~table["correct"]])):
                low, median, high = part[kind].quantile([0.25, 0.5, 0.75])
                row |= {name: len(part), f"{name}_low": low, f"{name}_median": median, f"{name}_high": high}
            rows.append(row | {"gap": row["correct_median"] - row["wrong_median"]})
    return pd.DataFrame(rows)


def detector_table(scores: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """Return how well each score tells correct from wrong predictions, next to the softmax margin, which needs no map.

    Args:
        scores: tables of `explainct.gax.heatmap_scores.score_heatmaps`, together.
        seed: seed of the draws of patients.

    Returns:
        A row per map, augmentation and kind of score, and one for the margin: `auroc` of high scores as a sign of
        correct predictions, mean over the classifiers that have both, with `low` and `high` (95 %); `needs_label`; and
        how much it is above that of the margin, `above_margin`, `above_low`, `above_high`.
    """
    test = scores[scores["split"] == "test"]
    names = sorted(set(test["patient_id"]))
    number = {name: place for place, name in enumerate(names)}
    drawn = patient_draws(len(names), 1, seed=seed)  # [1 + R, P]; row 0 is the cohort
    margin = _mean_area(test.drop_duplicates([*MODEL, "sample_id"]), MARGIN, number, drawn)
    rows = [("", "", MARGIN, *interval_of_draws(margin), False, 0.0, 0.0, 0.0)]
    for (name, augmentation), table in test.groupby(["map", "augmentation"], sort=False):
        for kind in KINDS:
            area = _mean_area(table, kind, number, drawn)
            above = interval_of_draws(area - margin)
            rows.append((name, augmentation, kind, *interval_of_draws(area), kind.endswith("true"), *above))
    columns = ["map", "augmentation", "kind", "auroc", "low", "high", "needs_label"]
    return pd.DataFrame(rows, columns=[*columns, "above_margin", "above_low", "above_high"])


def _mean_area(table: pd.DataFrame, column: str, number: dict[str, int], drawn: np.ndarray) -> np.ndarray:
    """Return the mean over classifiers of the AUROC of a column for correct predictions, in each draw [1 + R].

    Draws without a wrong or a correct prediction of a classifier leave it out.
    """
    areas = []
    for _, rows in table.groupby(MODEL, sort=True):
        correct = rows["correct"].to_numpy().astype(int)
        if 0 < correct.sum() < len(correct):
            owner = rows["patient_id"].map(number).to_numpy()
            with np.errstate(invalid="ignore"):
                areas.append(roc_auc_by_draw(correct, rows[column].to_numpy(np.float64), owner, drawn))
    if not areas:
        return np.full(len(drawn), np.nan)
    known = np.isfinite(areas)
    return np.divide(np.nansum(areas, axis=0), known.sum(0), out=np.full(len(drawn), np.nan), where=known.any(0))


def reached_table(heatmaps: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Return how often GAX reached its target on correctly predicted samples, and in how many steps.

    Args:
        heatmaps: tables of `explainct.gax.heatmaps.heatmap_table`.
        by: columns of the groups, such as method and seed.

    Returns:
        A row per group: samples, reached (a share), and medians: target, start (score of the first map), score,
        iterations (of those that reached it, NaN without), rms.
    """
    rows = []
    for key, table in heatmaps[heatmaps["correct"]].groupby(by, sort=False):
        done = table[table["reached"]]
        medians = table[["target", "start", "score", "rms"]].median()
        row = dict(zip(by, key, strict=True)) | {"samples": len(table), "reached": table["reached"].mean()}
        rows.append(row | medians.to_dict() | {"iterations": done["iterations"].median()})
    columns = [*by, "samples", "reached", "target", "start", "score", "iterations", "rms"]
    return pd.DataFrame(rows, columns=columns)


def evidence_tables(heatmaps: pd.DataFrame, *, reference: str, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return where the maps of test lesions lie, per method and seed, and by how much methods differ.

    Lesions that have no voxel on the grid are left out; a map of zeros has no mass inside, and counts as 0.

    Args:
        heatmaps: tables of `explainct.gax.heatmaps.generate_heatmaps`, together.
        reference: the method that the others are compared with.
        seed: seed of the draws of patients.

    Returns:
        A row per map, method and seed, and for `all` seeds: metric, method, seed, value (mean of mass over area), low,
        high, lesions. And the table of `value_differences`.
    """
    long = heatmaps.melt([*MODEL, "patient_id", "sample_id"], list(EVIDENCE), "metric", "value")
    models = len(heatmaps[MODEL].drop_duplicates())
    known = long.dropna(subset="value").groupby(["metric", "sample_id"])["value"].transform("size") == models
    values = long.dropna(subset="value")[known]
    rows = []
    for (metric, method), table in values.groupby(["metric", "method"], sort=True):
        owner, names = pd.factorize(table["patient_id"], sort=True)
        drawn = patient_draws(len(names), 1, seed=seed)
        by_seed = {"all": table} | {str(number): part for number, part in table.groupby("seed")}
        for name, part in by_seed.items():
            of_part = owner[table.index.get_indexer(part.index)]
            means = mean_by_draw(part["value"].to_numpy(), of_part, drawn)
            rows.append((metric, method, name, *interval_of_draws(means), part["sample_id"].nunique()))
    columns = ["metric", "method", "seed", "value", "low", "high", "lesions"]
    return pd.DataFrame(rows, columns=columns), value_differences(values, reference=reference, seed=seed)


def form_table(forms: pd.DataFrame) -> pd.DataFrame:
    """Return what each form of GAX did: the columns of `reached_table` by form and class, and `mass` over area.

    Args:
        forms: the table of `explainct.gax.forms.compare_forms`.
    """
    mass = forms.groupby(["form", "label"], sort=False)["gax_mass"].mean().rename("mass").reset_index()
    return reached_table(forms, ["form", "label"]).merge(mass, on=["form", "label"])
