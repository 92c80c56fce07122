"""Take a training step as DUE's published code does, to be timed next to ours."""

import torch
from torch.nn.functional import cross_entropy, interpolate

from explainct.due.uncertainty.neural_process import UncertaintyPredictor
from explainct.due.uncertainty.z_encoding import outline_fields
from explainct.learning.explain.postprocess import postprocess
from explainct.learning.losses.due_published import published_loss
from explainct.learning.networks.resnet import ExplainableResNet
from explainct.learning.train.step import Batch
from explainct.runtime.device import Compute

ANNOTATED = 8
"""Annotated planes of a lesion, spread evenly over the grid as in the published code. Real lesions have 2 to 60."""


class PublishedWeights:
    """Voxel weights as the published loop gets them: from the uncertainty predictor, anew for each lesion and step.

    The predictor is this project's, with random parameters, which is smaller than the published one, and it answers
    for all gaps of a lesion in one pass. The signed distance fields that it starts from are made beforehand.

    Args:
        target: annotations [B, D, H, W] in [0, 1]; the predictor is on their device.
        size: pixels along an edge of the predictor's patches.
        width: channels of the predictor.
        latent: size of its latent.
    """

    def __init__(self, target: torch.Tensor, *, size: int, width: int, latent: int) -> None:
        depth, *self.plane = target.shape[1:]
        device = target.device
        self.predictor = UncertaintyPredictor(width=width, latent=latent).to(device).eval()
        known = torch.linspace(0, depth - 1, ANNOTATED).round().long().unique()
        self.gaps = [torch.arange(low + 1, high) for low, high in known.unfold(0, 2, 1).tolist() if high > low + 1]
        self.missing = torch.cat(self.gaps).to(device)
        self.known_mm, self.missing_mm = (planes[None].float().to(device) for planes in (known, self.missing))
        self.contexts = interpolate(target[:, known.to(device)], (size, size))  # [B, C, S, S]
        self.fields = outline_fields(self.contexts)
        self.shown = torch.ones(1, len(known), dtype=torch.bool, device=device)
        self.pixel_mm = torch.ones(1, device=device)

    def of(self, sample: int) -> torch.Tensor:
        """Return the weights [D, H, W] of one sample: 1 on annotated planes, scaled from 0 to 1 within each gap."""
        own = slice(sample, sample + 1)
        predicted = self.predictor.predict(
            self.contexts[own],
            self.known_mm,
            self.shown,
            self.missing_mm,
            self.pixel_mm,
            fields=self.fields[own],
            latent="draw",
        )
        variance = interpolate(predicted.variance, tuple(self.plane), mode="bilinear")[0]  # [M, H, W]
        weights = torch.ones(self.known_mm.shape[1] + len(self.missing), *self.plane, device=variance.device)
        for gap, values in zip(self.gaps, torch.sigmoid(-variance).split([len(gap) for gap in self.gaps]), strict=True):
            low, high = values.aminmax()
            weights[gap[0] : gap[-1] + 1] = (values - low) / (high - low)
        return weights


def published_step(
    network: ExplainableResNet,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    *,
    weights: PublishedWeights,
    compute: Compute,
) -> None:
    """Take a step as DUE's published code does: for each lesion another forward pass and a Grad-CAM of its own.

    Its Grad-CAM takes the gradient of the features from a backward pass through the whole network, and the extra
    passes are in training mode.

    Args:
        network: the classifier.
        optimizer: its optimizer.
        batch: images, labels and target; `weights` takes the place of the batch's.
        weights: computes the weights of a lesion.
        compute: where to compute, and in which number format.
    """
    images, target = batch[0], batch[2]
    labels = batch[1].to(compute.device)
    with compute.autocast():
        logits, _ = network(images)
        prediction = cross_entropy(logits, labels)
    lesions = batch[1].nonzero()[:, 0].tolist()
    maps, weighed = [], []
    for sample in lesions:
        with compute.autocast():
            own_logits, features = network(images[sample, None])
            weighed.append(weights.of(sample))
        features.retain_grad()
        own_logits[0, batch[1][sample]].backward(retain_graph=True)
        raw = torch.einsum("bcdhw,bc->bdhw", features, features.grad.mean((2, 3, 4)))  # [1, d, h, w]
        maps.append(postprocess(raw.float(), target.shape[1:], "due"))
    annotation = target[lesions].float()  # [B, D, H, W]
    explanation = published_loss(torch.cat(maps), annotation, torch.stack(weighed), (annotation > 0).float())
    optimizer.zero_grad()
    (prediction + explanation).backward()
    optimizer.step()
