"""Scores of the interpolator on slices that it did not see, next to classical interpolation."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.ndimage import distance_transform_edt
from scipy.stats import spearmanr

from due.files import write_json
from due.interpolate.classical import METHODS
from due.interpolate.diffusion import Interpolator, load_interpolator
from due.interpolate.filling import as_targets, draw_targets
from due.interpolate.frames import load_frames
from due.interpolate.gaps import Gap, hold_out_gaps
from due.seeds import numpy_generator, torch_generator
from due.train.device import Compute

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
    margin_mm: float,
    model_file: Path,
    settings: dict[str, Any],
    seed: int,
    compute: Compute,
    out: Path,
) -> None:
    """Hide every second annotated slice of validation patients and score how methods fill it in.

    At most 60 gaps are drawn by seed. Where validation patients have no lesion with three annotated slices, the
    record says that there are 0 gaps and holds no scores.

    Args:
        lesions_file: the table `annotate/lesions.parquet`.
        slices_file: the file `annotate/slices.h5`.
        splits_file: the table `cases/splits.parquet`.
        margin_mm: margin of a lesion's block in mm.
        model_file: the trained interpolator.
        settings: the settings `interpolate`.
        seed: seed of the choice of gaps and of the noise.
        compute: where to sample.
        out: the JSON file to write: `gaps`, `slices`, `lesions`, and the scores of `score_gaps`.
    """
    lesions, splits = pd.read_parquet(lesions_file), pd.read_parquet(splits_file)
    validation = splits.loc[splits["split"] == "validation", "patient_id"]
    chosen = (lesions["label"] == 1) & lesions["patient_id"].isin(validation)
    frames = load_frames(lesions=lesions[chosen], slices_file=slices_file, margin_mm=margin_mm, size=settings["size"])
    gaps = hold_out_gaps(frames, HIDE_EVERY)
    order = numpy_generator(seed, "interpolate", "evaluation").permutation(len(gaps))
    gaps = [gaps[number] for number in sorted(order[:MOST_GAPS])]
    record: dict[str, Any] = {
        "gaps": len(gaps),
        "slices": sum(len(gap.t) for gap in gaps),
        "lesions": len({gap.lesion_id for gap in gaps}),
    }
    log.info("%d gaps of %d lesions", record["gaps"], record["lesions"])
    if gaps:
        record |= score_gaps(load_interpolator(model_file, compute.device), gaps, settings, seed)
        log.info("Dice: %s", record["dice"])
    write_json(record, out)


def score_gaps(interpolator: Interpolator, gaps: Sequence[Gap], settings: dict[str, Any], seed: int) -> dict[str, Any]:
    """Return the scores of the diffusion interpolator and of each classical method.

    Args:
        interpolator: a trained model.
        gaps: gaps with known slices, at least one.
        settings: the settings `interpolate`; `draws` and `filling` are used.
        seed: seed of the noise.

    Returns:
        `dice` and `brier`: by method, the mean over slices, in [0, 1]; `variance_error_spearman`: rank correlation
        between the variance of the draws and the squared error of their mean, over pixels, in [-1, 1], or None where
        either is constant.
    """
    drawn = draw_targets(
        interpolator,
        as_targets(gaps, interpolator.device),
        draws=settings["draws"],
        filling=settings["filling"],
        generator=torch_generator(seed, "interpolate", "evaluation"),
    )
    drawn = drawn.cpu().numpy()
    predicted = {"diffusion": drawn.mean(0)}
    for name, method in METHODS.items():
        predicted[name] = np.concatenate([method(gap.contexts, gap.t) for gap in gaps])
    truth = np.concatenate([gap.truth for gap in gaps])
    region = np.concatenate([np.repeat(region_of(gap.contexts)[None], len(gap.t), axis=0) for gap in gaps])
    errors = (predicted["diffusion"] - truth) ** 2
    return {
        "dice": {name: _round(dice(slices, truth).mean()) for name, slices in predicted.items()},
        "brier": {name: _round(brier(slices, truth, region).mean()) for name, slices in predicted.items()},
        "variance_error_spearman": _spearman(drawn.var(0)[region], errors[region]),
    }


def dice(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return the Dice overlap [M] in [0, 1] of slices [M, S, S], both counted as inside from 0.5; 1 if both are empty.

    Half-way between two slices many methods give exactly 0.5 to many pixels; counting those in favours them.
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
