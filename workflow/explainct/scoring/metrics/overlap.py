"""How well a map agrees with an annotation: strict metrics, and the published ones under honest names."""

from collections.abc import Sequence

import numpy as np
from sklearn.metrics import average_precision_score


def threshold_metrics(explanation: np.ndarray, truth: np.ndarray, thresholds: Sequence[float]) -> dict[str, np.ndarray]:
    """Return the metrics of one map binarised above each threshold, by name, each of shape [T] in [0, 1].

    An empty binarised map has precision 0. What the authors' code of DUE calls precision counts false positives only
    where a mask is negative; masks of lesions hold 0 and 1, so it is the hit rate, and their F1 is that of hit rate and
    recall: 2R / (1 + R).

    Args:
        explanation: map [D, H, W] in [0, 1].
        truth: annotation [D, H, W], 0 or 1, not empty.
        thresholds: T rising values; voxels strictly above count as attention.

    Raises:
        ValueError: shapes differ, the truth is empty or not binary, the map leaves [0, 1], or thresholds do not rise.

    >>> explanation, truth = np.array([[[0.9, 0.6, 0.2, 0.1]]]), np.array([[[1, 0, 1, 0]]])
    >>> metrics = threshold_metrics(explanation, truth, [0.5, 0.8])
    >>> metrics["precision"].tolist(), metrics["recall"].tolist()
    ([0.5, 1.0], [0.5, 0.5])
    """
    inside = checked_truth(explanation, truth)
    edges = np.asarray(thresholds, dtype=np.float64)
    if np.any(np.diff(edges) <= 0):
        raise ValueError(f"Thresholds must rise, got {list(thresholds)}.")
    # A voxel's bin is the number of thresholds it exceeds, so that one pass serves all thresholds.
    bins = np.searchsorted(edges, explanation.ravel())
    attended = _counts_above(bins, len(edges))
    hit = _counts_above(bins[inside.ravel()], len(edges))
    size = np.count_nonzero(inside)
    recall = hit / size
    return {
        "iou": hit / (attended + size - hit),
        "dice": 2 * hit / (attended + size),
        "precision": hit / np.maximum(attended, 1),
        "recall": recall,
        "hit_rate": (hit > 0).astype(float),
        "published_f1": 2 * recall / (1 + recall),
    }


def whole_map_metrics(explanation: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Return the metrics of one map that need no threshold, by name, each in [0, 1].

    `pointing` is 1 when the largest voxel lies inside (the first one of equals), `mass_inside` the share of the map's
    sum inside. Both are 0 for a map of zeros, which points nowhere. `voxel_average_precision` is the area under the
    precision-recall curve of voxels over all thresholds, as a step function; a map that is the same everywhere has
    the annotated share of the grid, which is what chance gives.

    Args:
        explanation: map [D, H, W] in [0, 1].
        truth: annotation [D, H, W], 0 or 1, not empty.

    Raises:
        ValueError: shapes differ, the truth is empty or not binary, or the map leaves [0, 1].

    >>> found = whole_map_metrics(np.array([[[0.6, 0.2, 0.2, 0.0]]]), np.array([[[1, 0, 1, 0]]]))
    >>> found["pointing"], round(found["mass_inside"], 6)
    (1.0, 0.8)
    """
    inside = checked_truth(explanation, truth)
    total = float(explanation.sum(dtype=np.float64))
    mass = float(explanation.sum(dtype=np.float64, where=inside))
    points_inside = total > 0 and inside.ravel()[explanation.argmax()]
    return {
        "pointing": float(points_inside),
        "mass_inside": min(mass / total, 1.0) if total > 0 else 0.0,
        "voxel_average_precision": min(float(average_precision_score(inside.ravel(), explanation.ravel())), 1.0),
    }


def mass_over_area(explanation: np.ndarray, truth: np.ndarray) -> float:
    """Return the share of a map's sum that lies inside, divided by the share of voxels that do: 1 for an even map.

    0 for a map of zeros, which lies nowhere.

    Args:
        explanation: map [D, H, W], 0 and more.
        truth: annotation [D, H, W], 0 or 1, not empty.

    Raises:
        ValueError: shapes differ, the truth is empty, or the map has a value below 0 or that is no number.

    >>> mass_over_area(np.array([[[0.5, 0.5, 0.0, 0.0]]]), np.array([[[1, 0, 0, 0]]]))
    2.0
    """
    if explanation.shape != truth.shape:
        raise ValueError(f"The map has shape {explanation.shape}, the annotation {truth.shape}; expected equal shapes.")
    if not explanation.min() >= 0:
        raise ValueError(f"The map has a least value of {explanation.min()}, expected 0 and more.")
    inside = truth.astype(bool)
    if not inside.any():
        raise ValueError("The annotation is empty, expected at least one voxel inside.")
    total = explanation.sum(dtype=np.float64)
    share = explanation.sum(dtype=np.float64, where=inside) / total if total > 0 else 0.0
    return float(share / inside.mean())


def _counts_above(bins: np.ndarray, thresholds: int) -> np.ndarray:
    """Return how many voxels exceed each threshold [T], from each voxel's number of exceeded thresholds [N]."""
    histogram = np.bincount(bins, minlength=thresholds + 1)
    return histogram[::-1].cumsum()[::-1][1:]


def checked_truth(explanation: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return the truth as booleans [D, H, W] after checking it and the map.

    Args:
        explanation: map [D, H, W] in [0, 1].
        truth: annotation [D, H, W], 0 or 1, not empty.

    Raises:
        ValueError: shapes differ, the truth is empty or not binary, or the map leaves [0, 1].
    """
    if explanation.shape != truth.shape:
        raise ValueError(f"The map has shape {explanation.shape}, the annotation {truth.shape}; expected equal shapes.")
    if not explanation.min() >= 0 or not explanation.max() <= 1:
        raise ValueError(f"The map spans {explanation.min()} to {explanation.max()}, expected values in [0, 1].")
    inside = truth.astype(bool)
    if not np.array_equal(inside, truth) or not inside.any():
        raise ValueError(f"The annotation holds {np.unique(truth)[:5].tolist()}, expected 0 and 1 and at least one 1.")
    return inside
