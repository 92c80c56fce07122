"""The metrics, each with its name, direction, range and source, and the prediction metrics themselves.

Explanation metrics are strict by default. What the DUE paper and its code call precision and F1 is kept under honest
names, because there false positives count only where a mask is negative, and masks of lesions are never negative.
"""

import math
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import accuracy_score, auc, average_precision_score, precision_recall_curve, roc_auc_score

CODE = "DUE, section 5.1 and the authors' code"
RISE = "Petsiuk et al. 2018, RISE"
MIDDLE_IOU = "iou_middle_slice"
CHOSEN_ACCURACY = "accuracy_chosen_threshold"


@dataclass(frozen=True)
class Metric:
    """What a metric is called, which way is better, and where it comes from.

    Attributes:
        name: key in tables and files.
        label: name for readers.
        higher_is_better: direction of improvement.
        range: smallest and largest value.
        source: paper or library that defines it.
        description: one sentence.
        unit: unit of the values, empty for fractions.
    """

    name: str
    label: str
    higher_is_better: bool
    range: tuple[float, float]
    source: str
    description: str
    unit: str = ""

    @property
    def heading(self) -> str:
        """The label with its unit and an arrow that points to the better values."""
        unit = f" ({self.unit})" if self.unit else ""
        return f"{self.label}{unit} {'↑' if self.higher_is_better else '↓'}"


def _score(name: str, label: str, source: str, description: str) -> Metric:
    """Declare a metric between 0 and 1 of which more is better."""
    return Metric(name, label, higher_is_better=True, range=(0.0, 1.0), source=source, description=description)


def _distance(name: str, label: str, source: str, description: str) -> Metric:
    """Declare a metric in mm of which less is better."""
    span = (0.0, math.inf)
    return Metric(name, label, higher_is_better=False, range=span, source=source, description=description, unit="mm")


_PREDICTION = (
    _score("roc_auc", "ROC-AUC", "scikit-learn roc_auc_score", "Probability that a lesion outranks a neighbour."),
    _score(
        "average_precision",
        "Average precision",
        "scikit-learn average_precision_score",
        "Area under the precision-recall curve as a step function.",
    ),
    _score(
        "pr_auc_trapezoid",
        "PR-AUC (trapezoid)",
        CODE,
        "Area under the precision-recall curve by trapezoids, which can be optimistic.",
    ),
    _score("accuracy", "Accuracy", "scikit-learn accuracy_score", "Share of samples whose class is predicted."),
)

_CHOSEN = _score(
    CHOSEN_ACCURACY,
    "Accuracy, chosen threshold",
    "this project",
    "Accuracy with the threshold of the probability that is the best one on the validation samples.",
)

_EXPLANATION = (
    _score("iou", "IoU", "Jaccard; DUE, section 5.1", "Overlap of map and annotation over their union."),
    _score(MIDDLE_IOU, "IoU, middle slice", "Jaccard", "The same on the middle slice alone, which 2D methods see."),
    _score("dice", "Dice (F1)", "Dice; F1 of voxels", "Harmonic mean of voxel precision and recall."),
    _score("precision", "Precision", "voxel precision", "Share of the binarised map that is annotated; 0 if empty."),
    _score("recall", "Recall", "voxel recall", "Share of the annotation that the binarised map covers."),
    _score("hit_rate", "Hit rate", CODE, "Share of lesions with any overlap; the authors call it precision."),
    _score("pointing", "Pointing", "Zhang et al. 2018, pointing game", "Share of maps with their maximum inside."),
    _score("mass_inside", "Mass inside", "relevance mass accuracy", "Share of the map's sum that is annotated."),
    _score(
        "voxel_average_precision",
        "Voxel average precision",
        "scikit-learn average_precision_score",
        "Area under the precision-recall curve of voxels over all thresholds of the map.",
    ),
    _score(
        "published_f1",
        "Published F1",
        CODE,
        "Harmonic mean of recall and what the authors call precision, the hit rate: 2R / (1 + R), blind to extent.",
    ),
)

_DISTANCE = (
    _distance(
        "hausdorff95_mm",
        "HD95",
        "MONAI compute_hausdorff_distance",
        "Larger of the two 95th percentiles of distances between the surfaces; the grid's diagonal for an empty map.",
    ),
    _distance(
        "surface_distance_mm",
        "Surface distance",
        "MONAI compute_average_surface_distance",
        "Symmetric mean distance between the surfaces; the grid's diagonal for an empty map.",
    ),
)

_FAITHFULNESS = (
    Metric(
        name="deletion",
        label="Deletion",
        higher_is_better=False,
        range=(0.0, 1.0),
        source=RISE,
        description="Mean probability of the class while voxels are set to 0 in the order of the map.",
    ),
    _score(
        "insertion",
        "Insertion",
        RISE,
        "Mean probability of the class while voxels are restored on zeros in the order of the map.",
    ),
)

PREDICTION_METRICS = {metric.name: metric for metric in _PREDICTION}
EXPLANATION_METRICS = {metric.name: metric for metric in _EXPLANATION}
DISTANCE_METRICS = {metric.name: metric for metric in _DISTANCE}
FAITHFULNESS_METRICS = {metric.name: metric for metric in _FAITHFULNESS}
METRICS = {**PREDICTION_METRICS, CHOSEN_ACCURACY: _CHOSEN, **EXPLANATION_METRICS}

CURVE_METRICS = ("iou", "dice", "precision", "recall", "published_f1")
CURVE_THRESHOLDS = tuple(step / 10 for step in range(10))
"""Metrics and thresholds of the curves in DUE's Figure 5."""


def pr_auc_trapezoid(label: np.ndarray, probability: np.ndarray) -> float:
    """Return the area under the precision-recall curve by trapezoids, in [0, 1], as DUE reports it.

    Straight lines between points of that curve can be too optimistic (Davis and Goadrich 2006), so average precision
    stands beside it.

    Args:
        label: true classes [N], 0 or 1.
        probability: probability of class 1 [N].
    """
    precision, recall, _ = precision_recall_curve(label, probability)
    return float(auc(recall, precision))


def best_threshold(label: np.ndarray, probability: np.ndarray) -> float:
    """Return the threshold in (0, 1) above which samples are called class 1 with the highest accuracy.

    It lies half way between two neighbouring probabilities; of equally good ones it is the nearest to 0.5.

    Args:
        label: true classes [N], 0 or 1.
        probability: probability of class 1 [N].

    >>> round(best_threshold(np.array([0, 0, 1]), np.array([0.1, 0.6, 0.8])), 6)
    0.7
    """
    values, place = np.unique(probability, return_inverse=True)
    lesions = np.bincount(place, weights=label, minlength=len(values))
    others = np.bincount(place, weights=1 - label, minlength=len(values))
    # Right above and right below each of the thresholds, which lie around and between the values.
    right = lesions.sum() - np.insert(lesions.cumsum(), 0, 0) + np.insert(others.cumsum(), 0, 0)
    edges = np.concatenate([[min(0.0, values[0])], values, [max(1.0, values[-1])]])
    middles = (edges[1:] + edges[:-1]) / 2
    best = middles[right == right.max()]
    return float(best[np.abs(best - 0.5).argmin()])


def prediction_metrics(label: np.ndarray, probability: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Return every prediction metric by name, each in [0, 1].

    Args:
        label: true classes [N], 0 or 1.
        probability: probability of class 1 [N].
        predicted: predicted classes [N], 0 or 1.

    Raises:
        ValueError: all samples are of one class, for which the curves are not defined.
    """
    if len(np.unique(label)) != 2:
        raise ValueError(f"Labels hold the classes {np.unique(label).tolist()}, expected both 0 and 1.")
    return {
        "roc_auc": float(roc_auc_score(label, probability)),
        "average_precision": float(average_precision_score(label, probability)),
        "pr_auc_trapezoid": pr_auc_trapezoid(label, probability),
        "accuracy": float(accuracy_score(label, predicted)),
    }


def prediction_metrics_of_classes(
    label: np.ndarray, probabilities: np.ndarray, predicted: np.ndarray
) -> dict[str, float]:
    """Return every prediction metric of three or more classes by name, each in [0, 1].

    Areas are means over classes, each against all others (macro, one against the rest).

    Args:
        label: true classes [N], in 0 ... K - 1.
        probabilities: probabilities of the classes [N, K].
        predicted: predicted classes [N].

    Raises:
        ValueError: a class has no sample, for which its curves are not defined.
    """
    classes = range(probabilities.shape[1])
    if missing := sorted(set(classes) - set(label.tolist())):
        raise ValueError(f"Labels lack the classes {missing}, expected samples of each of {len(classes)} classes.")
    one_against_rest = [
        prediction_metrics(label == number, probabilities[:, number], predicted == number) for number in classes
    ]
    means = {name: float(np.mean([values[name] for values in one_against_rest])) for name in PREDICTION_METRICS}
    return means | {"accuracy": float(accuracy_score(label, predicted))}
