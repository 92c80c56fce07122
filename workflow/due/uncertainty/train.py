"""Training of the imputed uncertainty predictor on sampled variances (DUE, section 4.3 and figure 2)."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch

from due.errors import DueError
from due.seeds import derived_seed, torch_generator
from due.train import checkpoint
from due.train.device import Compute
from due.train.loop import fit
from due.uncertainty.predictor import UncertaintyPredictor
from due.uncertainty.targets import Targets, padded, slots

log = logging.getLogger(__name__)

TRAINED_BY = ("latent", "width", "epochs", "batch_size", "learning_rate", "beta")
"""The settings that training depends on."""


@dataclass(frozen=True)
class Gaps:
    """Gaps with sampled variance, padded to M missing slices each.

    Attributes:
        contexts: the two annotated slices, probabilities [G, 2, S, S].
        context_z: their positions in mm [G, 2].
        target_z: positions of the missing slices in mm [G, M].
        pixel_mm: size of a frame pixel in mm [G].
        variance: sampled variance [G, M, S, S], in [0, 0.25].
        taken: which slices are real and not padding [G, M].
    """

    contexts: torch.Tensor
    context_z: torch.Tensor
    target_z: torch.Tensor
    pixel_mm: torch.Tensor
    variance: torch.Tensor
    taken: torch.Tensor

    def __len__(self) -> int:
        return len(self.pixel_mm)

    def take(self, rows: torch.Tensor, device: torch.device) -> "Gaps":
        """Return the gaps in `rows` [B] on `device`, padded to the most missing slices that one of them has."""
        most = int(self.taken[rows].sum(1).max())
        part = Gaps(*(getattr(self, field.name)[rows].to(device) for field in fields(self)))
        return replace(
            part, target_z=part.target_z[:, :most], variance=part.variance[:, :most], taken=part.taken[:, :most]
        )


def load_gaps(files: Sequence[Path]) -> Gaps:
    """Read the gaps of all variance files, in the order of the files' names.

    Raises:
        DueError: the files hold no gap.
    """
    parts = [_read(path) for path in sorted(files)]
    first = np.cumsum([0] + [len(part["gap_mm"]) for part in parts])
    content = {name: torch.cat([part[name] for part in parts]) for name in parts[0] if name != "gap"}
    gap = torch.cat([part["gap"] + int(start) for part, start in zip(parts, first, strict=False)])
    gaps = int(first[-1])
    if not gaps:
        raise DueError(
            f"No gap in {', '.join(str(path) for path in files)}, so no variance to learn from. "
            "Delete them and repeat the sampling."
        )
    targets = Targets(content["contexts"], content["gap_mm"], content["pixel_mm"], gap, content["t"])
    return Gaps(
        contexts=targets.contexts,
        context_z=targets.context_z,
        target_z=padded(targets.z, gap, gaps),
        pixel_mm=targets.pixel_mm,
        variance=padded(content["variance"], gap, gaps),
        taken=slots(gap, gaps)[1],
    )


def _read(path: Path) -> dict[str, torch.Tensor]:
    """Return the arrays of one variance file that training needs; numbers as float32, rows as int64."""
    names = ("contexts", "gap_mm", "pixel_mm", "t", "variance")
    with h5py.File(path) as file:
        content = {name: torch.from_numpy(file[name][:].astype(np.float32)) for name in names}
        return {**content, "gap": torch.from_numpy(file["gap"][:].astype(np.int64))}


def augmented(gaps: Gaps, generator: torch.Generator) -> Gaps:
    """Return gaps mirrored along rows, columns and z, and transposed, each at random with probability 1/2."""
    choices = torch.rand(4, len(gaps), generator=generator).to(gaps.pixel_mm.device) < 0.5
    contexts, variance = gaps.contexts, gaps.variance
    for chosen, axes in zip(choices[:2], ((-1,), (-2,)), strict=True):
        which = chosen[:, None, None, None]
        contexts = torch.where(which, contexts.flip(axes), contexts)
        variance = torch.where(which, variance.flip(axes), variance)
    which = choices[2][:, None, None, None]
    contexts = torch.where(which, contexts.mT, contexts)
    variance = torch.where(which, variance.mT, variance)
    sign = 1 - 2 * choices[3].to(gaps.pixel_mm.dtype)[:, None]
    return Gaps(contexts, sign * gaps.context_z, sign * gaps.target_z, gaps.pixel_mm, variance, gaps.taken)


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
        DueError: the file cannot be read as a checkpoint.
    """
    content = checkpoint.load(path)
    model = UncertaintyPredictor(**content["settings"])
    model.load_state_dict(content["model"])
    return model.to(device).eval()
