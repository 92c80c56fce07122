"""The bridge: exact on annotated slices, continuous beside them, and nothing of the network there."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from slice_examples import SHAPES, around_of, disc, generator

from explainct.due.interpolation.bridge import LEAST_DISTANCE, SLOPE, evidence, network_share
from explainct.due.interpolation.classical import REACH, clipped_field


def fields_of(*shapes):
    return torch.from_numpy(np.stack([clipped_field(shape) for shape in shapes]))


@pytest.mark.parametrize("t", [0.1, 0.25, 0.5, 0.8])
def test_between_two_slices_evidence_is_their_blend_over_half_the_harmonic_mean(t):
    fields, gap = fields_of(disc(4), SHAPES["hook"]), 3.0
    logit = evidence(fields, torch.tensor([t * gap, (1 - t) * gap]), torch.ones(2, dtype=torch.bool))
    blend = REACH * ((1 - t) * fields[0] + t * fields[1])
    torch.testing.assert_close(logit, SLOPE * blend / (t * (1 - t) * gap))


def test_slices_that_are_not_shown_give_no_evidence():
    fields, distance = fields_of(disc(4), disc(2)), torch.tensor([1.0, 2.0])
    one = evidence(fields, distance, torch.tensor([True, False]))
    torch.testing.assert_close(one, SLOPE * REACH * fields[0])
    assert not evidence(fields, distance, torch.zeros(2, dtype=torch.bool)).any()


def test_evidence_is_finite_at_distance_0_and_decides():
    logit = evidence(fields_of(disc(4), disc(2)), torch.tensor([0.0, 2.0]), torch.ones(2, dtype=torch.bool))
    assert logit.isfinite().all()
    assert torch.equal(logit.sigmoid() > 0.5, torch.from_numpy(disc(4)) > 0)
    assert (logit.abs() > 0.4 * SLOPE / LEAST_DISTANCE).all()


def test_the_network_counts_half_way_and_not_on_slices():
    near, far = torch.tensor([0.0, 1.0, 2.0, 4.0, 0.0]), torch.tensor([4.0, 3.0, 2.0, 0.0, 0.0])
    assert network_share(near, far).tolist() == [0, 0.75, 1, 0, 0]


@pytest.mark.parametrize("shape", ["hook", "ring", "pieces", "disc", "empty", "full"])
def test_models_are_exact_on_annotated_slices_and_leave_them_continuously(interpolator, regression, shape):
    truth = torch.from_numpy(SHAPES[shape])
    slices = [disc(3), SHAPES[shape], disc(5), disc(2)]

    def answers(z):
        around = around_of(slices, [-2, 0, 2.5, 5], z)
        return torch.stack([interpolator.expect(around, generator())[0], regression.expect(around)[0]])  # [2, S, S]

    beside = answers(0.005)
    assert (beside - truth).abs().max() < 0.01
    assert (beside * (1 - beside)).sum() <= 0.005 * max(float(truth.sum()), 1)
    steps = [answers(z) for z in np.linspace(0.005, 1.25, 60)]
    assert max(float((one - other).abs().max()) for one, other in pairwise(steps)) < 0.3
