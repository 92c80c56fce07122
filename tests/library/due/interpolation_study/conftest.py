"""The contours of LIDC-IDRI, all of them and those of the first 40 scans, and what the study learns from the latter."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from explainct.data.annotate.lidc_database import Database
from explainct.due.interpolation.hidden_slices import load_nodules
from explainct.due.interpolation_study import train_models as training
from explainct.due.interpolation_study.train_models import (
    fill_hidden_slices,
    sample_study_variance,
    train_study_model,
)
from explainct.due.uncertainty.train import train_uncertainty
from explainct.runtime.device import Compute

SETTINGS = {
    "size": 112,
    "channels": [8, 16],
    "steps": 2,
    "epochs": 1,
    "steps_per_epoch": 2,
    "batch_size": 4,
    "learning_rate": 0.001,
    "ema": 0.9,
    "max_gap": 3,
    "filling": "direct",
    "draws": 3,
}
UNCERTAINTY = {
    "gaps": 6,
    "estimate": "expectation",
    "draws": 2,
    "latent": 4,
    "width": 8,
    "epochs": 1,
    "batch_size": 4,
    "learning_rate": 0.001,
    "beta": 0.001,
    "latent_at_inference": "mean",
}
LEARNED = ("regression", "diffusion", "diffusion_draws", "uncertainty")
STUDY = {
    "every": (2, 4),
    "test": 0.12,
    "check_gaps": 3,
    "check_steps": (1, 2),
    "check_draws": 4,
}


@pytest.fixture(scope="session")
def nodules(database):
    return load_nodules(database)


@pytest.fixture(scope="session")
def small(database):
    return Database(database.scans[:40], database.annotations)


@pytest.fixture(scope="session")
def compute():
    return Compute(torch.device("cpu"), torch.float32)


@pytest.fixture(scope="session")
def settings():
    return dict(SETTINGS)


@pytest.fixture(scope="session")
def uncertainty():
    return dict(UNCERTAINTY)


@pytest.fixture(scope="session")
def study():
    return dict(STUDY)


@dataclass(frozen=True)
class Trained:
    """Files of the learned stages, made from few scans."""

    folder: Path
    common: dict[str, Any]
    uncertainty: dict[str, Any]

    def model(self, method):
        return self.folder / f"{'diffusion' if method == 'diffusion_draws' else method}.pt"

    @property
    def learned(self):
        return {name: self.folder / f"{name}.h5" for name in LEARNED}

    def fill(self, method, out, **changes):
        options = {"latent": "mean", "every": STUDY["every"], "model_file": self.model(method)} | self.common | changes
        fill_hidden_slices(filler=method, **options, settings=SETTINGS, out_file=out)


@pytest.fixture(scope="session")
def trained(tmp_path_factory, small, study, settings, uncertainty):
    """All stages before the scores: two interpolators, variances, their predictor, and slices that they fill in."""
    folder = tmp_path_factory.mktemp("trained")
    computing = {"seed": 0, "device": "cpu", "threads": 1}
    common = {"test": study["test"], "splits_file": None, "database": small, **computing}
    files = Trained(folder, common, uncertainty)
    for kind in ("regression", "diffusion"):
        train_study_model(kind=kind, **common, settings=settings, code="a", model_file=files.model(kind))
    variance_file = folder / "variance.h5"
    options = {"settings": settings | uncertainty, "model_file": files.model("diffusion"), "out_file": variance_file}
    sample_study_variance(**common, **options)
    predictor = files.model("uncertainty")
    train_uncertainty(variance_file=variance_file, settings=uncertainty, **computing, code="a", model_file=predictor)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "load_nodules", cache(load_nodules))
        for method, path in files.learned.items():
            files.fill(method, path)
    return files
