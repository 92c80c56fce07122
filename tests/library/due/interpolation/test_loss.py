"""The loss of the learned interpolators: what minimises it, what counts, and how often contexts are hidden."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from slice_examples import EMPTY, SHAPES, around_of, disc, generator, several, three_slices

from explainct.due.interpolation.loss import NEAR, hide_some, outline_loss


def probability() -> torch.Tensor:
    return 0.02 + 0.96 * torch.rand(3, 1, 16, 16, generator=generator())


def test_the_probability_minimises_the_loss():
    target, around = probability(), three_slices()
    logits = target.logit().requires_grad_()
    least = outline_loss(logits, target, around)
    least.backward()
    assert logits.grad.abs().max() < 1e-8
    for change in (-0.1, 0.1):
        assert outline_loss(logits.detach() + change, target, around) > least


def test_the_minimum_over_zeros_and_ones_is_their_mean():
    around = three_slices()
    drawn = (torch.rand(400, 3, 1, 16, 16, generator=generator()) < probability()).float()
    logits = drawn.mean(0).clamp(1e-3, 1 - 1e-3).logit().requires_grad_()
    torch.stack([outline_loss(logits, one, around) for one in drawn]).mean().backward()
    assert logits.grad.abs().max() < 1e-5


@pytest.mark.parametrize("radius", [2, 4, 9])
def test_small_and_large_lesions_count_alike(radius):
    shape = disc(radius, (15.5, 15.5), 32)
    around = around_of([shape] * 4, [0, 1, 3, 4], 2)
    i, j = np.indices((32, 32))
    inside = np.argwhere(shape > 0)
    near = np.min([np.hypot(i - a, j - b) for a, b in inside], axis=0) - 0.5 <= NEAR
    logits = torch.from_numpy(np.where(near, 0, -1000)).float()[None, None]
    target = torch.from_numpy(shape)[None, None]
    # Nothing is known near the outline and all elsewhere: ln 2 a pixel.
    assert outline_loss(logits, target, around).item() == pytest.approx(np.log(2), rel=1e-5)


def test_slices_beyond_and_the_truth_do_not_set_the_scale():
    around = three_slices()
    beyond = around.fields.clone()
    beyond[:, [0, 3]] = 1
    logits, target = torch.zeros(3, 1, 16, 16), probability()
    loss = outline_loss(logits, target, around)
    assert loss == outline_loss(logits, target, replace(around, fields=beyond))
    torch.testing.assert_close(loss, outline_loss(logits, 1 - target, around))
    assert loss != outline_loss(logits, target, replace(around, fields=beyond.flip(1).roll(1, 1)))


def test_examples_weigh_the_same():
    shapes = [SHAPES["disc"]] * 4, [disc(2)] * 4
    parts = [around_of(shape, [0, 1, 3, 4], 2) for shape in shapes]
    logits, target = torch.randn(2, 1, 16, 16, generator=generator()), probability()[:2]
    separate = [outline_loss(logits[n : n + 1], target[n : n + 1], parts[n]) for n in range(2)]
    torch.testing.assert_close(outline_loss(logits, target, several(*parts)), torch.stack(separate).mean())


def test_two_empty_slices_around_have_a_finite_loss():
    around = around_of([EMPTY] * 4, [0, 1, 3, 4], 2)
    assert outline_loss(torch.zeros(1, 1, 16, 16), torch.zeros(1, 1, 16, 16), around).isfinite()


def test_contexts_are_hidden_at_their_rates_each_on_its_own():
    many = 40_000
    around = three_slices()[torch.zeros(many, dtype=torch.long)]
    around = replace(around, fields=around.fields[:, :, :1, :1])
    hidden = ~hide_some(around, generator()).shown.numpy()
    chances = [0.1, 0.05, 0.05, 0.1]
    np.testing.assert_allclose(hidden.mean(0), chances, atol=0.006)
    for a in range(4):
        for b in range(a):
            assert (hidden[:, a] & hidden[:, b]).mean() == pytest.approx(chances[a] * chances[b], abs=0.004)


def test_what_is_not_there_is_never_shown_and_nothing_else_changes():
    around = replace(three_slices(), shown=torch.tensor([[False, True, True, False]] * 3))
    result = hide_some(around, generator())
    assert not result.shown[:, [0, 3]].any()
    assert around.shown[:, 1:3].all()
    assert all(getattr(result, name) is getattr(around, name) for name in ("fields", "context_z", "z", "pixel_mm"))
