"""Schedule the noise of the diffusion: a cosine in continuous time, and the step from one level to a lower one.

MONAI's schedulers are not used: theirs have fixed steps, and its DDPM leaves noise in the draws when it skips some.
A model trained on continuous levels can be sampled in any number of steps.
"""

import math

import torch


def levels(steps: int) -> list[float]:
    """Return the noise levels of a chain of `steps` steps: from 1, pure noise, down to 0, none.

    >>> levels(4)
    [1.0, 0.75, 0.5, 0.25, 0.0]
    """
    return [1 - step / steps for step in range(steps)] + [0.0]


def signal_and_noise(level: torch.Tensor | float) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the shares of slice and noise at noise levels in [0, 1] (Nichol and Dhariwal, 2021, without offset).

    Their squares sum to 1.
    """
    angle = torch.as_tensor(level, dtype=torch.float32) * (math.pi / 2)
    return angle.cos().clamp(min=0), angle.sin()


def with_noise(clean: torch.Tensor, level: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """Return slices [B, 1, S, S] with noise of levels [B] (Ho et al., 2020, Eq. 4)."""
    signal, spread = signal_and_noise(level[:, None, None, None])  # [B, 1, 1, 1]
    return torch.where(level[:, None, None, None] >= 1, noise, signal * clean + spread * noise)


def step_down(
    noisy: torch.Tensor, clean: torch.Tensor, upper: float, lower: float, noise: torch.Tensor
) -> torch.Tensor:
    """Return slices at the noise level `lower`, given them at `upper` and without noise (Ho et al., 2020, Eq. 6 and 7).

    Args:
        noisy: slices at `upper`, of any shape.
        clean: the same slices without noise, known or guessed.
        upper: noise level, above `lower`.
        lower: noise level; at 0 the result is `clean`.
        noise: standard normal numbers of the same shape.
    """
    (signal_up, spread_up), (signal_low, spread_low) = (signal_and_noise(level) for level in (upper, lower))
    ratio = signal_up / signal_low
    added = spread_up**2 - (ratio * spread_low) ** 2
    mean = (ratio * spread_low**2 * noisy + signal_low * added * clean) / spread_up**2
    return mean + (added.clamp(min=0).sqrt() * spread_low / spread_up) * noise
