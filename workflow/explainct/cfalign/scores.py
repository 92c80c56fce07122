"""Scores of the compared methods with intervals over patients, and paired differences."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from explainct.scoring.statistics.paired_differences import mean_by_draw, patient_draws, roc_auc_by_draw

ENDS = [0.025, 0.975]
MEASURES = (
    "saliency_precision",
    "input_x_gradient",
    "cf_mask",
    "cf_box",
    "cf_grown",
    "ceiling_mask",
    "ceiling_box",
    "ceiling_grown",
    "flipped",
    "stationary",
    "changed",
)
"""What is averaged over explained views."""
RUN = ["method", "strength", "split", "mode"]
ByDraw = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""From labels [N], logits [N], the patient of each view [N] and draws [R, P] to a score of each draw [R]."""


def accuracy_by_draw(label: np.ndarray, logit: np.ndarray, owner: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Return the share of right decisions of each draw [R]; arguments as of `ByDraw`."""
    return mean_by_draw(((logit > 0) == label).astype(float), owner, drawn)


def balanced_accuracy_by_draw(label: np.ndarray, logit: np.ndarray, owner: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Return the mean of sensitivity and specificity of each draw [R]; arguments as of `ByDraw`."""
    right = ((logit > 0) == label).astype(float)
    parts = [mean_by_draw(right[label == value], owner[label == value], drawn) for value in (0, 1)]
    return np.mean(parts, axis=0)


METRICS: dict[str, ByDraw] = {
    "auc": roc_auc_by_draw,
    "balanced_accuracy": balanced_accuracy_by_draw,
    "accuracy": accuracy_by_draw,
}
"""All scores of predictions."""


class Draws:
    """Draws of patients for tables of the same views.

    Args:
        patients: the patient of each view.
        seed: seed of the draws.
    """

    def __init__(self, patients: pd.Series, *, seed: int) -> None:
        self.number = {name: number for number, name in enumerate(sorted(set(patients)))}
        self.drawn = patient_draws(len(self.number), 1, seed=seed)  # [1 + R, P]; row 0 is the cohort

    def owner(self, table: pd.DataFrame) -> np.ndarray:
        """Return the number of each row's patient [N]."""
        return table["patient_id"].map(self.number).to_numpy()


def interval(draws: np.ndarray) -> tuple[float, float, float]:
    """Return the cohort's value (row 0) and the 95 % interval of the draws; draws without a class do not count."""
    low, high = np.nanquantile(draws[1:], ENDS)
    return float(draws[0]), float(low), float(high)


Scores = dict[tuple[str, float, str, str, str], np.ndarray]
"""Means over seeds in the cohort and in each draw [1 + R], by method, strength, split, mode and metric."""


def scores_by_draw(predictions: pd.DataFrame, *, seed: int) -> tuple[Scores, pd.DataFrame]:
    """Return each score of each method in each draw, and the cohort's score of each seed.

    Args:
        predictions: the tables of `evaluate_compared`, with the column `method`.
        seed: seed of the draws.

    Returns:
        The scores; and a table with method, strength, split, mode, seed and a column a metric.
    """
    scores: Scores = {}
    rows = []
    draws = {split: Draws(table["patient_id"], seed=seed) for split, table in predictions.groupby("split")}
    with np.errstate(invalid="ignore", divide="ignore"):
        for key, runs in predictions.groupby(RUN, sort=False):
            of_seed = {name: [] for name in METRICS}
            for number, run in runs.groupby("seed"):
                label, logit, owner = run["label"].to_numpy(), run["logit"].to_numpy(), draws[key[2]].owner(run)
                for name, by_draw in METRICS.items():
                    of_seed[name].append(by_draw(label, logit, owner, draws[key[2]].drawn))
                rows.append((*key, number, *(values[-1][0] for values in of_seed.values())))
            scores |= {(*key, name): np.mean(values, axis=0) for name, values in of_seed.items()}
    return scores, pd.DataFrame(rows, columns=[*RUN, "seed", *METRICS])


def score_table(scores: Scores) -> pd.DataFrame:
    """Return scores as a table: method, strength, split, mode, metric, value, low and high (95 %)."""
    rows = [(*key, *interval(values)) for key, values in scores.items()]
    return pd.DataFrame(rows, columns=[*RUN, "metric", "value", "low", "high"])


def difference_table(scores: Scores, reference: str) -> pd.DataFrame:
    """Return by how much each method's test scores are above those of the reference, paired: as `score_table`."""
    rows = []
    for (method, strength, split, mode, metric), values in scores.items():
        base = scores.get((reference, strength, split, mode, metric))
        if split == "test" and method != reference and base is not None:
            rows.append((method, reference, strength, mode, metric, *interval(values - base)))
    columns = ["method", "reference", "strength", "mode", "metric", "difference", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def explanation_table(explanations: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """Return the mean of each measure over views and seeds: method, strength, measure, value, low and high (95 %).

    Args:
        explanations: the tables of `evaluate_compared`, with the column `method`.
        seed: seed of the draws of patients.
    """
    draws = Draws(explanations["patient_id"], seed=seed)
    rows = []
    with np.errstate(invalid="ignore", divide="ignore"):
        for key, runs in explanations.groupby(["method", "strength"], sort=False):
            owner = draws.owner(runs)
            rows += [
                (*key, name, *interval(mean_by_draw(runs[name].to_numpy(float), owner, draws.drawn)))
                for name in MEASURES
            ]
    return pd.DataFrame(rows, columns=["method", "strength", "measure", "value", "low", "high"])


def training_table(histories: pd.DataFrame) -> pd.DataFrame:
    """Return how counterfactuals went in training: method, strength, seed, flipped, gated and used, means over epochs.

    Args:
        histories: the histories of all trainings, with method, strength and seed; a method without alignment has none
            of these columns, or empty ones.
    """
    columns: Sequence[str] = ["flipped", "gated", "used"]
    found = histories.reindex(columns=["method", "strength", "seed", *columns]).dropna(subset=list(columns))
    return found.groupby(["method", "strength", "seed"], sort=False, as_index=False)[list(columns)].mean()
