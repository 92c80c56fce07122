"""The regression U-Net: the same inputs as the diffusion's, one answer, no noise."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from slice_examples import EMPTY, Known, around_of, disc, generator, hook, reversed_z, several, three_slices

from explainct.due.interpolation.orientations import turned, turned_back
from explainct.due.interpolation.training_examples import Batch
from explainct.due.interpolation.unet import condition


def test_the_answer_is_the_mean_of_eight_orientations(regression):
    known = condition(three_slices())
    views = [
        turned_back(regression.network(turned(known, number), torch.ones(3)).sigmoid(), number)[:, 0]
        for number in range(8)
    ]
    result = regression.expect(three_slices())
    torch.testing.assert_close(result, torch.stack(views).mean(0))
    assert result.shape == (3, 16, 16)
    assert 0 < result.min() < result.max() < 1
    assert not result.requires_grad
    assert torch.equal(result, regression.expect(three_slices()))


@pytest.mark.parametrize("number", range(1, 8))
def test_turned_slices_have_turned_answers(regression, number):
    around = three_slices()
    patches = {name: turned(getattr(around, name), number) for name in ("fields", "disagreement")}
    other = replace(around, **patches)
    torch.testing.assert_close(regression.expect(other), turned(regression.expect(around), number), rtol=0, atol=1e-4)


@pytest.mark.parametrize("z", [1.5, 2.0])
def test_upside_down_is_the_same(regression, z):
    around = around_of([EMPTY, hook(), hook()[:, ::-1].copy(), disc(4)], [0, 1, 3, 9], z)
    assert torch.equal(regression.expect(around), regression.expect(reversed_z(around)))


def test_answers_belong_to_their_slices_in_parts_of_any_size(regression, monkeypatch):
    regression.network = Known(lambda planes, level: 10_000 * planes[:, :1])
    whole = regression.expect(three_slices())
    assert torch.equal(whole, (condition(three_slices())[:, 0] > 0).float())
    monkeypatch.setattr("explainct.due.interpolation.unet.PIXELS_AT_ONCE", {"cpu": 16**2})
    assert torch.equal(regression.expect(three_slices()), whole)


def test_the_loss_falls_towards_the_truth(regression):
    around = several(*[around_of([disc(r + step) for step in (-1, 0, 2, 3)], [0, 1, 3, 4], 2) for r in (2, 3, 4)])
    truth = torch.from_numpy(np.stack([disc(r + 1) for r in (2, 3, 4)]))
    optimizer = torch.optim.Adam(regression.parameters(), lr=0.01)
    losses, random = [], generator()
    before = ((regression.expect(around) - truth) ** 2).mean()
    for _ in range(40):
        loss = regression.loss(Batch(truth, around), random)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    # It starts near the blend of the annotated slices.
    assert np.mean(losses[-5:]) < 0.85 * np.mean(losses[:5])
    assert ((regression.expect(around) - truth) ** 2).mean() < 0.7 * before
