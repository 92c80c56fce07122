"""The conditional diffusion interpolator: draws the slice between two annotated slices (DUE, section 4.2)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from monai.networks.schedulers import DDPMScheduler
from torch import nn
from torch.nn.functional import mse_loss

from due.errors import DueError
from due.interpolate.gaps import Batch
from due.interpolate.network import ConditionalUNet, condition
from due.train import checkpoint

MASKED = 0.5
"""Probability that a context is hidden in training, each on its own (p_mask of Eq. 3)."""
PIXELS_AT_ONCE = 2**17
"""Pixels that one call of the U-Net takes while sampling, which bounds memory."""
MODEL_SETTINGS = ("size", "channels", "timesteps")

Filling = Literal["direct", "autoregressive"]


class Interpolator(nn.Module):
    """A diffusion model of the slice between two slices, given its relative position and the distances in mm.

    The nearer context always comes first, which halves what is to be learnt and makes the model symmetric: a reversed
    pair with 1 - t has the same distribution (where t is 0.5, as far as training on reversed pairs teaches it).

    Differs from the published one: t and the distances are inputs (Eq. 3 has no distance); the network predicts
    the velocity (Salimans and Ho, 2022), a mixture of noise and slice that is stable for few timesteps, instead of
    the noise; the noise schedule is the cosine one (Nichol and Dhariwal, 2021).

    Args:
        settings: the settings `interpolate`; `size`, `channels` and `timesteps` are used.

    Raises:
        DueError: channels that group normalisation cannot split.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__()
        self.settings = {name: settings[name] for name in MODEL_SETTINGS}
        self.network = ConditionalUNet(tuple(settings["channels"]))
        # All timesteps are run when sampling: with fewer, MONAI's DDPM leaves noise in the draws and its DDIM
        # makes their variance too small, and the variance is what the draws are for. For the same reason the steps
        # have the larger variance: on pixels that are inside with probability 0.9 an exact denoiser then draws a
        # variance of 0.093 in 32 steps (0.083 with the smaller one; 0.090 is right).
        self.scheduler = DDPMScheduler(
            settings["timesteps"], schedule="cosine", prediction_type="v_prediction", variance_type="fixed_large"
        )

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        return next(self.parameters()).device

    def loss(self, batch: Batch, generator: torch.Generator) -> torch.Tensor:
        """Return the mean squared error of the predicted velocity at random timesteps (Eq. 3).

        Args:
            batch: training examples on the model's device.
            generator: source of timesteps, noise and hidden contexts, on the model's device.
        """
        count, device = len(batch.t), self.device
        timesteps = torch.randint(self.scheduler.num_train_timesteps, (count,), generator=generator, device=device)
        clean = (2 * batch.target - 1)[:, None]
        noise = torch.randn(clean.shape, generator=generator, device=device)
        shown = torch.rand((count, 2), generator=generator, device=device) >= MASKED
        noisy = self.scheduler.add_noise(clean, noise, timesteps)
        velocity = self.scheduler.get_velocity(clean, noise, timesteps)
        known = condition(batch.contexts, batch.t, batch.gap_mm, batch.pixel_mm)
        return mse_loss(self.network(noisy, timesteps, known, shown), velocity)

    @torch.no_grad()
    def sample(
        self,
        contexts: torch.Tensor,
        t: torch.Tensor,
        gap_mm: torch.Tensor,
        pixel_mm: torch.Tensor,
        *,
        draws: int,
        generator: torch.Generator,
    ) -> torch.Tensor:
        """Draw slices between pairs of slices, with both contexts shown.

        Args:
            contexts: the slices below and above [B, 2, S, S] in [0, 1].
            t: relative positions [B], strictly in (0, 1).
            gap_mm: distances between the contexts [B] in mm.
            pixel_mm: in-plane distances between pixels [B] in mm.
            draws: number of independent draws for each pair.
            generator: source of the noise, on any device.

        Returns:
            Draws [B, draws, S, S] in [0, 1], on the model's device.
        """
        known = condition(*(value.to(self.device) for value in (contexts, t, gap_mm, pixel_mm)))
        local = _local(generator, self.device)
        size = contexts.shape[-1]
        chunks = known.repeat_interleave(draws, dim=0).split(max(PIXELS_AT_ONCE // size**2, 1))
        slices = torch.cat([self._denoise(chunk, local) for chunk in chunks])
        return slices.reshape(len(contexts), draws, size, size)

    def _denoise(self, known: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Run the whole diffusion chain backwards; known [B, 5, S, S] gives slices [B, 1, S, S] in [0, 1]."""
        count, _, *size = known.shape
        slices = torch.randn((count, 1, *size), generator=generator, device=known.device)
        shown = torch.ones((count, 2), dtype=torch.bool, device=known.device)
        for step in range(self.scheduler.num_train_timesteps - 1, -1, -1):
            timesteps = torch.full((count,), step, device=known.device)
            velocity = self.network(slices, timesteps, known, shown)
            slices, _ = self.scheduler.step(velocity, step, slices, generator=generator)
        return ((slices + 1) / 2).clamp(0, 1)


def fill_gap(
    interpolator: Interpolator,
    contexts: np.ndarray | torch.Tensor,
    t: np.ndarray | torch.Tensor,
    gap_mm: float,
    pixel_mm: float,
    *,
    draws: int,
    filling: Filling,
    generator: torch.Generator,
) -> torch.Tensor:
    """Draw the missing slices of one gap.

    `direct` draws every slice from the two annotated ones. `autoregressive` (DUE, section 4.2) goes upwards, and each
    slice is drawn from the one drawn before it and the annotated slice above, with position and distance
    counted anew.

    Args:
        interpolator: a trained model.
        contexts: the annotated slices below and above [2, S, S] in [0, 1].
        t: relative positions of the missing slices [M], strictly in (0, 1).
        gap_mm: distance between the contexts in mm.
        pixel_mm: in-plane distance between pixels in mm.
        draws: number of independent draws.
        filling: `direct` or `autoregressive`.
        generator: source of the noise.

    Returns:
        Draws [draws, M, S, S] in [0, 1].
    """
    pair = torch.as_tensor(contexts, dtype=torch.float32)
    positions = torch.as_tensor(t, dtype=torch.float32)
    if filling == "autoregressive":
        return _one_after_another(interpolator, pair, positions, gap_mm, pixel_mm, draws, generator)
    count = len(positions)
    drawn = interpolator.sample(
        pair.expand(count, -1, -1, -1),
        positions,
        torch.full((count,), gap_mm),
        torch.full((count,), pixel_mm),
        draws=draws,
        generator=generator,
    )
    return drawn.transpose(0, 1)


def _one_after_another(
    interpolator: Interpolator,
    pair: torch.Tensor,
    positions: torch.Tensor,
    gap_mm: float,
    pixel_mm: float,
    draws: int,
    generator: torch.Generator,
) -> torch.Tensor:
    """Draw slices upwards, each from the last one and the slice above; draws [draws, M, S, S]."""
    below, above = pair.to(interpolator.device)[:, None].expand(-1, draws, -1, -1)
    filled = torch.empty((draws, len(positions), *pair.shape[1:]), device=interpolator.device)
    start = 0.0
    for number in positions.argsort().tolist():
        position = float(positions[number])
        below = interpolator.sample(
            torch.stack([below, above], dim=1),
            torch.full((draws,), (position - start) / (1 - start)),
            torch.full((draws,), gap_mm * (1 - start)),
            torch.full((draws,), pixel_mm),
            draws=1,
            generator=generator,
        )[:, 0]
        filled[:, number] = below
        start = position
    return filled


def _local(generator: torch.Generator, device: torch.device) -> torch.Generator:
    """Return `generator`, or where it lives on another device one on `device` that it seeds."""
    if generator.device.type == device.type:
        return generator
    seed = torch.randint(2**62, (), generator=generator, device=generator.device)
    return torch.Generator(device).manual_seed(int(seed))


def save_interpolator(model: Interpolator, path: Path) -> None:
    """Write a model's weights, and the settings that they need, to `path`."""
    checkpoint.save({"settings": model.settings, "weights": model.state_dict()}, path)


def load_interpolator(path: Path, device: torch.device | str = "cpu") -> Interpolator:
    """Read what `save_interpolator` wrote, on `device`, ready for sampling.

    Raises:
        DueError: the file holds something else.
    """
    content = checkpoint.load(path)
    try:
        model = Interpolator(content["settings"])
        model.load_state_dict(content["weights"])
    except (KeyError, RuntimeError) as error:
        raise DueError(
            f"{path} does not hold an interpolator of this version. Delete it and run the workflow again."
        ) from error
    return model.to(device).eval()
