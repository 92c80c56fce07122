"""The models that are kept in the repository load, and reach the number that their card states."""

import re
from pathlib import Path

import numpy as np
import pytest

from due.interpolate.diffusion import Interpolator
from due.interpolate.evaluate import dice
from due.interpolate.filling import expect_gaps
from due.interpolate.frames import frames_of
from due.interpolate.gaps import hold_out_gaps
from due.interpolate.models import load_model
from due.seeds import torch_generator
from due.study.training import split_nodules

MODELS = Path(__file__).parents[3] / "models"


def test_the_diffusion_interpolator_reaches_its_number():
    stated = float(re.search(r"24\s+pixels or less: Dice ([\d.]+),", (MODELS / "README.md").read_text())[1])
    nodules = split_nodules({"test": 0.2, "splits": None}, seed=0)[1]
    gaps = [gap for gap in hold_out_gaps([frames_of(one, 112) for one in nodules], 4) if gap.size <= 24]
    assert len(gaps) == 67
    model = load_model(Interpolator, MODELS / "diffusion.pt")
    filled = expect_gaps(model, gaps, torch_generator(0, "kept"))
    scores = [dice(mean.numpy(), gap.truth) for mean, gap in zip(filled, gaps, strict=True)]
    assert np.concatenate(scores).mean() == pytest.approx(stated, abs=0.002)
