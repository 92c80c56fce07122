"""The noise schedule: closed forms, the posterior step against another implementation, and a chain's variance."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from monai.networks.schedulers import DDPMScheduler
from slice_examples import generator

from explainct.due.interpolation.noise_schedule import levels, signal_and_noise, step_down, with_noise


@given(steps=st.integers(1, 1000))
def test_levels_fall_from_pure_noise_to_none(steps):
    chain = levels(steps)
    assert len(chain) == steps + 1
    assert (chain[0], chain[-1]) == (1, 0)
    assert all(upper > lower for upper, lower in pairwise(chain))


@given(level=st.floats(0, 1))
def test_squares_of_signal_and_noise_sum_to_one(level):
    signal, noise = signal_and_noise(level)
    assert float(signal) >= 0
    assert float(signal**2 + noise**2) == pytest.approx(1, abs=1e-6)
    assert float(signal) == pytest.approx(torch.cos(torch.tensor(level * torch.pi / 2)).item(), abs=1e-6)


def test_noise_grows_with_the_level():
    signal, noise = signal_and_noise(torch.linspace(0, 1, 50))
    assert (signal.diff() < 0).all()
    assert (noise.diff() > 0).all()
    assert (signal[0], noise[0], signal[-1], noise[-1]) == (1, 0, 0, 1)


def test_noise_is_added_in_closed_form():
    clean, noise = (torch.randn(5, 1, 4, 4, generator=generator(seed)) for seed in (0, 1))
    level = torch.tensor([0.0, 0.25, 0.5, 0.9, 1.0])
    noisy = with_noise(clean, level, noise)
    angle = (level * torch.pi / 2)[:, None, None, None]
    torch.testing.assert_close(noisy, angle.cos() * clean + angle.sin() * noise)
    assert torch.equal(noisy[0], clean[0])
    # Nothing of the slice is left.
    assert torch.equal(noisy[-1], noise[-1])
    assert torch.equal(with_noise(clean * 1e6, level, noise)[-1], noise[-1])


@given(upper=st.floats(0.01, 1))
def test_the_last_step_gives_the_clean_slice(upper):
    noisy, clean, noise = (torch.randn(3, 1, 4, 4, generator=generator(seed)) for seed in range(3))
    torch.testing.assert_close(step_down(noisy, clean, upper, 0.0, noise), clean, rtol=0, atol=1e-6)


@pytest.mark.parametrize("steps", [2, 5, 40])
def test_a_step_is_the_posterior_of_another_implementation(steps):
    chain = levels(steps)[::-1]
    scheduler = DDPMScheduler(steps, clip_sample=False, prediction_type="sample")
    scheduler.alphas_cumprod = torch.stack([signal_and_noise(level)[0] for level in chain[1:]]) ** 2
    scheduler.alphas = scheduler.alphas_cumprod / torch.cat([torch.ones(1), scheduler.alphas_cumprod[:-1]])
    scheduler.betas = 1 - scheduler.alphas
    noisy, clean = (torch.randn(2, 1, 4, 4, generator=generator(seed)) for seed in (0, 1))
    for number in range(1, steps):
        expected, _ = scheduler.step(clean, number, noisy, generator=generator(2))
        noise = torch.randn(clean.shape, generator=generator(2))
        stepped = step_down(noisy, clean, chain[number + 1], chain[number], noise)
        torch.testing.assert_close(stepped, expected, rtol=0, atol=2e-5)
        without = step_down(noisy, clean, chain[number + 1], chain[number], torch.zeros_like(noise))
        spread = float(scheduler._get_variance(number)) ** 0.5
        torch.testing.assert_close(stepped - without, spread * noise, rtol=0, atol=2e-5)


@given(upper=st.floats(0.05, 1), share=st.floats(0.02, 0.98))
def test_noisy_slices_stay_noisy_slices(upper, share):
    lower = share * upper
    clean = torch.tensor(0.8)
    (signal_up, spread_up), (signal_low, spread_low) = signal_and_noise(upper), signal_and_noise(lower)
    from_mean = step_down(signal_up * clean, clean, upper, lower, torch.zeros(()))
    assert from_mean.item() == pytest.approx((signal_low * clean).item(), abs=1e-5)
    passed = step_down(signal_up * clean + spread_up, clean, upper, lower, torch.zeros(())) - from_mean
    added = step_down(signal_up * clean, clean, upper, lower, torch.ones(())) - from_mean
    assert (passed**2 + added**2).item() == pytest.approx((spread_low**2).item(), abs=1e-5)


def test_a_long_chain_keeps_the_variance_of_normal_data():
    variance, random = 0.25, generator()
    values = torch.randn(100_000, generator=random)
    for upper, lower in pairwise(levels(1000)):
        signal, noise = signal_and_noise(upper)
        clean = signal * variance * values / (signal**2 * variance + noise**2)
        values = step_down(values, clean, upper, lower, torch.randn(len(values), generator=random))
    assert values.var().item() == pytest.approx(variance, rel=0.02)
    assert values.mean().item() == pytest.approx(0, abs=0.01)
