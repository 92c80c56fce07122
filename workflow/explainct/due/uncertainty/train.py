"""Train the imputed uncertainty predictor on sampled variances (DUE, section 4.3 and figure 2)."""

import hashlib
import logging
from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import Any

import torch
from torch.nn.utils import clip_grad_norm_
from torch.optim import AdamW
from torch.optim.lr_scheduler import OneCycleLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from explainct.due.interpolation.model_file import ANSWERS, check_answers
from explainct.due.uncertainty.neural_process import UncertaintyPredictor
from explainct.due.uncertainty.variance_data import BRACKETING, Gaps, load_gaps, partly_hidden, turned
from explainct.errors import UserError
from explainct.learning.train.loop import fit
from explainct.runtime import checkpoint
from explainct.runtime.device import Compute, choose_compute
from explainct.seeds import derived_seed, torch_generator

log = logging.getLogger(__name__)

TRAINED_BY = ("latent", "width", "epochs", "batch_size", "learning_rate", "beta")
"""The settings that training depends on."""

TYPICAL_SIZE = 32
"""Edge in pixels of the patches of which `batch_size` gaps make a batch."""

AVERAGING = 0.95
"""Decay of the averaged weights."""

CLIP_NORM = 1.0


def train_uncertainty(
    *,
    variance_file: Path,
    settings: dict[str, Any],
    seed: int,
    device: str,
    threads: int,
    code: str,
    model_file: Path,
) -> None:
    """Train the imputed uncertainty predictor and write it with the settings that it needs.

    AdamW on a one-cycle schedule with clipped gradients; the saved weights are an exponential moving average. The
    patches of a batch have one size, drawn in proportion to its gaps. Until the model is written, a checkpoint lies
    beside it, from which a training of the same settings, code and data goes on.

    Args:
        variance_file: what `explainct.due.uncertainty.variance_sampling.sample_variance` wrote.
        settings: the settings `uncertainty` that `TRAINED_BY` lists.
        seed: seed of initial weights, order, augmentation and latent draws.
        device: where to compute, see `choose_compute`.
        threads: CPU threads.
        code: hash of the code.
        model_file: the model to write, such as `model.pt`; its checkpoint is `model.last.pt`.

    Raises:
        UserError: the file holds no gap.
    """
    compute = choose_compute(device, threads)
    gaps = load_gaps(variance_file)
    training = _Training(gaps, settings, seed, compute)
    log.info(
        "%d gaps with %d target slices, patches of %s pixels, %d parameters, %d epochs of %d steps",
        sum(len(part) for part in gaps),
        sum(int(part.taken.sum()) for part in gaps),
        ", ".join(str(part.size) for part in gaps),
        sum(parameter.numel() for parameter in training.model.parameters()),
        settings["epochs"],
        training.steps,
    )
    resume_from = model_file.with_suffix(".last.pt")
    fit(
        parts=training.parts,
        run_epoch=training.epoch,
        epochs=settings["epochs"],
        seed=seed,
        resume_from=resume_from,
        settings={
            **{name: settings[name] for name in TRAINED_BY},
            "code": code,
            "data": hashlib.sha256(variance_file.read_bytes()).hexdigest(),
        },
    )
    weights = {name: value.cpu() for name, value in training.average.module.state_dict().items()}
    kept = {name: settings[name] for name in ("width", "latent")}
    checkpoint.save({"answers": ANSWERS, "settings": kept, "model": weights}, model_file)
    resume_from.unlink(missing_ok=True)


class _Training:
    """Everything that changes while the predictor trains."""

    def __init__(self, gaps: Sequence[Gaps], settings: dict[str, Any], seed: int, compute: Compute) -> None:
        self.gaps, self.settings, self.seed, self.compute = gaps, settings, seed, compute
        torch.manual_seed(derived_seed(seed, "uncertainty", "weights"))
        self.model = UncertaintyPredictor(width=settings["width"], latent=settings["latent"]).to(compute.device)
        self.average = AveragedModel(self.model, multi_avg_fn=get_ema_multi_avg_fn(AVERAGING))
        self.optimizer = AdamW(self.model.parameters(), lr=settings["learning_rate"])
        # A batch of any size of patches has about as many pixels, so that steps cost the same.
        self.batch_sizes = [max(2, round(settings["batch_size"] * (TYPICAL_SIZE / part.size) ** 2)) for part in gaps]
        self.steps = sum(ceil(len(part) / batch) for part, batch in zip(gaps, self.batch_sizes, strict=True))
        self.schedule = OneCycleLR(
            self.optimizer, settings["learning_rate"], total_steps=settings["epochs"] * self.steps
        )
        self.parts = {
            "model": self.model,
            "average": self.average,
            "optimizer": self.optimizer,
            "schedule": self.schedule,
        }

    def epoch(self, number: int) -> dict[str, float]:
        """Run one epoch and return the means of the loss's terms."""
        generator = torch_generator(self.seed, "uncertainty", "epoch", number)
        self.model.train()
        share = torch.tensor([len(part) for part in self.gaps], dtype=torch.float64)
        chosen = torch.multinomial(share, self.steps, replacement=True, generator=generator)
        terms = [_step(self, self._batch(which, generator), generator) for which in chosen.tolist()]
        return dict(zip(("reconstruction", "kl"), torch.stack(terms).mean(0).tolist(), strict=True))

    def _batch(self, which: int, generator: torch.Generator) -> Gaps:
        """Draw a batch of gaps with patches of one size."""
        part = self.gaps[which]
        rows = torch.randperm(len(part), generator=generator)[: self.batch_sizes[which]]
        return turned(part.take(rows, self.compute.device), generator)


def _step(training: _Training, gaps: Gaps, generator: torch.Generator) -> torch.Tensor:
    """Take one step on a batch and return the terms of its loss [2]."""
    shown = partly_hidden(gaps.shown, generator)
    with training.compute.autocast():
        reconstruction, divergence = training.model.loss(
            gaps.contexts,
            gaps.context_z,
            shown,
            gaps.target_z,
            gaps.pixel_mm,
            mean=gaps.mean,
            variance=gaps.variance,
            taken=gaps.taken,
            fields=gaps.fields,
            partial=(shown != gaps.shown)[:, BRACKETING].any(1),
        )
    training.optimizer.zero_grad()
    (reconstruction + training.settings["beta"] * divergence).backward()
    clip_grad_norm_(training.model.parameters(), CLIP_NORM)
    training.optimizer.step()
    training.schedule.step()
    training.average.update_parameters(training.model)
    return torch.stack([reconstruction.detach(), divergence.detach()])  # [2]


def load_predictor(path: str | Path, device: torch.device | str) -> UncertaintyPredictor:
    """Return the predictor that `train_uncertainty` wrote to `path`, on `device` and ready to predict.

    Raises:
        UserError: the file holds something else.
    """
    content = checkpoint.load(path)
    try:
        check_answers(content)
        model = UncertaintyPredictor(**content["settings"])
        model.load_state_dict(content["model"])
    except (KeyError, TypeError, RuntimeError) as error:
        raise UserError(
            f"{path} does not hold an uncertainty predictor of this version. Delete it and run the workflow again."
        ) from error
    return model.to(device).eval()
