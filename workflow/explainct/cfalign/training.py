"""One network in training: cross-entropy, and what its method adds to it."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from explainct.cfalign.alignment_step import alignment_step, bounded, class_problem, norm_of
from explainct.cfalign.attributes import attribute_loss, key_attribute_problem
from explainct.cfalign.backgrounds import greyed, swap_backgrounds
from explainct.cfalign.networks import build, check_smooth
from explainct.cfalign.penalties import find_penalty
from explainct.cfalign.spaces import Space
from explainct.cfalign.view_sets import ViewSet
from explainct.data.samples.views import dilated
from explainct.errors import UserError
from explainct.learning.train.arrays import epoch_batches
from explainct.learning.train.loop import fit
from explainct.seeds import derived_seed, torch_generator

WARM_SHARE = 3
"""The first 1/3 of all epochs is warm."""
SMALLEST_REFERENCE = 0.5
"""The bound does not go below this norm of the cross-entropy's gradient, or a fitted network is never aligned."""
RISE = 0.2
"""Share of the steps in which the learning rate rises."""
CLIP = 5.0


class Batch(NamedTuple):
    """Images and where evidence belongs, float [B, 1, H, W], classes, int64 [B], and attributes, float [B, A]."""

    images: torch.Tensor
    inside: torch.Tensor
    labels: torch.Tensor
    attributes: torch.Tensor


class Training:
    """One network in training.

    Args:
        views: the training views, with the cue.
        recipe: of `explainct.config.compared.Compared`.
        space: where counterfactuals are looked for.
        settings: see `explainct.cfalign.train.train_compared`.
        seed: seed of initial weights, batches and changes of images.
        device: where to compute.

    Raises:
        UserError: the method differentiates through counterfactuals, and the network is not smooth.
    """

    def __init__(
        self,
        views: ViewSet,
        *,
        recipe: Mapping[str, Any],
        space: Space,
        settings: Mapping[str, Any],
        seed: int,
        device: torch.device,
    ) -> None:
        self.recipe, self.space, self.settings, self.seed, self.device = recipe, space, settings, seed, device
        torch.manual_seed(derived_seed(seed, "compared"))
        self.network: nn.Module = build(recipe["network"]).to(device)
        if recipe["penalty"] == "cf":
            check_smooth(self.network)
        self.parameters = list(self.network.parameters())
        self.rates_attributes = recipe["network"] == "attribute_cnn"
        self.views = views.seen_by(recipe["images"])
        self.grey = float(self.views.images.mean())
        self.inside = dilated(views.masks, settings["margin"])
        self.first, self.count = _views_of_nodules(views)
        labels = torch.from_numpy(self.views.labels)
        self.class_weight = (len(labels) / (2 * labels.bincount(minlength=2))).float().to(device)
        self.steps = len(epoch_batches(len(self.first), settings["batch_size"], seed=seed, epoch=0))
        total, rate = self.steps * settings["epochs"], settings["learning_rate"]
        self.optimizer = torch.optim.Adam(self.parameters, lr=rate)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(self.optimizer, rate, total_steps=total, pct_start=RISE)

    def run(self, resume_from: Path, identity: Mapping[str, Any]) -> pd.DataFrame:
        """Train all epochs and return the history, a row an epoch.

        Args:
            resume_from: where the checkpoint is kept.
            identity: what else the run depends on, in plain values.

        Raises:
            UserError: the loss is no longer finite.
        """
        return fit(
            parts={"network": self.network, "optimizer": self.optimizer, "schedule": self.schedule},
            run_epoch=self.run_epoch,
            epochs=self.settings["epochs"],
            seed=self.seed,
            resume_from=resume_from,
            settings={"recipe": dict(self.recipe), "settings": dict(self.settings), "identity": dict(identity)},
        )

    def run_epoch(self, number: int) -> dict[str, float]:
        """Train one epoch, in which each nodule shows one of its views, and return means over its steps."""
        self.network.train()
        generator = torch_generator(self.seed, "epoch", number)
        records = []
        for nodules in epoch_batches(len(self.first), self.settings["batch_size"], seed=self.seed, epoch=number):
            shown = (torch.rand(len(nodules), generator=generator) * self.count[nodules]).long()
            records.append(self.step(self.batch(self.first[nodules] + shown, number, generator), number))
            self.schedule.step()
        table = pd.DataFrame(records)
        if not math.isfinite(table["cross_entropy"].mean()):
            raise UserError(
                f"Training diverged: the loss of epoch {number + 1} is {table['cross_entropy'].mean()}. "
                f"Lower `counterfactual.learning_rate` (now {self.settings['learning_rate']})."
            )
        return table.mean().to_dict()

    def warm(self, number: int) -> bool:
        """Tell whether an epoch is warm."""
        return bool(self.recipe["warm"]) and number < self.settings["epochs"] // WARM_SHARE

    def batch(self, rows: torch.Tensor, number: int, generator: torch.Generator) -> Batch:
        """Return a batch of views [B], mirrored by chance."""
        arrays = (self.views.images, self.inside, self.views.boxes)
        images, inside, boxes = (torch.from_numpy(array[rows.numpy()]).float() for array in arrays)
        if self.recipe["images"] == "swapped":
            images = swap_backgrounds(images, inside, generator)
        if self.warm(number):
            images = greyed(images, boxes, self.grey)
        for axis in (2, 3):
            mirrored = torch.rand(len(rows), generator=generator).view(-1, 1, 1, 1) < 0.5
            images, inside = (torch.where(mirrored, part.flip(axis), part) for part in (images, inside))
        labels, attributes = (
            torch.from_numpy(array[rows.numpy()]) for array in (self.views.labels, self.views.attributes)
        )
        return Batch(*(part.to(self.device) for part in (images, inside, labels, attributes)))

    def step(self, batch: Batch, number: int) -> dict[str, float]:
        """Train one step and return its losses, norms and shares."""
        images, inside, labels, attributes = batch
        loss = cross_entropy(self.network(images), labels, self.class_weight)
        if self.rates_attributes:
            loss = loss + attribute_loss(self.network, images, attributes)
        gradients = list(torch.autograd.grad(loss, self.parameters))
        record = {"cross_entropy": loss.item(), "gradient": norm_of(gradients)}
        if self.recipe["penalty"] == "none" or self.warm(number):
            self.descend(gradients)
            return record
        if not self.recipe["joint"]:
            self.descend(gradients)
        added, about = self.penalty(images, inside, labels)
        added = [self.recipe["strength"] * part for part in added]
        about["added_gradient"] = norm_of(added)
        if self.recipe["bounded"]:
            added = bounded(added, max(record["gradient"], SMALLEST_REFERENCE), self.settings["bound"])
        joint = self.recipe["joint"]
        self.descend([a + b for a, b in zip(gradients, added, strict=True)] if joint else added)
        return record | about

    def penalty(
        self, images: torch.Tensor, inside: torch.Tensor, labels: torch.Tensor
    ) -> tuple[list[torch.Tensor], dict[str, float]]:
        """Return the gradient of what the method adds to the cross-entropy, and what to record of it."""
        if self.recipe["penalty"] == "cf":
            first = slice(self.settings["aligned"])
            found = alignment_step(
                self.network,
                self.space,
                images[first],
                inside[first],
                self.parameters,
                measure=self.recipe["measure"],
                settings=self.settings,
                pose=key_attribute_problem if self.rates_attributes else class_problem,
            )
            about = {"added": found.loss, "flipped": found.flipped, "gated": found.gated, "used": found.used}
            return found.gradients, about
        loss = find_penalty(self.recipe["penalty"])(self.network, images, labels, inside)
        gradients = torch.autograd.grad(loss, self.parameters, allow_unused=True)
        pairs = zip(gradients, self.parameters, strict=True)
        return [torch.zeros_like(p) if g is None else g for g, p in pairs], {"added": loss.item()}

    def descend(self, gradients: Sequence[torch.Tensor]) -> None:
        """Take one step of the optimiser along gradients, which are shortened where they are very long."""
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.grad = gradient
        nn.utils.clip_grad_norm_(self.parameters, CLIP)
        self.optimizer.step()


def _views_of_nodules(views: ViewSet) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the row of each nodule's first view and the number of its views, int64 [M]; they lie behind each other."""
    sizes = views.table.groupby("lesion_id", sort=False).size().to_numpy(copy=True)
    first = sizes.cumsum() - sizes
    return torch.from_numpy(first), torch.from_numpy(sizes)
