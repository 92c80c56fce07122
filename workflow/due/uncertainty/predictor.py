"""The imputed uncertainty predictor: a neural-process VAE whose time is a position in mm (DUE, section 4.3).

The published predictor asks for fixed times whatever the gap is; here distance is an input. Only differences of
positions enter, so a shift along z changes nothing, and contexts are summed over, so their order does not matter.
"""

import math
from typing import Literal

import torch
from torch import nn
from torch.distributions import Normal, kl_divergence
from torch.nn import functional as F

MAX_VARIANCE = 0.25
"""The largest variance that values in [0, 1] can have."""

WAVELENGTHS_MM = (4.0, 8.0, 16.0, 32.0, 64.0)
"""Wavelengths of the Fourier features of a distance."""

COORDINATES = 2 * len(WAVELENGTHS_MM) + 4
"""Number of features that `coordinates` returns."""


def coordinates(distance: torch.Tensor, span: torch.Tensor, pixel_mm: torch.Tensor) -> torch.Tensor:
    """Return features [..., F] of signed distances along z.

    Args:
        distance: signed distance in mm [...].
        span: distance between the outermost contexts in mm, 0 for a single context; broadcasts to [...].
        pixel_mm: size of a frame pixel in mm; broadcasts to [...].
    """
    span, pixel_mm = span.expand_as(distance), pixel_mm.expand_as(distance)
    relative = torch.where(span > 0, distance / span.clamp(min=1e-3), 0)
    angles = 2 * math.pi * distance[..., None] / distance.new_tensor(WAVELENGTHS_MM)
    plain = torch.stack([distance / 10, relative, span / 10, pixel_mm.log()], dim=-1)
    return torch.cat([angles.sin(), angles.cos(), plain], dim=-1)


class UncertaintyPredictor(nn.Module):
    """Predicts the variance of interpolated slices at any positions from any number of annotated slices.

    In the shapes below a batch has B gaps, each with C >= 1 annotated slices (contexts) and M missing ones (targets);
    frames have S x S pixels, S even.

    Args:
        width: channels of the feature maps.
        latent: size L of the Gaussian latent, which all targets of a gap share.
    """

    def __init__(self, *, width: int, latent: int) -> None:
        super().__init__()
        self.fine = nn.Sequential(nn.Conv2d(1, width, 3, padding=1), nn.SiLU())
        self.coarse = _halving(width)
        self.target = nn.Sequential(nn.Conv2d(1, width, 3, padding=1), nn.SiLU(), _halving(width))
        self.place = nn.Linear(COORDINATES, width)
        self.prior = _perceptron(width, width, 2 * latent)
        self.posterior = _perceptron(2 * width, width, 2 * latent)
        # For each target and context: how much the context counts, and a scale and a shift of each of its two maps.
        self.relation = _perceptron(COORDINATES, 2 * width, 1 + 4 * width)
        self.latent_shift = nn.Linear(latent, width)
        self.decode_coarse = nn.Sequential(nn.SiLU(), nn.Conv2d(width, width, 3, padding=1), nn.SiLU())
        self.decode_fine = nn.Sequential(
            nn.SiLU(), nn.Conv2d(width, width, 3, padding=1), nn.SiLU(), nn.Conv2d(width, 1, 3, padding=1)
        )
        # Most pixels are certain, so that training starts near 0 and not at half of the largest variance.
        nn.init.constant_(self.decode_fine[-1].bias, -3.0)

    def loss(
        self,
        contexts: torch.Tensor,
        context_z: torch.Tensor,
        target_z: torch.Tensor,
        pixel_mm: torch.Tensor,
        *,
        variance: torch.Tensor,
        taken: torch.Tensor,
        generator: torch.Generator | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the two terms of the negative ELBO of sampled variances, reconstruction and KL divergence.

        The reconstruction is the cross-entropy of 4 x variance, a number in [0, 1], in nats per pixel of a target;
        the divergence is that of posterior q(z|C,T) from prior q(z|C), in nats per gap.

        Args:
            contexts: annotated slices, probabilities [B, C, S, S].
            context_z: their positions in mm [B, C].
            target_z: positions of the missing slices in mm [B, M].
            pixel_mm: size of a frame pixel in mm [B].
            variance: sampled variance of the missing slices, in [0, 0.25] [B, M, S, S].
            taken: which targets are real and not padding [B, M].
            generator: random stream of the latent's draw.
        """
        fine, coarse = self._encode(contexts)
        share = variance / MAX_VARIANCE
        summary = self._summary(coarse, context_z, context_z, pixel_mm)
        seen = self._summary(_each(self.target, share[:, :, None]), target_z, context_z, pixel_mm, taken)
        prior = _gaussian(self.prior(summary))
        posterior = _gaussian(self.posterior(torch.cat([summary, seen], dim=1)))
        latent = _draw(posterior, generator)
        logits = self._decode(fine, coarse, context_z, target_z, pixel_mm, latent)
        reconstruction = F.binary_cross_entropy_with_logits(logits[taken], share[taken])
        return reconstruction, kl_divergence(posterior, prior).sum(1).mean()

    @torch.no_grad()
    def predict(
        self,
        contexts: torch.Tensor,
        context_z: torch.Tensor,
        target_z: torch.Tensor,
        pixel_mm: torch.Tensor,
        *,
        latent: Literal["mean", "draw"] = "mean",
        generator: torch.Generator | None = None,
    ) -> torch.Tensor:
        """Return the variance [B, M, S, S], in [0, 0.25], of slices at `target_z` between or beside the contexts.

        The latent is the prior's mean, so that the answer does not change from call to call, or one draw of the
        prior per gap (published).

        Args:
            contexts: annotated slices, probabilities [B, C, S, S].
            context_z: their positions in mm [B, C].
            target_z: positions asked for in mm [B, M].
            pixel_mm: size of a frame pixel in mm [B].
            latent: `mean` or `draw`.
            generator: random stream of the draw.
        """
        fine, coarse = self._encode(contexts)
        prior = _gaussian(self.prior(self._summary(coarse, context_z, context_z, pixel_mm)))
        chosen = prior.mean if latent == "mean" else _draw(prior, generator)
        return MAX_VARIANCE * self._decode(fine, coarse, context_z, target_z, pixel_mm, chosen).sigmoid()

    def _encode(self, contexts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return maps of each context at full [B, C, F, S, S] and half resolution."""
        fine = _each(self.fine, contexts[:, :, None] * 2 - 1)
        return fine, _each(self.coarse, fine)

    def _summary(
        self,
        maps: torch.Tensor,
        z: torch.Tensor,
        context_z: torch.Tensor,
        pixel_mm: torch.Tensor,
        taken: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return one vector [B, F] for a set of slices: the mean over those that are `taken` of maps and places."""
        distance = z - context_z.mean(1, keepdim=True)
        place = self.place(coordinates(distance, _span(context_z), pixel_mm[:, None]))
        slices = F.silu(maps.mean((-2, -1)) + place)
        weight = torch.ones_like(z) if taken is None else taken.to(z.dtype)
        return torch.einsum("bm,bmf->bf", weight / weight.sum(1, keepdim=True), slices)

    def _decode(
        self,
        fine: torch.Tensor,
        coarse: torch.Tensor,
        context_z: torch.Tensor,
        target_z: torch.Tensor,
        pixel_mm: torch.Tensor,
        latent: torch.Tensor,
    ) -> torch.Tensor:
        """Return logits [B, M, S, S]: context maps mixed by their distance from each target, then two convolutions."""
        distance = context_z[:, None] - target_z[:, :, None]
        relation = self.relation(coordinates(distance, _span(context_z)[..., None], pixel_mm[:, None, None]))
        share = relation[..., :1].softmax(dim=2)
        scale_fine, shift_fine, scale_coarse, shift_coarse = relation[..., 1:].chunk(4, dim=-1)
        mixed = _mix(coarse, share, scale_coarse, shift_coarse) + self.latent_shift(latent)[:, None, :, None, None]
        hidden = F.interpolate(self.decode_coarse(mixed.flatten(0, 1)), scale_factor=2)
        hidden = hidden + _mix(fine, share, scale_fine, shift_fine).flatten(0, 1)
        return self.decode_fine(hidden)[:, 0].unflatten(0, target_z.shape)


def _halving(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width, width, 3, stride=2, padding=1), nn.SiLU(), nn.Conv2d(width, width, 3, padding=1)
    )


def _perceptron(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.SiLU(), nn.Linear(hidden, outputs))


def _each(module: nn.Module, frames: torch.Tensor) -> torch.Tensor:
    """Apply a 2D module to each frame of [B, N, F, S, S]."""
    return module(frames.flatten(0, 1)).unflatten(0, frames.shape[:2])


def _span(context_z: torch.Tensor) -> torch.Tensor:
    """Return the distance between the outermost contexts [B, 1] in mm."""
    return context_z.amax(1, keepdim=True) - context_z.amin(1, keepdim=True)


def _mix(maps: torch.Tensor, share: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    """Return for each target the mean [B, M, F, S, S] of scaled and shifted context maps, by `share` [B, M, C, 1]."""
    scaled = torch.einsum("bmcf,bcfij->bmfij", share * (1 + scale), maps)
    return scaled + (share * shift).sum(2)[..., None, None]


def _gaussian(parameters: torch.Tensor) -> Normal:
    """Return the diagonal Gaussian of a mean and an unbounded scale, side by side in [B, 2 L]."""
    mean, scale = parameters.chunk(2, dim=1)
    return Normal(mean, 0.01 + F.softplus(scale), validate_args=False)


def _draw(gaussian: Normal, generator: torch.Generator | None) -> torch.Tensor:
    """Return a draw [B, L] through which gradients flow."""
    noise = torch.randn(gaussian.mean.shape, generator=generator, device=gaussian.mean.device)
    return gaussian.mean + gaussian.stddev * noise
