"""Fill in the hidden slices of test patients' nodules by each learned method of the study."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import process_time
from typing import Any

import h5py
import numpy as np
import pandas as pd
import torch

from explainct.due.interpolation.diffusion import Interpolator
from explainct.due.interpolation.filling import Filled, diffuse_gaps, draw_gaps, pixel_variance
from explainct.due.interpolation.gaps import Gap, by_size, gap_between, hold_out_gaps, surroundings
from explainct.due.interpolation.hidden_slices import Nodule
from explainct.due.interpolation.model_file import load_model
from explainct.due.interpolation.regression import Regression
from explainct.due.interpolation.slice_patches import LesionPatches, from_patches, patches_of
from explainct.due.interpolation_study.distance_trend import growing_gaps
from explainct.due.uncertainty.fill_gaps import predict_gaps
from explainct.due.uncertainty.train import load_predictor
from explainct.runtime.device import Compute
from explainct.runtime.hdf5 import writing_hdf5
from explainct.seeds import torch_generator

KEPT_DRAWS = 8
"""Draws of each slice that are written, for a look at their shapes; mean and variance are those of all."""

LESIONS_AT_ONCE = 64
"""Nodules that are filled together, so that patches of one size share a batch."""

DRAWN = "diffusion_draws"
"""The method of which draws are kept."""

GROWING_METHODS = ("regression", "diffusion", "uncertainty")
"""The methods that fill slices hidden in growing gaps too."""

GROWING = "growing"
"""Where the slices hidden in growing gaps are kept, beside a group for each d."""

GROWING_TYPES = {"lesion_id": str, "slice": int, "g": int, "gap_mm": float, "mean": float, "variance": float}
"""Columns of that table."""

log = logging.getLogger(__name__)


GapFiller = Callable[[Sequence[Gap], torch.Generator], list[Filled]]


def load_filler(method: str, model_file: Path, *, settings: dict[str, Any], latent: str, compute: Compute) -> GapFiller:
    """Return the trained model of a method as a function that fills gaps.

    Args:
        method: `regression`, `diffusion` (the mean after its first step), `diffusion_one_reader` (the same, shown
            the consensus alone), `diffusion_draws` (Algorithm 1) or `uncertainty` (the imputed uncertainty predictor).
        model_file: the trained model.
        settings: for `diffusion_draws`, `draws`, `steps` and `filling`.
        latent: `mean` or `draw`, see `UncertaintyPredictor.predict`.
        compute: where to compute.
    """
    if method == "uncertainty":
        return partial(_by_predictor, load_predictor(model_file, compute.device), latent)
    if method == "regression":
        return partial(_by_regression, load_model(Regression, model_file, compute.device))
    interpolator = load_model(Interpolator, model_file, compute.device)
    if method == "diffusion_draws":
        return partial(_by_draws, interpolator, settings)
    return partial(_by_mean, interpolator, method == "diffusion_one_reader")


def _by_predictor(predictor: Any, latent: str, gaps: Sequence[Gap], generator: torch.Generator) -> list[Filled]:
    return predict_gaps(predictor, gaps, latent, generator)


def _by_regression(model: Regression, gaps: Sequence[Gap], _: torch.Generator) -> list[Filled]:
    filled: dict[int, Filled] = {}
    for numbers in by_size(gaps).values():
        group = [gaps[number] for number in numbers]
        means = model.expect(surroundings(group)).split([len(gap.z) for gap in group])  # [N, S, S] to [M, S, S] each
        filled |= {number: Filled(mean, mean * (1 - mean)) for number, mean in zip(numbers, means, strict=True)}
    return [filled[number] for number in range(len(gaps))]


def _by_mean(
    interpolator: Interpolator, one_reader: bool, gaps: Sequence[Gap], generator: torch.Generator
) -> list[Filled]:
    if one_reader:
        gaps = [replace(gap, disagreement=np.zeros_like(gap.disagreement)) for gap in gaps]
    return diffuse_gaps(interpolator, gaps, {"estimate": "expectation"}, generator)


def _by_draws(
    interpolator: Interpolator, settings: dict[str, Any], gaps: Sequence[Gap], generator: torch.Generator
) -> list[Filled]:
    drawn = draw_gaps(interpolator, gaps, settings, generator)
    return [pixel_variance(draws)._replace(draws=draws) for draws in drawn]


def fill_hidden(
    nodules: Sequence[Nodule],
    filler: GapFiller,
    *,
    every: Sequence[int],
    growing: bool,
    size: int,
    seed: int,
    device: torch.device,
    out_file: Path,
) -> None:
    """Fill in the hidden slices of nodules for each d, and those of growing gaps, and write what the method says.

    Args:
        nodules: nodules of test patients.
        filler: the method.
        every: distances d between kept slices.
        growing: whether to hide the same slice in growing gaps too.
        size: largest edge of a patch in pixels.
        seed: seed of the noise.
        device: where the generator of the noise lives.
        out_file: HDF5 file; a group per d with a group per nodule: `mean`, `variance` [M, h, w]; of methods that draw
            the first `draws` [8, M, h, w]; attribute `seconds_per_1000` slices of CPU time. And the table `growing`.
    """
    patches = [patches_of(nodule, size) for nodule in nodules]
    parts = [slice(start, start + LESIONS_AT_ONCE) for start in range(0, len(nodules), LESIONS_AT_ONCE)]
    with writing_hdf5(out_file) as file:
        for step in every:
            group, seconds, slices = file.create_group(str(step)), 0.0, 0
            for number, part in enumerate(parts):
                gaps = {lesion.lesion_id: hold_out_gaps([lesion], step) for lesion in patches[part]}
                wanted = [gap for lesion in gaps.values() for gap in lesion]
                if not wanted:
                    continue
                start = process_time()
                answers = iter(filler(wanted, torch_generator(seed, "study", step, number, device=device)))
                seconds += process_time() - start
                slices += sum(len(gap.z) for gap in wanted)
                for lesion, nodule in zip(patches[part], nodules[part], strict=True):
                    if own := [next(answers) for _ in gaps[lesion.lesion_id]]:
                        _keep(group.create_group(lesion.lesion_id), own, lesion, nodule.masks.shape[1:])
            group.attrs["seconds_per_1000"] = 1000 * seconds / max(slices, 1)
            log.info("d = %d: %d slices, %.1f s per 1,000", step, slices, group.attrs["seconds_per_1000"])
        if growing:
            table = pd.concat([_growing(patches[part], filler, seed, device) for part in parts], ignore_index=True)
            group = file.create_group(GROWING)
            for name, column in table.items():
                values = column.to_numpy()
                kind = h5py.string_dtype() if name == "lesion_id" else None
                group.create_dataset(name, data=list(values) if kind else values, dtype=kind)
            log.info("%d slices in growing gaps", len(table))


def _keep(group: h5py.Group, answers: Sequence[Filled], lesion: LesionPatches, shape: tuple[int, int]) -> None:
    """Write a nodule's answers on its own pixels [h, w]."""
    lines = np.arange(shape[0]), np.arange(shape[1])
    for name in ("mean", "variance"):
        values = torch.cat([getattr(answer, name) for answer in answers])  # [M, S, S], all gaps of the nodule
        native = from_patches(values, lesion.place, *lines).astype(np.float16)
        group.create_dataset(name, data=native, compression="gzip")
    if answers[0].draws is not None:
        draws = torch.cat([answer.draws[:KEPT_DRAWS] for answer in answers], dim=1)  # [T, M, S, S]
        native = from_patches(draws.flatten(0, 1), lesion.place, *lines) >= 0.5  # [T * M, h, w]
        group.create_dataset("draws", data=native.reshape(*draws.shape[:2], *shape), compression="gzip")


def _growing(patches: Sequence[LesionPatches], filler: GapFiller, seed: int, device: torch.device) -> pd.DataFrame:
    """Return the summed mean and variance of slices hidden in growing gaps, one row per slice and gap."""
    rows, gaps = [], []
    for lesion in patches:
        for one in growing_gaps(len(lesion.patches)):
            kept = [number for number in one.kept if number >= 0]
            lower = kept.index(one.slice - one.g)
            gaps.append(gap_between(lesion, kept, lower, lesion.z_mm[[one.slice]]))
            gap_mm = lesion.z_mm[one.slice + one.g] - lesion.z_mm[one.slice - one.g]
            rows.append({"lesion_id": lesion.lesion_id, "slice": one.slice, "g": one.g, "gap_mm": gap_mm})
    if not gaps:
        return pd.DataFrame(columns=list(GROWING_TYPES)).astype(GROWING_TYPES)
    answers = filler(gaps, torch_generator(seed, "study", GROWING, patches[0].lesion_id, device=device))
    sums = [{"mean": float(one.mean.sum()), "variance": float(one.variance.sum())} for one in answers]
    return pd.DataFrame(rows).join(pd.DataFrame(sums))
