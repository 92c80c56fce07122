"""A small autoencoder, in whose latent space counterfactuals are looked for (LatentCF: Balasubramanian et al. 2020)."""

import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.functional import mse_loss

from explainct.cfalign.view_sets import read_views
from explainct.errors import UserError
from explainct.learning.train.arrays import epoch_batches
from explainct.learning.train.loop import fit
from explainct.runtime import checkpoint
from explainct.runtime.device import choose_compute
from explainct.runtime.files import write_csv
from explainct.seeds import derived_seed

log = logging.getLogger(__name__)

CHECKPOINT = "last.pt"
WIDTHS = (8, 16, 32)
"""Channels of the halvings: 64 pixels become 8 cells."""
RISE = 0.2


class Autoencoder(nn.Module):
    """Three halvings to a code of `channels` channels and three doublings back; smooth, without normalisation.

    CF-Align's later repository has 16 channels; sizes are not published.

    Args:
        channels: channels of the code.
    """

    def __init__(self, *, channels: int = 16) -> None:
        super().__init__()
        self.settings = {"channels": channels}
        down: list[nn.Module] = []
        for before, after in zip((1, *WIDTHS), WIDTHS, strict=False):
            down += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.SiLU()]
        self.encoder = nn.Sequential(*down, nn.Conv2d(WIDTHS[-1], channels, 3, padding=1))
        up: list[nn.Module] = [nn.Conv2d(channels, WIDTHS[-1], 3, padding=1), nn.SiLU()]
        for before, after in zip(WIDTHS[::-1], (*WIDTHS[-2::-1], WIDTHS[0]), strict=True):
            up += [nn.Upsample(scale_factor=2, mode="nearest"), nn.Conv2d(before, after, 3, padding=1), nn.SiLU()]
        self.decoder = nn.Sequential(*up, nn.Conv2d(WIDTHS[0], 1, 3, padding=1))
        # Scale of the codes, set after training: a coordinate of a standardised code has a deviation of 1.
        self.register_buffer("scale", torch.ones(1, channels, 1, 1))

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Return standardised codes [B, C, h, w] of images [B, 1, H, W] in [0, 1]."""
        return self.encoder(images - 0.5) / self.scale

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        """Return images [B, 1, H, W] of standardised codes [B, C, h, w]."""
        return self.decoder(codes * self.scale) + 0.5


def train_autoencoder(
    *,
    table_file: Path,
    views_file: Path,
    model_files: Sequence[Path],
    history_files: Sequence[Path],
    strengths: Sequence[float],
    settings: Mapping[str, Any],
    cue: Mapping[str, Any],
    window: tuple[float, float],
    seed: int,
    device: str,
    threads: int,
    code: str,
) -> None:
    """Train an autoencoder of the training images for each strength of the planted cue.

    Args:
        table_file: the table of `explainct.cfalign.labels.label_views`.
        views_file: the HDF5 file of views.
        model_files: the autoencoders to write, one a strength, each in a folder of its own.
        history_files: tables to write beside them.
        strengths: strengths of the cue; 0 plants none.
        settings: `epochs`, `batch_size`, `learning_rate` and `channels`.
        cue: how the cue looks: see `ViewSet.with_cue`.
        window: HU that become 0 and 1.
        seed: seed of initial weights and batches.
        device: `auto`, `cpu` or `cuda`.
        threads: threads of the CPU.
        code: hash of the code; a checkpoint of other code is set aside.

    Raises:
        UserError: the loss is no longer finite.
    """
    compute = choose_compute(device, threads)
    views = read_views(table_file, views_file, "train", window)
    for strength, model_file, history_file in zip(strengths, model_files, history_files, strict=True):
        images = torch.from_numpy(views.with_cue(cue, strength=strength, mode="aligned").images)
        identity = {"code": code, "strength": strength, "cue": dict(cue), "window": list(window)}
        identity |= {"views": [str(views_file), views_file.stat().st_size, views_file.stat().st_mtime_ns]}
        torch.manual_seed(derived_seed(seed, "autoencoder"))
        model = Autoencoder(channels=settings["channels"]).to(compute.device)
        history = fit_autoencoder(
            model, images, settings=settings, seed=seed, resume_from=model_file.with_name(CHECKPOINT), identity=identity
        )
        standardise(model, images)
        write_csv(history, history_file)
        weights = {key: value.detach().cpu() for key, value in model.state_dict().items()}
        checkpoint.save({"autoencoder": dict(model.settings), "weights": weights}, model_file)
    for path in model_files:
        path.with_name(CHECKPOINT).unlink()


def fit_autoencoder(
    model: Autoencoder,
    images: torch.Tensor,
    *,
    settings: Mapping[str, Any],
    seed: int,
    resume_from: Path,
    identity: Mapping[str, Any],
) -> Any:
    """Train an autoencoder by the squared error and return its history, a row an epoch.

    Args:
        model: the autoencoder, on its device.
        images: [N, 1, H, W] in [0, 1].
        settings: see `train_autoencoder`.
        seed: seed of the batches.
        resume_from: where the checkpoint is kept.
        identity: what else the run depends on, in plain values.

    Raises:
        UserError: the loss is no longer finite.
    """
    size, rate = settings["batch_size"], settings["learning_rate"]
    device = next(model.parameters()).device
    steps = len(epoch_batches(len(images), size, seed=seed, epoch=0))
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    total = steps * settings["epochs"]
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=total, pct_start=RISE)

    def run_epoch(number: int) -> dict[str, float]:
        error = 0.0
        for rows in epoch_batches(len(images), size, seed=seed, epoch=number):
            batch = images[rows].to(device)
            loss = mse_loss(model.decode(model.encode(batch)), batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            error += len(rows) / len(images) * loss.item()
        if not math.isfinite(error):
            raise UserError(
                f"The autoencoder diverged: its loss is {error}. Lower `counterfactual.autoencoder.learning_rate`."
            )
        return {"squared_error": error}

    return fit(
        parts={"model": model, "optimizer": optimizer, "schedule": schedule},
        run_epoch=run_epoch,
        epochs=settings["epochs"],
        seed=seed,
        resume_from=resume_from,
        settings={"settings": dict(settings), "identity": dict(identity)},
    )


@torch.no_grad()
def standardise(model: Autoencoder, images: torch.Tensor) -> None:
    """Set the scale of an autoencoder's codes to their deviation over images [N, 1, H, W], by channel."""
    model.scale.fill_(1)
    device = model.scale.device
    codes = torch.cat([model.encode(batch.to(device)) for batch in images.split(256)])
    model.scale.copy_(codes.transpose(0, 1).flatten(1).std(1).clamp_min(1e-6).view(1, -1, 1, 1))


def load_autoencoder(path: Path, device: torch.device) -> Autoencoder:
    """Read an autoencoder that `train_autoencoder` wrote.

    Raises:
        UserError: the file is not an autoencoder.
    """
    content = checkpoint.load(path)
    if not {"autoencoder", "weights"} <= content.keys():
        raise UserError(f"{path} holds no autoencoder. Delete it and repeat.")
    model = Autoencoder(**content["autoencoder"])
    model.load_state_dict(content["weights"])
    return model.to(device).eval()
