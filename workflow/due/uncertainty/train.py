"""Training of the imputed uncertainty predictor on sampled variances (DUE, section 4.3 and figure 2)."""

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from due.errors import DueError
from due.seeds import derived_seed, torch_generator
from due.train import checkpoint
from due.train.device import Compute
from due.train.loop import fit
from due.uncertainty.data import Gaps, augmented, load_gaps
from due.uncertainty.predictor import UncertaintyPredictor

log = logging.getLogger(__name__)

TRAINED_BY = ("latent", "width", "epochs", "batch_size", "learning_rate", "beta")
"""The settings that training depends on."""


def train_uncertainty(
    *,
    variance_files: Sequence[Path],
    settings: dict[str, Any],
    seed: int,
    compute: Compute,
    out: Path,
    resume_from: Path,
) -> None:
    """Train the imputed uncertainty predictor and write it with the settings that it needs.

    Args:
        variance_files: what `due.uncertainty.variance.sample_variance` wrote, one file per shard.
        settings: the section `uncertainty`.
        seed: seed of initial weights, order, augmentation and latent draws.
        compute: where to compute.
        out: the model file.
        resume_from: checkpoint of a training that was cut; deleted at the end.

    Raises:
        DueError: the files hold no gap, or the checkpoint belongs to another configuration or other variances.
    """
    gaps = load_gaps(variance_files)
    torch.manual_seed(derived_seed(seed, "uncertainty", "weights"))
    model = UncertaintyPredictor(width=settings["width"], latent=settings["latent"]).to(compute.device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings["learning_rate"])
    log.info(
        "%d gaps with %d missing slices, %d parameters, %d epochs",
        len(gaps),
        int(gaps.taken.sum()),
        sum(parameter.numel() for parameter in model.parameters()),
        settings["epochs"],
    )

    def run_epoch(number: int) -> dict[str, float]:
        generator = torch_generator(seed, "uncertainty", "epoch", number)
        model.train()
        batches = torch.randperm(len(gaps), generator=generator).split(settings["batch_size"])
        steps = [
            _step(model, optimizer, augmented(gaps.take(rows, compute.device), generator), settings["beta"])
            for rows in batches
        ]
        return dict(zip(("reconstruction", "kl"), np.mean(steps, axis=0), strict=True))

    fit(
        parts={"model": model, "optimizer": optimizer},
        run_epoch=run_epoch,
        epochs=settings["epochs"],
        seed=seed,
        resume_from=resume_from,
        settings={**{name: settings[name] for name in TRAINED_BY}, "data": _digest(variance_files)},
    )
    weights = {name: value.cpu() for name, value in model.state_dict().items()}
    kept = {name: settings[name] for name in ("width", "latent")}
    checkpoint.save({"settings": kept, "model": weights}, out)
    Path(resume_from).unlink(missing_ok=True)


def _step(
    model: UncertaintyPredictor, optimizer: torch.optim.Optimizer, gaps: Gaps, beta: float
) -> tuple[float, float]:
    """Take one step on a batch and return the terms of its loss."""
    reconstruction, divergence = model.loss(
        gaps.contexts, gaps.context_z, gaps.target_z, gaps.pixel_mm, variance=gaps.variance, taken=gaps.taken
    )
    optimizer.zero_grad()
    (reconstruction + beta * divergence).backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return reconstruction.item(), divergence.item()


def _digest(files: Sequence[Path]) -> str:
    """Return a hash of the files' bytes, so that a checkpoint of other variances is refused."""
    content = hashlib.sha256()
    for path in sorted(files):
        content.update(Path(path).read_bytes())
    return content.hexdigest()


def load_predictor(path: str | Path, device: torch.device | str) -> UncertaintyPredictor:
    """Return the predictor that `train_uncertainty` wrote to `path`, on `device` and ready to predict.

    Raises:
        DueError: the file holds something else.
    """
    content = checkpoint.load(path)
    try:
        model = UncertaintyPredictor(**content["settings"])
        model.load_state_dict(content["model"])
    except (KeyError, TypeError, RuntimeError) as error:
        raise DueError(
            f"{path} does not hold an uncertainty predictor of this version. Delete it and run the workflow again."
        ) from error
    return model.to(device).eval()
