"""Train the learned interpolators on annotated slices that are hidden."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.nn.utils import clip_grad_norm_
from torch.optim import AdamW
from torch.optim.lr_scheduler import OneCycleLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from explainct.due.interpolation.diffusion import Interpolator
from explainct.due.interpolation.model_file import save_model
from explainct.due.interpolation.regression import Regression
from explainct.due.interpolation.slice_patches import LesionPatches, load_patches
from explainct.due.interpolation.teaching_lesions import teaching_lesions
from explainct.due.interpolation.training_examples import FEWEST_SLICES, Examples
from explainct.errors import UserError
from explainct.learning.train.loop import fit
from explainct.runtime.device import Compute, choose_compute
from explainct.seeds import derived_seed, numpy_generator, torch_generator

TRAINED_BY = (
    "size",
    "channels",
    "epochs",
    "steps_per_epoch",
    "batch_size",
    "learning_rate",
    "ema",
    "max_gap",
)
"""The settings that training depends on."""
CLIP_NORM = 1.0
WARM_UP = 0.15
"""Share of the steps in which the learning rate rises."""

KINDS: dict[str, type[Interpolator] | type[Regression]] = {"diffusion": Interpolator, "regression": Regression}
"""The models that can be trained, by name."""

log = logging.getLogger(__name__)


def train_interpolator(
    *,
    lesions_file: Path,
    slices_file: Path,
    splits_file: Path,
    samples_file: Path | None,
    taught_by: Mapping[str, Any],
    settings: dict[str, Any],
    seed: int,
    device: str,
    threads: int,
    code: str,
    model_file: Path,
) -> None:
    """Train the diffusion interpolator on the annotated slices of the lesions that teach.

    Args:
        lesions_file: the table `annotate/lesions.parquet`.
        slices_file: the file `annotate/slices.h5`.
        splits_file: the table `samples/splits.parquet`.
        samples_file: the table `samples/samples.parquet`, where samples choose the lesions.
        taught_by: which lesions teach, see `teaching_lesions`.
        settings: the settings `interpolate` that `TRAINED_BY` lists.
        seed: seed of weights, examples and noise.
        device: where to train, see `choose_compute`.
        threads: CPU threads.
        code: hash of the code, which a checkpoint must share to be gone on from.
        model_file: the model to write.

    Raises:
        UserError: no lesion teaches.
    """
    compute = choose_compute(device, threads)
    lesions = teaching_lesions(
        lesions_file=lesions_file, splits_file=splits_file, samples_file=samples_file, taught_by=taught_by
    )
    patches = load_patches(lesions=lesions, slices_file=slices_file, size=settings["size"])
    if all(len(lesion.patches) < FEWEST_SLICES for lesion in patches):
        raise UserError(
            f"{lesions_file} has no training lesion with three annotated slices, and at least one is needed. "
            "Lower `annotate.keep_every` or `samples.validation`."
        )
    train_on("diffusion", patches, settings=settings, seed=seed, compute=compute, code=code, model_file=model_file)


def train_on(
    kind: str,
    patches: Sequence[LesionPatches],
    *,
    settings: Mapping[str, Any],
    seed: int,
    compute: Compute,
    code: str,
    model_file: Path,
) -> None:
    """Train a learned interpolator on patches, and write it.

    AdamW on a one-cycle schedule with clipped gradients; the saved weights are an exponential moving average. Until the
    model is written, a checkpoint lies beside it, from which a training of the same settings, code and data goes on.

    Args:
        kind: `diffusion` or `regression`.
        patches: the lesions that teach, at least one of them with three slices.
        settings: the settings `interpolate` that `TRAINED_BY` lists.
        seed: seed of weights, examples and noise.
        compute: where to train.
        code: hash of the code.
        model_file: the model to write, such as `model.pt`; its checkpoint is `model.last.pt`.
    """
    examples = Examples(patches, settings["max_gap"])
    training = _Training(kind, examples, settings, seed, compute)
    log.info(
        "%s: %d lesions, %d examples, %d parameters, %d steps of %d patches",
        kind,
        len(examples.lesions),
        len(examples),
        sum(weights.numel() for weights in training.model.parameters()),
        settings["epochs"] * settings["steps_per_epoch"],
        settings["batch_size"],
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
            "kind": kind,
            "code": code,
            "data": examples.digest(),
        },
    )
    save_model(training.average.module, model_file)
    resume_from.unlink(missing_ok=True)


class _Training:
    """Everything that changes while an interpolator trains."""

    def __init__(self, kind: str, examples: Examples, settings: Mapping[str, Any], seed: int, compute: Compute) -> None:
        self.kind, self.examples, self.settings, self.seed, self.compute = kind, examples, settings, seed, compute
        torch.manual_seed(derived_seed(seed, kind, "weights"))
        self.model = KINDS[kind](settings).to(compute.device)
        self.average = AveragedModel(self.model, multi_avg_fn=get_ema_multi_avg_fn(settings["ema"]))
        self.optimizer = AdamW(self.model.parameters(), lr=settings["learning_rate"])
        steps = settings["epochs"] * settings["steps_per_epoch"]
        self.schedule = OneCycleLR(self.optimizer, settings["learning_rate"], total_steps=steps, pct_start=WARM_UP)
        self.parts = {
            "model": self.model,
            "average": self.average,
            "optimizer": self.optimizer,
            "schedule": self.schedule,
        }

    def epoch(self, number: int) -> dict[str, float]:
        """Run one epoch and return its mean loss."""
        device = self.compute.device
        examples = numpy_generator(self.seed, self.kind, "examples", number)
        noise = torch_generator(self.seed, self.kind, "noise", number, device=device)
        steps = self.settings["steps_per_epoch"]
        total = torch.zeros((), device=device)
        for _ in range(steps):
            batch = self.examples.batch(self.settings["batch_size"], examples).to(device)
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
