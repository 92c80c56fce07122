"""The diffusion interpolator: inputs of its network, its loss, its chain, and how gaps are filled."""

import numpy as np
import pytest
import torch

from due.errors import DueError
from due.interpolate.diffusion import Interpolator, fill_gap, load_interpolator, save_interpolator
from due.interpolate.gaps import Batch
from due.interpolate.network import condition
from due.train import checkpoint


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def pairs(count=3, size=8):
    return torch.rand(count, 2, size, size, generator=generator(1))


def numbers(count=3, t=0.3):
    return torch.full((count,), t), torch.full((count,), 6.0), torch.full((count,), 0.9)


class Oracle(torch.nn.Module):
    """Predicts the velocity that leads to a known clean slice, by the definition of velocity."""

    def __init__(self, scheduler, clean):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(()))
        self.scheduler, self.clean = scheduler, clean

    def forward(self, noisy, timesteps, known, shown):
        kept = self.scheduler.alphas_cumprod[timesteps][:, None, None, None]
        noise = (noisy - kept.sqrt() * self.clean) / (1 - kept).sqrt()
        return kept.sqrt() * noise - (1 - kept).sqrt() * self.clean


class Exact(torch.nn.Module):
    """Predicts the velocity from the exact expectation of the clean slice, whose pixels are independent."""

    def __init__(self, scheduler, expectation):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(()))
        self.scheduler, self.expectation = scheduler, expectation

    def forward(self, noisy, timesteps, known, shown):
        kept = self.scheduler.alphas_cumprod[timesteps][:, None, None, None]
        return (kept.sqrt() * noisy - self.expectation(noisy, kept)) / (1 - kept).sqrt()


def normal(noisy, kept):
    """Return the expectation of pixels with mean 0 and variance 1/16."""
    return noisy * kept.sqrt() / (kept + 16 * (1 - kept))


def mostly_inside(noisy, kept):
    """Return the expectation of pixels that are 1 with probability 0.9 and else -1."""
    return torch.tanh(noisy * kept.sqrt() / (1 - kept) + np.log(9) / 2)


def test_schedule_is_the_cosine_one(settings):
    kept = Interpolator({**settings, "timesteps": 32}).scheduler.alphas_cumprod
    angle = (torch.arange(33) / 32 + 0.008) / 1.008 * torch.pi / 2
    expected = (torch.cos(angle) ** 2 / torch.cos(angle[0]) ** 2)[1:]
    torch.testing.assert_close(kept[:-1], expected[:-1], rtol=1e-3, atol=1e-5)
    assert kept[-1] < 1e-4


def test_oracle_is_drawn_exactly(interpolator):
    clean = (torch.rand(1, 1, 8, 8, generator=generator()) > 0.5).float()
    interpolator.network = Oracle(interpolator.scheduler, 2 * clean - 1)
    drawn = interpolator.sample(pairs(), *numbers(), draws=2, generator=generator())
    torch.testing.assert_close(drawn, clean[None, 0].expand(3, 2, 8, 8), atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("expectation", "timesteps", "mean", "variance"),
    [(normal, 300, 0.5, 1 / 64), (mostly_inside, 32, 0.9, 0.09), (mostly_inside, 100, 0.9, 0.09)],
)
def test_draws_have_the_mean_and_variance_of_the_data(settings, expectation, timesteps, mean, variance):
    model = Interpolator({**settings, "timesteps": timesteps})
    model.network = Exact(model.scheduler, expectation)
    drawn = model.sample(pairs(), *numbers(), draws=100, generator=generator())
    assert drawn.mean().item() == pytest.approx(mean, abs=0.01)
    assert drawn.var().item() == pytest.approx(variance, rel=0.06)


def test_sample_shape_range_and_seed(interpolator):
    first, same, other = (
        interpolator.sample(pairs(), *numbers(), draws=5, generator=generator(seed)) for seed in (1, 1, 2)
    )
    assert first.shape == (3, 5, 8, 8)
    assert first.min() >= 0
    assert first.max() <= 1
    assert not first.requires_grad
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    assert not torch.equal(first[:, 0], first[:, 1])


def test_draws_belong_to_their_pair(interpolator):
    class Copy(torch.nn.Module):
        def forward(self, noisy, timesteps, known, shown):
            kept = interpolator.scheduler.alphas_cumprod[timesteps][:, None, None, None]
            return (kept.sqrt() * noisy - known[:, :1]) / (1 - kept).sqrt()

    network, contexts = interpolator.network, pairs()
    interpolator.network = Copy()
    interpolator.network.weights = network
    drawn = interpolator.sample(contexts, *numbers(), draws=4, generator=generator())
    torch.testing.assert_close(drawn, contexts[:, :1].expand(-1, 4, -1, -1), atol=1e-5, rtol=0)


def test_memory_is_bounded_by_chunks(interpolator, monkeypatch):
    sizes = []
    interpolator.network.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    monkeypatch.setattr("due.interpolate.diffusion.PIXELS_AT_ONCE", 4 * 64)
    drawn = interpolator.sample(pairs(), *numbers(), draws=3, generator=generator())
    assert drawn.shape == (3, 3, 8, 8)
    assert sizes == [4] * 4 + [4] * 4 + [1] * 4


def test_reversed_pair_has_the_same_draws(interpolator):
    t, *distances = numbers()
    forward = interpolator.sample(pairs(), t, *distances, draws=2, generator=generator())
    backward = interpolator.sample(pairs().flip(1), 1 - t, *distances, draws=2, generator=generator())
    torch.testing.assert_close(forward, backward, atol=1e-4, rtol=0)


def test_every_condition_matters(interpolator):
    t, gap_mm, pixel_mm = numbers()
    changed = {
        "same": (pairs(), t, gap_mm, pixel_mm),
        "contexts": (1 - pairs(), t, gap_mm, pixel_mm),
        "t": (pairs(), t + 0.1, gap_mm, pixel_mm),
        "gap": (pairs(), t, 2 * gap_mm, pixel_mm),
        "pixel": (pairs(), t, gap_mm, 2 * pixel_mm),
    }
    drawn = {
        name: interpolator.sample(*arguments, draws=1, generator=generator()) for name, arguments in changed.items()
    }
    assert [name for name in drawn if torch.equal(drawn[name], drawn["same"])] == ["same"]


def test_condition_maps_contexts_and_numbers():
    t, gap_mm, pixel_mm = torch.tensor([0.25, 0.75]), torch.tensor([5.0, 5.0]), torch.tensor([1.0, 1.0])
    contexts = torch.stack([torch.zeros(2, 4, 4), torch.ones(2, 4, 4)], dim=1)
    known = condition(contexts, t, gap_mm, pixel_mm)
    assert known[:, :, 0, 0].tolist() == [[-1, 1, 0, 0, 0], [1, -1, 0, 0, 0]]


def test_hidden_contexts_are_not_seen(interpolator):
    noisy, timesteps = torch.zeros(3, 1, 8, 8), torch.zeros(3, dtype=torch.long)
    one, other = condition(pairs(), *numbers()), condition(1 - pairs(), *numbers())

    def predict(known, shown):
        return interpolator.network(noisy, timesteps, known, torch.tensor(shown).expand(3, 2))

    assert torch.equal(predict(one, [False, False]), predict(other, [False, False]))
    assert not torch.equal(predict(one, [True, False]), predict(other, [True, False]))
    assert not torch.equal(predict(one, [False, True]), predict(other, [False, True]))
    # A hidden context differs from one that is all mid-grey.
    grey = condition(torch.full_like(pairs(), 0.5), *numbers())
    assert not torch.equal(predict(grey, [True, True]), predict(grey, [False, False]))


def test_each_context_is_hidden_in_half_of_the_examples(interpolator):
    flags = []
    interpolator.network.register_forward_pre_hook(lambda _, inputs: flags.append(inputs[3]))
    batch = Batch(torch.rand(2000, 8, 8), pairs(2000), *numbers(2000))
    interpolator.loss(batch, generator())
    joint = torch.bincount(2 * flags[0][:, 0].long() + flags[0][:, 1].long()) / 2000
    torch.testing.assert_close(joint, torch.full((4,), 0.25), atol=0.04, rtol=0)


def test_loss_is_zero_for_the_oracle_and_falls_with_training(interpolator):
    clean = (torch.rand(8, 8, 8, generator=generator()) > 0.5).float()
    batch = Batch(clean, pairs(8), *numbers(8))
    network = interpolator.network
    interpolator.network = Oracle(interpolator.scheduler, 2 * clean[:, None] - 1)
    assert interpolator.loss(batch, generator()).item() < 1e-6
    interpolator.network = network
    optimizer = torch.optim.Adam(interpolator.parameters(), lr=0.01)
    losses = []
    for _ in range(30):
        loss = interpolator.loss(batch, generator())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize("filling", ["direct", "autoregressive"])
def test_fill_gap_keeps_the_order_of_positions(interpolator, filling):
    t = np.array([0.7, 0.2, 0.5], np.float32)
    arguments = {"draws": 4, "filling": filling}
    filled = fill_gap(interpolator, pairs(1)[0].numpy(), t, 6.0, 0.9, **arguments, generator=generator())
    assert filled.shape == (4, 3, 8, 8)
    assert filled.min() >= 0
    assert filled.max() <= 1
    if filling == "autoregressive":
        ordered = fill_gap(interpolator, pairs(1)[0], np.sort(t), 6.0, 0.9, **arguments, generator=generator())
        assert torch.equal(filled, ordered[:, [2, 0, 1]])


def test_direct_filling_uses_the_annotated_pair_for_every_slice(interpolator, monkeypatch):
    calls = []
    monkeypatch.setattr(interpolator, "sample", lambda *args, **kwargs: calls.append(args) or torch.zeros(2, 3, 8, 8))
    pair = pairs(1)[0]
    fill_gap(interpolator, pair, [0.25, 0.5], 8.0, 0.9, draws=3, filling="direct", generator=generator())
    contexts, t, gap_mm, pixel_mm = calls[0]
    assert torch.equal(contexts, torch.stack([pair, pair]))
    assert t.tolist() == [0.25, 0.5]
    assert gap_mm.tolist() == [8, 8]
    assert pixel_mm.tolist() == pytest.approx([0.9, 0.9])


def test_autoregressive_filling_goes_on_from_the_last_slice(interpolator, monkeypatch):
    calls = []

    def sample(contexts, t, gap_mm, pixel_mm, *, draws, generator):
        calls.append((contexts.clone(), t[0].item(), gap_mm[0].item(), draws))
        return torch.full((len(t), 1, 8, 8), len(calls) / 10)

    monkeypatch.setattr(interpolator, "sample", sample)
    pair = pairs(1)[0]
    fill_gap(interpolator, pair, [0.25, 0.5, 0.75], 8.0, 0.9, draws=2, filling="autoregressive", generator=generator())
    assert [call[1] for call in calls] == pytest.approx([1 / 4, 1 / 3, 1 / 2])
    assert [call[2] for call in calls] == pytest.approx([8, 6, 4])
    for number, (contexts, _, _, draws) in enumerate(calls):
        below = pair[0] if number == 0 else torch.full((8, 8), number / 10)
        torch.testing.assert_close(contexts, torch.stack([below, pair[1]]).expand(2, -1, -1, -1))
        assert draws == 1


def test_saved_and_loaded_model_draws_the_same(interpolator, tmp_path):
    save_interpolator(interpolator, tmp_path / "model.pt")
    loaded = load_interpolator(tmp_path / "model.pt", "cpu")
    assert not loaded.training
    assert loaded.settings == {"size": 8, "channels": [8, 16], "timesteps": 4}
    one, other = (model.sample(pairs(), *numbers(), draws=1, generator=generator()) for model in (interpolator, loaded))
    assert torch.equal(one, other)


@pytest.mark.parametrize("content", [{}, {"settings": {"size": 8, "channels": [8], "timesteps": 4}, "weights": {}}])
def test_another_file_is_refused(tmp_path, content):
    checkpoint.save(content, tmp_path / "model.pt")
    with pytest.raises(DueError, match=r"model\.pt does not hold an interpolator"):
        load_interpolator(tmp_path / "model.pt", "cpu")


@pytest.mark.parametrize("channels", [[], [12, 16]])
def test_channels_that_cannot_be_grouped_are_named(settings, channels):
    with pytest.raises(DueError, match="multiples of 8"):
        Interpolator({**settings, "channels": channels})
