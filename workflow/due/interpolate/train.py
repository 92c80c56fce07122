"""Training of the diffusion interpolator on the gaps of annotated lesions."""

import logging
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch.nn.utils import clip_grad_norm_
from torch.optim import AdamW
from torch.optim.lr_scheduler import OneCycleLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from due.errors import DueError
from due.interpolate.diffusion import Interpolator, save_interpolator
from due.interpolate.frames import load_frames, training_lesions
from due.interpolate.gaps import GapDataset
from due.seeds import derived_seed, numpy_generator, torch_generator
from due.train.device import Compute
from due.train.loop import fit

SAMPLING_SETTINGS = ("filling", "draws")
CLIP_NORM = 1.0

log = logging.getLogger(__name__)


def train_interpolator(
    *,
    lesions_file: Path,
    slices_file: Path,
    splits_file: Path,
    margin_mm: float,
    settings: dict[str, Any],
    seed: int,
    compute: Compute,
    out: Path,
    resume_from: Path,
) -> None:
    """Train the interpolator on all lesions that are neither of validation nor of test patients.

    AdamW on a one-cycle schedule with clipped gradients; the saved weights are an exponential moving average.

    Args:
        lesions_file: the table `annotate/lesions.parquet`.
        slices_file: the file `annotate/slices.h5`.
        splits_file: the table `cases/splits.parquet`.
        margin_mm: margin of a lesion's block in mm.
        settings: the settings `interpolate`.
        seed: seed of weights, examples and noise.
        compute: where to train.
        out: the model to write.
        resume_from: where the checkpoint is kept until the model is written.

    Raises:
        DueError: no lesion teaches, or the checkpoint belongs to another configuration.
    """
    lesions = training_lesions(pd.read_parquet(lesions_file), pd.read_parquet(splits_file))
    frames = load_frames(lesions=lesions, slices_file=slices_file, margin_mm=margin_mm, size=settings["size"])
    gaps = GapDataset(frames, settings["max_gap"])
    if not len(gaps):
        raise DueError(
            f"{lesions_file} has no training lesion with three annotated slices, and at least one is needed. "
            "Lower `annotate.keep_every` or `cases.validation`."
        )
    training = _Training(gaps, settings, seed, compute)
    log.info(
        "%d lesions, %d gaps, %d parameters, %d steps of %d frames",
        len(gaps.lesions),
        len(gaps),
        sum(weights.numel() for weights in training.model.parameters()),
        settings["epochs"] * settings["steps_per_epoch"],
        settings["batch_size"],
    )
    dependencies = {name: value for name, value in settings.items() if name not in SAMPLING_SETTINGS}
    fit(
        parts=training.parts,
        run_epoch=training.epoch,
        epochs=settings["epochs"],
        seed=seed,
        resume_from=resume_from,
        settings={**dependencies, "margin_mm": margin_mm, "lesions": len(gaps.lesions), "gaps": len(gaps)},
    )
    save_interpolator(training.average.module, out)
    resume_from.unlink(missing_ok=True)


class _Training:
    """Everything that changes while the interpolator trains."""

    def __init__(self, gaps: GapDataset, settings: dict[str, Any], seed: int, compute: Compute) -> None:
        self.gaps, self.settings, self.seed, self.compute = gaps, settings, seed, compute
        torch.manual_seed(derived_seed(seed, "interpolate", "weights"))
        self.model = Interpolator(settings).to(compute.device)
        self.average = AveragedModel(self.model, multi_avg_fn=get_ema_multi_avg_fn(settings["ema"]))
        self.optimizer = AdamW(self.model.parameters(), lr=settings["learning_rate"])
        steps = settings["epochs"] * settings["steps_per_epoch"]
        self.schedule = OneCycleLR(self.optimizer, settings["learning_rate"], total_steps=steps)
        self.parts = {
            "model": self.model,
            "average": self.average,
            "optimizer": self.optimizer,
            "schedule": self.schedule,
        }

    def epoch(self, number: int) -> dict[str, float]:
        """Run one epoch and return its mean loss."""
        device = self.compute.device
        examples = numpy_generator(self.seed, "interpolate", "examples", number)
        noise = torch_generator(self.seed, "interpolate", "noise", number, device=device)
        steps = self.settings["steps_per_epoch"]
        total = torch.zeros((), device=device)
        for _ in range(steps):
            batch = self.gaps.batch(self.settings["batch_size"], examples).to(device)
            with self.compute.autocast():
                loss = self.model.loss(batch, noise)
            self.optimizer.zero_grad()
            loss.backward()
            clip_grad_norm_(self.model.parameters(), CLIP_NORM)
            self.optimizer.step()
            self.schedule.step()
            self.average.update_parameters(self.model)
            total += loss.detach()
        return {"loss": float(total) / steps}
