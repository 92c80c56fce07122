"""The bridge: exact on annotated slices, continuous beside them, and the network alone from a pixel on."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from slice_examples import SHAPES, around_of, disc, generator

from explainct.due.interpolation.bridge import LEAST_DISTANCE, REACH_PX, SLOPE, evidence, network_share
from explainct.due.interpolation.classical import REACH, clipped_field


def fields_of(*shapes):
    return torch.from_numpy(np.stack([clipped_field(shape) for shape in shapes]))


BOTH = torch.ones(2, dtype=torch.bool)


def test_evidence_of_a_slice_is_its_signed_distance_over_the_distance_less_what_that_is_at_the_reach():
    fields = fields_of(disc(4), SHAPES["hook"])
    logit = evidence(fields, REACH_PX * torch.tensor([0.25, 0.5]), BOTH)
    expected = SLOPE * REACH * (3 * fields[0] + fields[1]) / REACH_PX
    torch.testing.assert_close(logit, expected)


@pytest.mark.parametrize("distance", [1.0, 1.5, 40.0])
def test_beyond_the_reach_there_is_no_evidence_and_the_network_answers_alone(distance):
    far = torch.full((2,), distance * REACH_PX)
    assert not evidence(fields_of(disc(4), disc(2)), far, BOTH).any()
    assert network_share(far).tolist() == [1, 1]


def test_slices_that_are_not_shown_give_no_evidence():
    fields, distance = fields_of(disc(4), disc(2)), REACH_PX * torch.tensor([0.5, 0.25])
    one = evidence(fields, distance, torch.tensor([True, False]))
    torch.testing.assert_close(one, SLOPE * REACH / REACH_PX * fields[0])
    assert not evidence(fields, distance, torch.zeros(2, dtype=torch.bool)).any()


def test_evidence_is_finite_at_distance_0_and_decides():
    logit = evidence(fields_of(disc(4), disc(2)), torch.tensor([0.0, 2.0]), BOTH)
    assert logit.isfinite().all()
    assert torch.equal(logit.sigmoid() > 0.5, torch.from_numpy(disc(4)) > 0)
    assert (logit.abs() > 0.4 * SLOPE / LEAST_DISTANCE).all()


def test_the_networks_share_rises_from_0_on_a_slice():
    assert network_share(REACH_PX * torch.tensor([0.0, 0.25, 0.75])).tolist() == [0, 0.25, 0.75]


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
    # Half-way the nearer side changes, and with it the order of what the networks see.
    steps = [answers(z) for z in np.linspace(0.005, 1.24, 60)]
    assert max(float((one - other).abs().max()) for one, other in pairwise(steps)) < 0.3
