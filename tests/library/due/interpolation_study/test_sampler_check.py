"""The check of draws, with interpolators whose draws are known."""

import numpy as np
import pandas as pd
import pytest
import torch
from nodule_examples import disc, nodule

from explainct.due.interpolation.gaps import ABOVE, BELOW, hold_out_gaps
from explainct.due.interpolation.slice_patches import patches_of
from explainct.due.interpolation_study.sampler_check import check_variance

DRAWS = 64


class Known:
    """Draws of independent pixels from a known probability, whose spread may depend on the number of steps."""

    device = torch.device("cpu")

    def __init__(self, sharpness=lambda _: 1.0):
        self.sharpness = sharpness

    def probability(self, around, steps):
        return (3 * self.sharpness(steps) * around.fields[:, [BELOW, ABOVE]].mean(1)).sigmoid()

    def expect(self, around, _):
        return self.probability(around, 0)

    def sample(self, around, *, draws, steps, generator):
        inside = self.probability(around, steps)
        return (torch.rand((draws, *inside.shape), generator=generator) < inside).float()


@pytest.fixture
def gaps():
    nodules = [
        nodule([disc(radius, (20, 20 + shift)) for radius in (4, 6, 9, 7, 5)], patient)
        for shift, patient in enumerate("ABC")
    ]
    return hold_out_gaps([patches_of(one, 48) for one in nodules], 2)


def check(folder, gaps, interpolator, draws=DRAWS):
    check_variance(
        interpolator,
        gaps,
        steps=(1, 4, 16),
        draws=draws,
        seed=0,
        steps_file=folder / "steps.csv",
        draws_file=folder / "draws.csv",
    )
    return pd.read_csv(folder / "steps.csv"), pd.read_csv(folder / "draws.csv")


def test_draws_that_do_not_depend_on_steps_have_the_same_variance(tmp_path, gaps):
    steps, _ = check(tmp_path, gaps, Known())
    assert steps["steps"].tolist() == [1, 4, 16]
    assert (steps["draws"] == DRAWS).all()
    assert (steps["slices"] == 6).all()
    # The standard error over about 2,000 pixels of 64 draws is below 1 %.
    assert steps["ratio_to_longest"].to_numpy() == pytest.approx(1, abs=0.02)
    assert steps["ratio_to_limit"].to_numpy() == pytest.approx(1, abs=0.02)
    assert steps["ratio_to_longest"].iloc[-1] == 1
    assert steps["spearman_longest"].iloc[-1] == pytest.approx(1)
    assert steps["spearman_longest"].between(0.8, 1).all()
    assert (steps["dice_mean"] > steps["dice_single"]).all()


def test_few_steps_that_lose_variance_are_seen(tmp_path, gaps):
    steps, _ = check(tmp_path, gaps, Known(lambda steps: 4.0 if steps == 1 else 1.0))
    assert steps["ratio_to_longest"].iloc[0] < 0.7
    assert steps["ratio_to_limit"].iloc[0] < 0.7
    assert steps["ratio_to_longest"].iloc[1:].to_numpy() == pytest.approx(1, abs=0.02)


def test_more_draws_come_closer_to_their_limit(tmp_path, gaps):
    _, draws = check(tmp_path, gaps, Known())
    assert draws["draws"].tolist() == [2, 4, 8, 16, 32, 64]
    assert (np.diff(draws["rmse_limit"]) < 0).all()
    assert (np.diff(draws["spearman_limit"]) > 0).all()
    # The error of a variance falls with the root of the number of draws.
    by_four = draws["rmse_limit"].to_numpy()
    assert by_four[2] / by_four[4] == pytest.approx(2, rel=0.25)
    assert draws["error_auroc_limit"].nunique() == 1
    assert draws["error_auroc"].iloc[0] < draws["error_auroc"].iloc[-1]


def test_the_last_row_has_no_more_draws_than_were_made(tmp_path, gaps):
    _, draws = check(tmp_path, gaps, Known(), draws=12)
    assert draws["draws"].tolist() == [2, 4, 8]
