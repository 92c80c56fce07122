"""Score what the pipeline fills gaps with on slices that it did not see, next to classical interpolation."""

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import roc_auc_score

from explainct.due.interpolation.classical import METHODS, SHIFTS, signed_distance
from explainct.due.interpolation.gaps import ABOVE, BELOW, Gap, hold_out_gaps
from explainct.due.interpolation.slice_patches import LesionPatches, load_patches
from explainct.due.interpolation.slice_scores import brier, dice, region_of
from explainct.due.interpolation.teaching_lesions import teaching_lesions
from explainct.due.uncertainty.fill_gaps import Filler, load_filler
from explainct.runtime.device import choose_compute
from explainct.runtime.files import write_json
from explainct.scoring.metrics.calibration import calibration_error
from explainct.scoring.statistics.bootstrap import patient_interval
from explainct.seeds import numpy_generator, torch_generator

HIDE_EVERY = 2
TUNED_ON = 500
"""Gaps of lesions that teach on which the signed distance is tuned, at most."""
TUNED = "signed_distance_tuned"
DECIMALS = 6

log = logging.getLogger(__name__)


def evaluate_filling(
    *,
    lesions_file: Path,
    slices_file: Path,
    splits_file: Path,
    samples_file: Path | None,
    model_file: Path,
    taught_by: Mapping[str, Any],
    size: int,
    settings: Mapping[str, Any],
    seed: int,
    device: str,
    threads: int,
    out_file: Path,
) -> None:
    """Hide every second annotated slice of validation patients' lesions and score how it is filled.

    Lesions outside the cohort are scored too.

    Where validation patients have no lesion with three annotated slices, the record says that there are 0 gaps and
    holds no scores.

    Args:
        lesions_file: the table `annotate/lesions.parquet`.
        slices_file: the file `annotate/slices.h5`.
        splits_file: the table `samples/splits.parquet`.
        samples_file: the table `samples/samples.parquet`, where samples choose the lesions that teach.
        model_file: the model that fills gaps, see `load_filler`.
        taught_by: which lesions taught, see `teaching_lesions`; on their gaps the signed distance is tuned.
        size: largest edge of a patch in pixels.
        settings: what `load_filler` reads.
        seed: seed of the noise and of the intervals.
        device: where to compute, see `choose_compute`.
        threads: CPU threads.
        out_file: the JSON file to write: `filled_by`; `gaps`, `slices`, `lesions` and `patients` that are scored, and
            the scores of `score_gaps`.
    """
    compute = choose_compute(device, threads)
    lesions, splits = pd.read_parquet(lesions_file), pd.read_parquet(splits_file)
    validation = splits.loc[splits["split"] == "validation", "patient_id"]
    scored, taught = (
        load_patches(lesions=chosen, slices_file=slices_file, size=size)
        for chosen in (
            lesions[(lesions["label"] == 1) & lesions["patient_id"].isin(validation)],
            teaching_lesions(
                lesions_file=lesions_file, splits_file=splits_file, samples_file=samples_file, taught_by=taught_by
            ),
        )
    )
    gaps = hold_out_gaps(scored, HIDE_EVERY)
    patients = {lesion.lesion_id: lesion.patient_id for lesion in scored}
    filled = {gap.lesion_id for gap in gaps}
    record: dict[str, Any] = {
        "filled_by": settings["filled_by"],
        "gaps": len(gaps),
        "slices": sum(len(gap.z) for gap in gaps),
        "lesions": len(filled),
        "patients": len({patients[lesion_id] for lesion_id in filled}),
    }
    log.info("%d gaps of %d lesions", record["gaps"], record["lesions"])
    if gaps:
        filler, bias = load_filler(model_file, settings, compute.device), tune_bias(taught, seed)
        generator = torch_generator(seed, "uncertainty", "evaluation", device=compute.device)
        record |= score_gaps(filler, gaps, patients=patients, bias=bias, seed=seed, generator=generator)
        log.info("Dice: %s", {name: score["mean"] for name, score in record["dice"].items()})
    write_json(record, out_file)


def tune_bias(taught: Sequence[LesionPatches], seed: int) -> float:
    """Return how many pixels outwards outlines of blended signed distances are moved for the best mean Dice.

    Args:
        taught: lesions that teach; where none has three slices the outlines stay, 0.
        seed: seed of the choice of 500 of their gaps.
    """
    gaps = hold_out_gaps(taught, HIDE_EVERY)
    if not gaps:
        return 0.0
    chosen = numpy_generator(seed, "uncertainty", "tuning").permutation(len(gaps))[:TUNED_ON]
    some = [gaps[number] for number in chosen]
    scores = [
        np.concatenate([dice(signed_distance(_bounds(gap), gap.t, bias=bias), gap.truth) for gap in some]).mean()
        for bias in SHIFTS
    ]
    return round(float(SHIFTS[int(np.argmax(scores))]), DECIMALS)


def score_gaps(
    filler: Filler,
    gaps: Sequence[Gap],
    *,
    patients: Mapping[str, str],
    bias: float,
    seed: int,
    generator: torch.Generator,
) -> dict[str, Any]:
    """Return the scores of what fills the gaps, `filled`, and of each classical method.

    Args:
        filler: what fills the gaps.
        gaps: gaps with known slices, at least one.
        patients: patient of each lesion.
        bias: pixels that the outlines of the tuned signed distance are moved outwards.
        seed: seed of the intervals.
        generator: random stream of the filler.

    Returns:
        `dice` and `brier` by method, and `gain`, the Dice of `filled` less that of the tuned signed distance: mean over
        slices and its 95 % interval over patients; `bias`; of the pixels within 3 pixels of the shapes around, of the
        mean `calibration_error`, and of the variance `error_auroc`, how well it ranks the wrong pixels: the mean over
        patients with its interval, or None where no patient has right and wrong pixels.
    """
    answers = [(one.mean.cpu().numpy(), one.variance.cpu().numpy()) for one in filler(gaps, generator)]
    slices = {"filled": [mean for mean, _ in answers]}
    for name, method in (METHODS | {TUNED: partial(signed_distance, bias=bias)}).items():
        slices[name] = [method(_bounds(gap), gap.t) for gap in gaps]
    regions = [np.repeat(region_of(_bounds(gap))[None], len(gap.z), axis=0) for gap in gaps]
    owners = np.repeat([patients[gap.lesion_id] for gap in gaps], [len(gap.z) for gap in gaps])
    overlap, error = {}, {}
    for name, filled in slices.items():
        overlap[name] = np.concatenate([dice(one, gap.truth) for one, gap in zip(filled, gaps, strict=True)])
        error[name] = np.concatenate(
            [brier(one, gap.truth, near) for one, gap, near in zip(filled, gaps, regions, strict=True)]
        )
    pixels = pd.concat(
        pd.DataFrame(
            {
                "patient": patients[gap.lesion_id],
                "probability": mean[near],
                "variance": variance[near],
                "truth": gap.truth[near] >= 0.5,
            }
        )
        for (mean, variance), gap, near in zip(answers, gaps, regions, strict=True)
    ).reset_index(drop=True)
    return {
        "dice": {name: _interval(values, owners, seed) for name, values in overlap.items()},
        "brier": {name: _interval(values, owners, seed) for name, values in error.items()},
        "gain": _interval(overlap["filled"] - overlap[TUNED], owners, seed),
        "bias": bias,
        "calibration_error": _round(calibration_error(pixels["probability"].to_numpy(), pixels["truth"].to_numpy())),
        "error_auroc": _error_auroc(pixels, seed),
    }


def _error_auroc(pixels: pd.DataFrame, seed: int) -> dict[str, float] | None:
    """Return how well variance ranks wrong pixels, over patients who have right and wrong ones."""
    wrong = (pixels["probability"] >= 0.5) != pixels["truth"]
    scores = {
        patient: roc_auc_score(wrong[own], pixels.loc[own, "variance"])
        for patient, own in ((name, pixels["patient"] == name) for name in pixels["patient"].unique())
        if wrong[own].nunique() == 2
    }
    return _interval(np.array(list(scores.values())), np.array(list(scores)), seed) if scores else None


def _bounds(gap: Gap) -> np.ndarray:
    """Return the two annotated slices around a gap [2, S, S]."""
    return gap.contexts[BELOW : ABOVE + 1]


def _interval(values: np.ndarray, patients: np.ndarray, seed: int) -> dict[str, float]:
    return {name: _round(value) for name, value in patient_interval(values, patients, seed=seed)._asdict().items()}


def _round(value: float) -> float:
    """Drop the digits that depend on the machine's order of summation."""
    return round(float(value), DECIMALS)
