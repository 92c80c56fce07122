"""Predict the imputed uncertainty by a neural-process VAE whose time is a position in mm (DUE, section 4.3).

The published predictor asks for fixed times whatever the gap is; here distance is an input. Only absolute differences
of positions enter, so that shifting or mirroring z changes nothing, and contexts are summed over, so that their order
does not matter.
"""

import math
from itertools import pairwise
from typing import Literal, NamedTuple

import torch
from torch import nn
from torch.distributions import Normal, kl_divergence
from torch.nn import functional as F

from explainct.due.interpolation.bridge import network_share
from explainct.due.interpolation.classical import REACH
from explainct.due.uncertainty.layers import Block, each, encoder, mix, perceptron
from explainct.due.uncertainty.z_encoding import COORDINATES, Known, around, coordinates, outline_evidence, planes_of
from explainct.scoring.metrics.calibration import MAX_VARIANCE

NEAR = -3.5 / REACH
"""Field 4 pixels outside of a shape, whose outline runs half a pixel outside of its outermost pixels."""

FAR_WEIGHT = 0.2
"""How much the mean over the pixels far from all shapes counts in the loss, beside 1 for that over the near ones."""


class Prediction(NamedTuple):
    """What the predictor says of slices.

    Attributes:
        mean: mean annotation [B, M, S, S], in [0, 1].
        variance: its variance [B, M, S, S], in [0, 0.25].
    """

    mean: torch.Tensor
    variance: torch.Tensor


class UncertaintyPredictor(nn.Module):
    """Predicts mean and variance of interpolated slices at any positions from any number of annotated slices.

    A U-Net for each target starts from the blend of the signed distance fields of the annotated slices around it; on
    its way down it takes in maps of all annotated slices, which are made once per gap and mixed by their distances.

    In the shapes below a batch has B gaps, each with C >= 1 annotated slices (contexts), of which some are shown, and M
    missing ones (targets); patches have S x S pixels, S a multiple of 8.

    Args:
        width: channels of the feature maps at half resolution, a multiple of 8; twice as many below.
        latent: size L of the Gaussian latent, which all targets of a gap share.
    """

    def __init__(self, *, width: int, latent: int) -> None:
        super().__init__()
        widths = (width, 2 * width, 2 * width)
        self.widths = widths
        self.context = encoder(2, widths, fold=2)
        self.target = encoder(2, widths[1:], fold=4)
        self.place = nn.Linear(COORDINATES, widths[-1])
        self.prior = perceptron(widths[-1], 2 * width, 2 * latent)
        self.posterior = perceptron(2 * widths[-1], 2 * width, 2 * latent)
        # For each target and context: how much the context counts, and a scale and a shift of each of its maps.
        self.relation = perceptron(COORDINATES, 2 * width, 1 + 2 * sum(widths))
        self.condition = nn.Linear(2 * COORDINATES + latent, 2 * width)
        self.enter = nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(12, width, 3, padding=1))
        self.down = nn.ModuleList(nn.Conv2d(above, below, 3, stride=2, padding=1) for above, below in pairwise(widths))
        self.descend = nn.ModuleList(Block(channels, 2 * width) for channels in widths)
        self.up = nn.ModuleList(nn.Conv2d(below, above, 1) for above, below in pairwise(widths))
        self.ascend = nn.ModuleList(Block(channels, 2 * width) for channels in widths[:-1])
        # No normalisation here: it would take away how large the variance is as a whole.
        self.leave = nn.Sequential(nn.SiLU(), nn.Conv2d(width, 8, 3, padding=1), nn.PixelShuffle(2))
        # Training starts near the classical answer, see `_decode`.
        nn.init.normal_(self.leave[1].weight, std=0.01)
        nn.init.zeros_(self.leave[1].bias)

    def loss(
        self,
        contexts: torch.Tensor,
        context_z: torch.Tensor,
        shown: torch.Tensor,
        target_z: torch.Tensor,
        pixel_mm: torch.Tensor,
        *,
        mean: torch.Tensor,
        variance: torch.Tensor,
        taken: torch.Tensor,
        fields: torch.Tensor | None = None,
        partial: torch.Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the two terms of the negative ELBO of sampled means and variances, reconstruction and KL divergence.

        The reconstruction is the cross-entropy of the mean plus that of 4 x variance, a number in [0, 1], in nats per
        pixel: the mean over a slice's pixels near the shapes, plus a little of that over the others, and then over
        slices, so that a slice counts the same whatever the size of its lesion and its patch. The divergence is that of
        posterior q(z|C,T) from prior q(z|C), in nats per gap.

        Samples that knew a bounding context that is not shown have too little variance. Their mean is right on average,
        and what it differs from the predicted one is the missing part of the variance (law of total variance). The
        latent is then drawn from the prior, since the posterior would tell the prediction what is hidden.

        Args:
            contexts: annotated slices, probabilities [B, C, S, S].
            context_z: their positions in mm [B, C].
            shown: which of them are shown, at least one per gap, bool [B, C]; the others do not matter.
            target_z: positions of the target slices in mm [B, M].
            pixel_mm: size of a patch pixel in mm [B].
            mean: sampled mean of the target slices, in [0, 1] [B, M, S, S].
            variance: sampled variance of the target slices, in [0, 0.25] [B, M, S, S].
            taken: which targets are real and not padding, bool [B, M].
            fields: `outline_fields` of the contexts, where they are at hand [B, C, S, S].
            partial: of which gaps the samples knew a bounding context that is not shown, bool [B]; of none by default.
                What an outer context adds is taken for little.
            generator: random stream of the latent's draw.
        """
        known = Known.of(contexts, context_z, shown, pixel_mm, fields)
        maps = self._encode(known)
        sampled = torch.stack([mean, variance / MAX_VARIANCE], dim=2)  # [B, M, 2, S, S]
        summary = self._summary(maps[-1], known.z, known.shown, known)
        seen = self._summary(each(self.target, sampled)[-1], target_z, taken, known)
        prior = _gaussian(self.prior(summary))
        posterior = _gaussian(self.posterior(torch.cat([summary, seen], dim=1)))  # [B, 2 F] to [B, L]
        told = posterior if partial is None else _either(partial, prior, posterior)
        logits = self._decode(known, maps, target_z, _draw(told, generator))
        if partial is not None:
            missed = (mean - logits[:, :, 0].detach().sigmoid()) ** 2 * partial[:, None, None, None]  # [B, M, S, S]
            variance = (variance + missed).clamp(max=MAX_VARIANCE)
        entropy = F.binary_cross_entropy_with_logits(logits[:, :, 0], mean, reduction="none")
        entropy = entropy + _entropy(_log_share(logits), variance / MAX_VARIANCE)
        # [B, C, S, S] to [B, 1, S, S]
        shapes = known.fields.masked_fill(~shown[..., None, None], -1).amax(1, keepdim=True)
        near = (shapes >= NEAR) | (mean >= 0.01)
        slices = _mean_of(entropy, near) + FAR_WEIGHT * _mean_of(entropy, ~near)
        return slices[taken].mean(), kl_divergence(posterior, prior).sum(1).mean()

    @torch.no_grad()
    def predict(
        self,
        contexts: torch.Tensor,
        context_z: torch.Tensor,
        shown: torch.Tensor,
        target_z: torch.Tensor,
        pixel_mm: torch.Tensor,
        *,
        fields: torch.Tensor | None = None,
        latent: Literal["mean", "draw"] = "mean",
        generator: torch.Generator | None = None,
    ) -> Prediction:
        """Return mean and variance of slices at `target_z`, between the contexts or beside them.

        The latent is the prior's mean, so that the answer does not change from call to call, or one draw of the
        prior per gap (published).

        Args:
            contexts: annotated slices, probabilities [B, C, S, S].
            context_z: their positions in mm [B, C].
            shown: which of them are shown, at least one per gap, bool [B, C]; the others do not matter.
            target_z: positions asked for in mm [B, M].
            pixel_mm: size of a patch pixel in mm [B].
            fields: `outline_fields` of the contexts, or of their consensus where contexts are shares of readers
                [B, C, S, S].
            latent: `mean` or `draw`.
            generator: random stream of the draw.
        """
        known = Known.of(contexts, context_z, shown, pixel_mm, fields)
        maps = self._encode(known)
        prior = _gaussian(self.prior(self._summary(maps[-1], known.z, known.shown, known)))
        chosen = prior.mean if latent == "mean" else _draw(prior, generator)
        logits = self._decode(known, maps, target_z, chosen)
        return Prediction(logits[:, :, 0].sigmoid(), MAX_VARIANCE * _log_share(logits).exp().clamp(max=1))

    def _encode(self, known: Known) -> list[torch.Tensor]:
        """Return maps [B, C, F, s, s] of each context, at a half, a quarter and an eighth of the resolution."""
        return each(self.context, torch.stack([2 * known.contexts - 1, known.fields], dim=2))  # [B, C, 2, S, S]

    def _summary(self, maps: torch.Tensor, z: torch.Tensor, counted: torch.Tensor, known: Known) -> torch.Tensor:
        """Return one vector [B, F] for a set of slices: the mean over those that are `counted` of maps and places."""
        centre, span = known.middle
        distance = torch.where(counted, (z - centre).abs(), 0)
        place = self.place(coordinates(distance, span, distance.new_zeros(()), known.pixel_mm[:, None]))
        slices = F.silu(maps.mean((-2, -1)) + place)  # [B, M, F]
        weight = counted.to(z.dtype)
        return torch.einsum("bm,bmf->bf", weight / weight.sum(1, keepdim=True).clamp(min=1), slices)  # [B, F]

    def _decode(
        self, known: Known, maps: list[torch.Tensor], target_z: torch.Tensor, latent: torch.Tensor
    ) -> torch.Tensor:
        """Return logits [B, M, 2, S, S] of the mean, and of the share of its largest variance that the variance has.

        The mean's logit is that of the annotated slices on both sides and a share of the network's (see
        `explainct.due.interpolation.bridge`), so that it only has to learn how the diffusion differs from classical
        interpolation, and is exact on annotated slices.
        """
        place = around(known.z, known.shown, target_z)
        pixel_mm = known.pixel_mm[:, None]  # [B, 1]
        span = place.below_mm + place.above_mm
        nearest, between = (place.nearest > 0).to(span.dtype), place.between.to(span.dtype)
        # [B, M, C, R]
        relation = self.relation(coordinates(place.distance, span[..., None], nearest, pixel_mm[..., None]))
        hidden = ~known.shown[:, None, :, None]  # [B, 1, C, 1]
        share = relation[..., :1].masked_fill(hidden, -torch.inf).softmax(dim=2)  # [B, M, C, 1]
        mixers = relation[..., 1:].split([2 * width for width in self.widths], dim=-1)  # [B, M, C, 2 F] for each level
        close_mm = torch.where(place.between, torch.minimum(place.below_mm, place.above_mm), span)
        where = [coordinates(length, span, between, pixel_mm) for length in (close_mm, span)]
        # [B, M, K]
        condition = self.condition(torch.cat([*where, latent[:, None].expand(-1, target_z.shape[1], -1)], dim=-1))
        condition = F.silu(condition).flatten(0, 1)  # [B * M, K]

        # [B * M, F, s, s]
        maps = [mix(level, share, mixer).flatten(0, 1) for level, mixer in zip(maps, mixers, strict=True)]
        planes = planes_of(known, place)  # [B, M, 3, S, S]
        state = self.enter(planes.flatten(0, 1))  # [B * M, 3, S, S] to [B * M, F, S / 2, S / 2]
        passed = []
        for number, block in enumerate(self.descend):
            state = block((self.down[number - 1](state) if number else state) + maps[number], condition)
            passed.append(state)
        for number in reversed(range(len(self.ascend))):
            risen = F.interpolate(self.up[number](state), scale_factor=2)
            state = self.ascend[number](risen + passed[number], condition)
        logits = self.leave(state).float().unflatten(0, target_z.shape)  # [B, M, 2, S, S]
        share = torch.where(place.between, network_share(close_mm / pixel_mm), 1)[:, :, None, None]  # [B, M, 1, 1]
        mean = outline_evidence(known, place) + share * logits[:, :, 0]  # [B, M, S, S]
        return torch.stack([mean, logits[:, :, 1]], dim=2)


def _log_share(logits: torch.Tensor) -> torch.Tensor:
    """Return the logarithm of 4 x variance [B, M, S, S] from what `_decode` returns [B, M, 2, S, S].

    Values in [0, 1] with mean m have at most the variance m (1 - m) (Bhatia and Davis, 2000).
    """
    mean, share = logits.unbind(2)  # [B, M, S, S] each
    return -math.log(MAX_VARIANCE) + F.logsigmoid(mean) + F.logsigmoid(-mean) + F.logsigmoid(share)


def _entropy(log_share: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the cross-entropy of a target in [0, 1] and a share given by its logarithm, in nats per pixel."""
    log_share = log_share.clamp(max=-1e-4)  # a share of 1 would have an infinite loss
    return -target * log_share - (1 - target) * torch.log(-torch.expm1(log_share))


def _mean_of(values: torch.Tensor, which: torch.Tensor) -> torch.Tensor:
    """Return the mean [B, M] of values [B, M, S, S] over the pixels of `which`, 0 where there are none."""
    return (values * which).sum((-2, -1)) / which.sum((-2, -1)).clamp(min=1)


def _gaussian(parameters: torch.Tensor) -> Normal:
    """Return the diagonal Gaussian of a mean and an unbounded scale, side by side in [B, 2 L]."""
    mean, scale = parameters.float().chunk(2, dim=1)  # [B, L] each
    return Normal(mean, 0.01 + F.softplus(scale), validate_args=False)


def _either(which: torch.Tensor, one: Normal, other: Normal) -> Normal:
    """Return the first Gaussian in the rows of `which`, bool [B], and the second one in the others."""
    row = which[:, None]  # [B, 1]
    return Normal(torch.where(row, one.mean, other.mean), torch.where(row, one.stddev, other.stddev))


def _draw(gaussian: Normal, generator: torch.Generator | None) -> torch.Tensor:
    """Return a draw [B, L] through which gradients flow."""
    noise = torch.randn(gaussian.mean.shape, generator=generator, device=gaussian.mean.device)
    return gaussian.mean + gaussian.stddev * noise
