"""The models that are kept in the repository load, and reach the numbers that their card states."""

import re
from pathlib import Path

import numpy as np
import pytest

from explainct.due.interpolation.diffusion import Interpolator
from explainct.due.interpolation.filling import expect_gaps
from explainct.due.interpolation.gaps import hold_out_gaps
from explainct.due.interpolation.model_file import load_model
from explainct.due.interpolation.slice_patches import patches_of
from explainct.due.interpolation.slice_scores import dice
from explainct.due.interpolation_study.train_models import split_nodules
from explainct.due.uncertainty.fill_gaps import predict_gaps
from explainct.due.uncertainty.train import load_predictor
from explainct.seeds import torch_generator

MODELS = Path(__file__).parents[4] / "models"


@pytest.fixture(scope="module")
def gaps():
    nodules = split_nodules(test=0.2, splits_file=None, seed=0)[1]
    gaps = [gap for gap in hold_out_gaps([patches_of(one, 112) for one in nodules], 4) if gap.size <= 24]
    assert len(gaps) == 67
    return gaps


def stated(number):
    """Return the interpolator's Dice on these gaps in the card, or the predictor's."""
    card = (MODELS / "README.md").read_text()
    return float(re.search(r"pixels or less: Dice ([\d.]+), and ([\d.]+) for the predictor", card)[number])


def mean_dice(means, gaps):
    return np.concatenate([dice(mean.numpy(), gap.truth) for mean, gap in zip(means, gaps, strict=True)]).mean()


def test_the_diffusion_interpolator_reaches_its_number(gaps):
    model = load_model(Interpolator, MODELS / "diffusion.pt")
    filled = expect_gaps(model, gaps, torch_generator(0, "kept"))
    assert mean_dice(filled, gaps) == pytest.approx(stated(1), abs=0.002)


def test_the_uncertainty_predictor_reaches_its_number(gaps):
    answers = predict_gaps(load_predictor(MODELS / "uncertainty.pt", "cpu"), gaps, "mean", torch_generator(0, "kept"))
    assert mean_dice([answer.mean for answer in answers], gaps) == pytest.approx(stated(2), abs=0.001)
