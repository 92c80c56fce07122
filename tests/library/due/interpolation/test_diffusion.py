"""The diffusion interpolator: its loss, its chain against oracles, and what draws do not depend on."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from slice_examples import (
    EMPTY,
    PIECES,
    RING,
    SHAPES,
    Known,
    around_of,
    disc,
    exactly,
    generator,
    hook,
    reversed_z,
    several,
    shown_nearest,
    three_slices,
)

from explainct.due.interpolation.diffusion import PURE_NOISE, Interpolator
from explainct.due.interpolation.noise_schedule import signal_and_noise
from explainct.due.interpolation.orientations import turned, turned_back
from explainct.due.interpolation.training_examples import Batch
from explainct.due.interpolation.unet import condition


def draw(model, around, *, draws=2, steps=3, seed=0):
    return model.sample(around, draws=draws, steps=steps, generator=generator(seed))


class Alike(Interpolator):
    """Knows that all pixels of a slice are inside with probability 0.1, and else all outside."""

    def _probability(self, known, noisy, level):
        signal, spread = signal_and_noise(level)
        odds = math.log(0.1 / 0.9) + (2 * signal / spread**2 * noisy).sum((2, 3), keepdim=True)
        return odds.sigmoid().expand_as(noisy)


def nearest_of(around) -> torch.Tensor:
    return (condition(around)[:, 0] > 0).float()


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_an_oracle_that_knows_the_slice_draws_it_exactly(interpolator, steps):
    interpolator.network = Known(shown_nearest)
    around = three_slices()
    drawn = draw(interpolator, around, draws=11, steps=steps)
    # Each draw belongs to its slice and is turned back.
    assert torch.equal(drawn, nearest_of(around).expand(11, -1, -1, -1))
    assert torch.equal(interpolator.expect(around, generator()), nearest_of(around))


@pytest.mark.parametrize(("steps", "share"), [(4, 0.33), (8, 0.59), (16, 0.77), (64, 0.90)])
def test_few_steps_draw_too_little_variance_of_pixels_that_belong_together(steps, share):
    def variance(size):
        known = torch.zeros(20_000, 1, size, size)
        return Alike({"channels": [8]})._denoise(known, steps, generator()).var(0).mean().item()

    assert variance(4) / 0.09 == pytest.approx(share, abs=0.04)
    assert variance(1) / 0.09 == pytest.approx(1, abs=0.06)


@pytest.mark.parametrize("steps", [2, 8, 50])
@pytest.mark.parametrize("p", [0.1, 0.5, 0.7])
def test_draws_have_the_mean_and_variance_of_independent_pixels(interpolator, p, steps):
    interpolator.network = Known(exactly(p))
    drawn = draw(interpolator, three_slices(), draws=480, steps=steps)
    assert drawn.mean().item() == pytest.approx(p, rel=0.02)
    assert drawn.var(0).mean().item() == pytest.approx(p * (1 - p), rel=0.02)
    # Neighbours are independent, too.
    pairs = (drawn[..., 1:] * drawn[..., :-1]).mean().item()
    assert pairs == pytest.approx(p * p, rel=0.04)


def test_the_expectation_is_the_mean_of_the_draws(interpolator):
    interpolator.network = Known(exactly(0.3))
    torch.testing.assert_close(interpolator.expect(three_slices(), generator()), torch.full((3, 16, 16), 0.3))


def test_the_expectation_is_the_mean_of_first_steps_in_eight_orientations(interpolator):
    around, random = three_slices(), generator(5)
    known = condition(around)
    views = []
    for number in range(8):
        noise = torch.randn(3, 1, 16, 16, generator=random)
        planes = torch.cat([noise, turned(known, number)], dim=1)
        views.append(turned_back(interpolator.network(planes, torch.ones(3)).sigmoid(), number)[:, 0])
    expected = torch.stack(views).mean(0)
    result = interpolator.expect(around, generator(5))
    torch.testing.assert_close(result, expected)
    assert len({view.detach().numpy().tobytes() for view in views}) == 8
    assert not result.requires_grad
    assert 0 <= result.min() <= result.max() <= 1


def test_the_first_step_of_draws_sees_what_the_expectation_sees(interpolator):
    levels, firsts = [], []

    def record(module, inputs):
        levels.append(inputs[1].tolist())
        firsts.append(inputs[0][:, 1:])

    interpolator.network.register_forward_pre_hook(record)
    draw(interpolator, three_slices(), draws=2, steps=4)
    assert [level[0] for level in levels] == [1.0, 0.75, 0.5, 0.25] * 2
    known = condition(three_slices())
    for number in (0, 1):
        assert torch.equal(firsts[4 * number], turned(known, number))


@pytest.mark.parametrize("draws", [1, 3, 8, 11, 16])
def test_draws_are_zero_or_one_in_their_number(interpolator, draws):
    drawn = draw(interpolator, three_slices(), draws=draws)
    assert drawn.shape == (draws, 3, 16, 16)
    assert set(drawn.unique().tolist()) == {0, 1}
    assert not drawn.requires_grad
    assert len({one.numpy().tobytes() for one in drawn}) == draws


def test_draws_use_each_orientation_in_turn(interpolator):
    seen = []
    interpolator.network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0][:, 1:]))
    around = around_of([hook()] * 4, [0, 1, 3, 4], 2)
    draw(interpolator, around, draws=11, steps=1)
    assert [len(planes) for planes in seen] == [2, 2, 2, 1, 1, 1, 1, 1]
    assert len({planes[:1].numpy().tobytes() for planes in seen}) == 8


def test_draws_follow_from_the_seed(interpolator):
    first, same, other = (draw(interpolator, three_slices(), draws=5, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    means = [interpolator.expect(three_slices(), generator(seed)) for seed in (1, 1, 2)]
    assert torch.equal(means[0], means[1])
    assert not torch.equal(means[0], means[2])


AREAS = disc(3, (5, 5)), disc(3, (9, 10))
TURNABLE = {
    "between": three_slices(),
    "half way": around_of([hook(), disc(4), disc(6), RING], [0, 1, 3, 9], 2),
    "equal areas half way": around_of([EMPTY, *AREAS, EMPTY], [0, 1, 3, 4], 2),
    "mirror images half way": around_of([EMPTY, hook(), SHAPES["mirrored"], EMPTY], [0, 1, 3, 4], 2),
    "equal slices, uneven beyond": around_of([disc(4)] * 4, [-5, 1, 3, 4], 2),
    "one side": around_of([disc(4)] * 4, [0, 1, 3, 4], 2, [True, True, False, False]),
}


@pytest.mark.parametrize("name", TURNABLE)
def test_upside_down_gaps_have_the_same_draws(interpolator, name):
    around = TURNABLE[name]
    turned_over = reversed_z(around)
    assert torch.equal(draw(interpolator, around), draw(interpolator, turned_over))
    assert torch.equal(interpolator.expect(around, generator()), interpolator.expect(turned_over, generator()))


@pytest.mark.parametrize("change", ["hidden context_slices", "shift"])
def test_what_does_not_matter_changes_no_draw(interpolator, change):
    around = three_slices()
    if change == "shift":
        other = replace(around, context_z=around.context_z + 64, z=around.z + 64)
    else:
        hidden = ~around.shown
        fields = torch.where(hidden[..., None, None], torch.ones(()), around.fields)
        other = replace(around, fields=fields, context_z=torch.where(hidden, 7.7, around.context_z))
        assert not torch.equal(other.fields, around.fields)
    assert torch.equal(draw(interpolator, around), draw(interpolator, other))


@pytest.mark.parametrize(
    "context_slices",
    [[disc(4)] * 4, [disc(5), EMPTY, disc(5), disc(5)], [PIECES] * 4, [RING] * 4, [EMPTY] * 4, [1 - EMPTY] * 4],
    ids=["equal", "empty between full", "pieces", "holes", "empty", "full"],
)
def test_unusual_slices_have_answers(interpolator, context_slices):
    around = around_of(context_slices, [0, 1, 3, 5], 2)
    assert set(draw(interpolator, around).unique().tolist()) <= {0, 1}
    assert interpolator.expect(around, generator()).isfinite().all()


def test_memory_is_bounded_by_parts(interpolator, monkeypatch):
    sizes = []
    interpolator.network.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    monkeypatch.setattr("explainct.due.interpolation.unet.PIXELS_AT_ONCE", {"cpu": 4 * 16**2})
    drawn = draw(interpolator, three_slices(), draws=16, steps=1)
    assert drawn.shape == (16, 3, 16, 16)
    assert sizes == [4] * 8 + [2] * 8
    assert interpolator.expect(three_slices(), generator()).shape == (3, 16, 16)


def batch(count: int = 3) -> Batch:
    around = three_slices()[torch.arange(count) % 3]
    return Batch(nearest_of(around), around)


def test_a_network_that_knows_the_slice_has_no_loss(interpolator):
    around = around_of([disc(4)] * 4, [0, 1, 3, 4], 2)
    clean = torch.from_numpy(disc(4))
    interpolator.network = Known(lambda planes, level: (2 * clean - 1).expand(len(planes), 1, -1, -1) * 100)
    assert interpolator.loss(Batch(clean[None], around), generator()) < 1e-6
    # And one that knows nothing has ln 2 for each of the pixels near the outline and far from it.
    interpolator.network = Known(lambda planes, level: torch.zeros(len(planes), 1, 16, 16))
    assert interpolator.loss(Batch(clean[None], around), generator()) > np.log(2)


def test_half_of_the_examples_are_pure_noise_at_any_level_below(interpolator):
    seen = []

    def answer(planes, level):
        seen.append((planes, level))
        return torch.zeros(len(planes), 1, 16, 16)

    interpolator.network = Known(answer)
    interpolator.loss(batch(3000), generator())
    planes, level = seen[0]
    pure = level == 1
    assert pure.float().mean().item() == pytest.approx(PURE_NOISE, abs=0.04)
    assert level[~pure].mean().item() == pytest.approx(0.5, abs=0.03)
    assert planes[pure, 0].std().item() == pytest.approx(1, abs=0.01)
    # Almost without noise, slices are -1 and 1.
    assert (planes[level < 0.01, 0].abs() - 1).abs().max() < 0.1


def test_slices_and_what_is_known_are_turned_together(interpolator):
    seen = []
    interpolator.network = Known(lambda planes, level: seen.append((planes, level)) or planes[:, :1])
    around = around_of([hook()] * 4, [0, 1, 3, 4], 2)[torch.zeros(500, dtype=torch.long)]
    interpolator.loss(Batch(nearest_of(around), around), generator())
    planes, level = seen[0]
    clear = (level < 0.1) & (planes[:, 5] == 1)[:, 0, 0]
    assert clear.sum() > 10
    assert ((planes[clear, 0] > 0) == (planes[clear, 1] > 0)).all()
    assert len({(plane > 0).numpy().tobytes() for plane in planes[clear, 1]}) == 8


def test_the_loss_falls(interpolator):
    optimizer = torch.optim.Adam(interpolator.parameters(), lr=0.01)
    losses, random = [], generator()
    for _ in range(25):
        loss = interpolator.loss(batch(9), random)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    # It starts near the blend of the annotated slices, which is no bad answer here.
    assert np.mean(losses[-5:]) < 0.85 * np.mean(losses[:5])


def test_the_loss_counts_contexts_hidden_in_training_as_shown(interpolator, monkeypatch):
    interpolator.network = Known(lambda planes, level: torch.zeros(len(planes), 1, 16, 16))
    whole = interpolator.loss(batch(), generator())
    monkeypatch.setattr(
        "explainct.due.interpolation.diffusion.hide_some",
        lambda around, random: replace(around, shown=torch.zeros_like(around.shown)),
    )
    torch.testing.assert_close(interpolator.loss(batch(), generator()), whole)


def test_patches_of_other_sizes_are_drawn_by_the_same_model(settings):
    model = Interpolator(settings).eval()
    for size in (16, 24, 40):
        around = around_of([disc(4, size=size)] * 4, [0, 1, 3, 4], 2)
        assert draw(model, several(around, around)).shape == (2, 2, size, size)
