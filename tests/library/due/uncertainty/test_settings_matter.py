"""Every setting of interpolation and uncertainty changes what gaps are filled with, or the weights made of it."""

import pandas as pd
import pytest

from explainct.config.due import Interpolate, Uncertainty
from explainct.due.interpolation.train import train_interpolator
from explainct.due.uncertainty.train import train_uncertainty
from explainct.due.uncertainty.variance_sampling import sample_variance
from explainct.due.uncertainty.voxel_weights import map_weights

BASE = {
    "annotation_from": "all",
    "size": 32,
    "channels": [8],
    "steps": 3,
    "epochs": 1,
    "steps_per_epoch": 4,
    "batch_size": 4,
    "learning_rate": 0.01,
    "ema": 0.5,
    "max_gap": 4,
    "filling": "direct",
}
TAUGHT = {
    "gaps": 8,
    "estimate": "draws",
    "draws": 3,
    "latent": 4,
    "width": 8,
    "epochs": 2,
    "batch_size": 4,
    "learning_rate": 0.01,
    "beta": 0.01,
    "filled_by": "predictor",
    "latent_at_inference": "mean",
    "mapping": "absolute",
}
INTERPOLATE = {
    "annotation_from": "training",
    "size": 24,
    "channels": [16],
    "steps": 4,
    "epochs": 2,
    "steps_per_epoch": 5,
    "batch_size": 6,
    "learning_rate": 0.02,
    "ema": 0.9,
    "max_gap": 2,
    "filling": "autoregressive",
}
UNCERTAINTY = {
    "gaps": 6,
    "estimate": "expectation",
    "draws": 4,
    "latent": 5,
    "width": 16,
    "epochs": 3,
    "batch_size": 2,
    "learning_rate": 0.02,
    "beta": 0.5,
    "filled_by": "diffusion",
    "latent_at_inference": "draw",
    "mapping": "published",
}
COMPUTE = {"seed": 0, "device": "cpu", "threads": 1}


@pytest.fixture
def fill(cohort, tmp_path):
    """Return a function that runs all stages with some settings changed, and gives the bytes of what they fill in."""
    lesions = pd.read_parquet(cohort.lesions_file)
    lesions.assign(in_cohort=lesions.index > 0).to_parquet(cohort.lesions_file)
    annotated = {"lesions_file": cohort.lesions_file, "slices_file": cohort.slices_file}

    def call(interpolate=None, uncertainty=None):
        own, taught = BASE | (interpolate or {}), TAUGHT | (uncertainty or {})
        teaching = {
            **annotated,
            "splits_file": cohort.splits_file,
            "samples_file": None,
            "taught_by": {"annotation_from": own["annotation_from"]},
        }
        models = {name: tmp_path / f"{name}.pt" for name in ("diffusion", "predictor")}
        variance_file, out_file = tmp_path / "variance.h5", tmp_path / "weights.h5"
        train_interpolator(**teaching, settings=own, **COMPUTE, code="a", model_file=models["diffusion"])
        sampling = {name: own[name] for name in ("size", "max_gap", "steps", "filling")} | taught
        sample_variance(
            **teaching, model_file=models["diffusion"], settings=sampling, **COMPUTE, out_file=variance_file
        )
        train_uncertainty(
            variance_file=variance_file, settings=taught, **COMPUTE, code="a", model_file=models["predictor"]
        )
        map_weights(
            **annotated,
            samples_file=cohort.samples_file,
            model_file=models[taught["filled_by"]],
            predictor_file=models["predictor"],
            part="0",
            size=own["size"],
            grid=(12, 8, 8),
            settings=sampling,
            **COMPUTE,
            out_file=out_file,
        )
        return out_file.read_bytes()

    return call


def test_the_walk_covers_all_settings():
    assert set(INTERPOLATE) == set(BASE) == set(Interpolate.model_fields)
    assert set(UNCERTAINTY) == set(TAUGHT) == set(Uncertainty.model_fields)


def test_every_setting_changes_what_is_filled(fill):
    default = fill()
    assert fill() == default
    unchanged = [name for name, value in INTERPOLATE.items() if fill({name: value}) == default]
    unchanged += [name for name, value in UNCERTAINTY.items() if fill(None, {name: value}) == default]
    assert unchanged == []
