"""Score the interpolator on slices that it did not see, next to classical interpolation."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.ndimage import distance_transform_edt
from scipy.stats import spearmanr

from explainct.due.interpolation.classical import METHODS
from explainct.due.interpolation.diffusion import Interpolator
from explainct.due.interpolation.filling import draw_gaps
from explainct.due.interpolation.gaps import ABOVE, BELOW, Gap, hold_out_gaps
from explainct.due.interpolation.model_file import load_model
from explainct.due.interpolation.slice_patches import load_patches
from explainct.runtime.device import choose_compute
from explainct.runtime.files import write_json
from explainct.seeds import numpy_generator, torch_generator

HIDE_EVERY = 2
MOST_GAPS = 60
DECIMALS = 6
REGION_PIXELS = 3.0
"""Slices are scored within this distance (pixels) of the contexts' shapes, which uses no truth."""

log = logging.getLogger(__name__)


def evaluate_interpolator(
    *,
    lesions_file: Path,
    slices_file: Path,
    splits_file: Path,
    model_file: Path,
    settings: dict[str, Any],
    seed: int,
    device: str,
    threads: int,
    out_file: Path,
) -> None:
    """Hide every second annotated slice of validation patients and score how methods fill it in.

    At most 60 gaps are drawn by seed. Where validation patients have no lesion with three annotated slices, the
    record says that there are 0 gaps and holds no scores.

    Args:
        lesions_file: the table `annotate/lesions.parquet`.
        slices_file: the file `annotate/slices.h5`.
        splits_file: the table `samples/splits.parquet`.
        model_file: the trained interpolator.
        settings: the settings `interpolate`; `size`, `draws`, `steps` and `filling` are used.
        seed: seed of the choice of gaps and of the noise.
        device: where to sample, see `choose_compute`.
        threads: CPU threads.
        out_file: the JSON file to write: `gaps`, `slices`, `lesions`, and the scores of `score_gaps`.
    """
    compute = choose_compute(device, threads)
    lesions, splits = pd.read_parquet(lesions_file), pd.read_parquet(splits_file)
    validation = splits.loc[splits["split"] == "validation", "patient_id"]
    chosen = (lesions["label"] == 1) & lesions["patient_id"].isin(validation)
    patches = load_patches(lesions=lesions[chosen], slices_file=slices_file, size=settings["size"])
    gaps = hold_out_gaps(patches, HIDE_EVERY)
    order = numpy_generator(seed, "interpolate", "evaluation").permutation(len(gaps))
    gaps = [gaps[number] for number in sorted(order[:MOST_GAPS])]
    record: dict[str, Any] = {
        "gaps": len(gaps),
        "slices": sum(len(gap.z) for gap in gaps),
        "lesions": len({gap.lesion_id for gap in gaps}),
    }
    log.info("%d gaps of %d lesions", record["gaps"], record["lesions"])
    if gaps:
        record |= score_gaps(load_model(Interpolator, model_file, compute.device), gaps, settings, seed)
        log.info("Dice: %s", record["dice"])
    write_json(record, out_file)


def score_gaps(interpolator: Interpolator, gaps: Sequence[Gap], settings: dict[str, Any], seed: int) -> dict[str, Any]:
    """Return the scores of the diffusion interpolator and of each classical method.

    Args:
        interpolator: a trained model.
        gaps: gaps with known slices, at least one.
        settings: the settings `interpolate`; `draws`, `steps` and `filling` are used.
        seed: seed of the noise.

    Returns:
        `dice` and `brier`: by method, the mean over slices, in [0, 1]; `variance_error_spearman`: rank correlation
        between the variance of the draws and the squared error of their mean, over pixels, in [-1, 1], or None where
        either is constant.
    """
    generator = torch_generator(seed, "interpolate", "evaluation", device=interpolator.device)
    drawn = [draws.cpu().numpy() for draws in draw_gaps(interpolator, gaps, settings, generator)]
    bounds = [gap.contexts[BELOW : ABOVE + 1] for gap in gaps]
    predicted = {"diffusion": [draws.mean(0) for draws in drawn]}
    for name, method in METHODS.items():
        predicted[name] = [method(pair, gap.t) for pair, gap in zip(bounds, gaps, strict=True)]
    regions = [np.repeat(region_of(pair)[None], len(gap.z), axis=0) for pair, gap in zip(bounds, gaps, strict=True)]
    error = pooled([(mean - gap.truth) ** 2 for mean, gap in zip(predicted["diffusion"], gaps, strict=True)], regions)
    variance = pooled([draws.var(0) for draws in drawn], regions)
    scores: dict[str, Any] = {"dice": {}, "brier": {}, "variance_error_spearman": _spearman(variance, error)}
    for name, slices in predicted.items():
        pairs = list(zip(slices, gaps, regions, strict=True))
        scores["dice"][name] = _round(np.concatenate([dice(filled, gap.truth) for filled, gap, _ in pairs]).mean())
        scores["brier"][name] = _round(np.concatenate([brier(one, gap.truth, near) for one, gap, near in pairs]).mean())
    return scores


def pooled(values: Sequence[np.ndarray], regions: Sequence[np.ndarray]) -> np.ndarray:
    """Return the values [M, S, S] of all gaps within their regions, as one list."""
    return np.concatenate([slices[region] for slices, region in zip(values, regions, strict=True)])


def dice(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return the Dice overlap [M] in [0, 1] of slices [M, S, S], both counted as inside from 0.5; 1 if both are empty.

    Half-way between two slices many methods give exactly 0.5 to many pixels; counting those in favours them.

    >>> dice(np.array([[[1, 1, 0]]]), np.array([[[1, 0, 0]]])).round(6).tolist()
    [0.666667]
    """
    a, b = predicted >= 0.5, truth >= 0.5
    both, total = (a & b).sum((1, 2)), a.sum((1, 2)) + b.sum((1, 2))
    return np.where(total > 0, 2 * both / np.maximum(total, 1), 1.0)


def brier(predicted: np.ndarray, truth: np.ndarray, region: np.ndarray) -> np.ndarray:
    """Return the mean squared error [M] in [0, 1] of slices [M, S, S] within regions, bool [M, S, S]."""
    return np.mean((predicted - truth) ** 2, axis=(1, 2), where=region)


def region_of(contexts: np.ndarray) -> np.ndarray:
    """Return which pixels [S, S] lie within 3 pixels of the shapes in contexts [2, S, S]; all if there are none."""
    shapes = (contexts > 0).any(axis=0)
    return distance_transform_edt(~shapes) <= REGION_PIXELS if shapes.any() else ~shapes


def _spearman(variance: np.ndarray, error: np.ndarray) -> float | None:
    if np.ptp(variance) == 0 or np.ptp(error) == 0:
        return None
    return _round(spearmanr(variance, error).statistic)


def _round(value: float) -> float:
    """Drop the digits that depend on the machine's order of summation."""
    return round(float(value), DECIMALS)
