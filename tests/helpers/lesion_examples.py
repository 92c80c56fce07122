"""Small lesions, and stand-ins for trained models."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from explainct.due.interpolation.diffusion import Interpolator
from explainct.due.interpolation.gaps import CONTEXT_SLICES
from explainct.due.interpolation.model_file import ANSWERS
from explainct.due.interpolation.noise_schedule import signal_and_noise
from explainct.due.uncertainty.neural_process import UncertaintyPredictor
from explainct.runtime.checkpoint import save

SLICES = 13
SPACING_Z = 2.0
INTERPOLATE = {
    "size": 32,
    "channels": [8, 16],
    "steps": 3,
    "epochs": 3,
    "steps_per_epoch": 2,
    "batch_size": 4,
    "learning_rate": 0.001,
    "ema": 0.9,
    "max_gap": 4,
    "filling": "direct",
    "draws": 2,
}
BOXES = {3: (20, 14), 5: (30, 34)}
"""Rows and columns of lesions that need a larger patch than the others; the last one's is shrunk."""


class Bayes(nn.Module):
    """Takes each pixel as inside with a probability of its own, and says what it is given the noisy slice.

    The probability is the logistic function of `sharpness` times the blend of the fields around the slice.
    """

    def __init__(self, sharpness: float) -> None:
        super().__init__()
        self.sharpness = nn.Parameter(torch.tensor(sharpness))

    def forward(self, planes: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
        blend = 1 + 3 * CONTEXT_SLICES
        signal, spread = signal_and_noise(level[:, None, None, None])
        return self.sharpness * planes[:, blend : blend + 1] + 2 * signal * planes[:, :1] / spread**2


class Oracle(Interpolator):
    """An interpolator that knows the probability of every pixel."""

    def __init__(self, sharpness: float) -> None:
        nn.Module.__init__(self)
        self.network = Bayes(sharpness)


def untrained_interpolator() -> Interpolator:
    """Return a network whose answers depend on its inputs; MONAI starts the last layer at zero."""
    torch.manual_seed(0)
    model = Interpolator(INTERPOLATE).eval()
    for weights in model.network.unet.out.parameters():
        nn.init.normal_(weights, std=0.3)
    return model


def untrained_predictor() -> UncertaintyPredictor:
    """Return a network that departs from the classical answer."""
    torch.manual_seed(0)
    model = UncertaintyPredictor(width=8, latent=4).eval()
    nn.init.normal_(model.leave[1].weight, std=0.3)
    return model


def save_untrained(path: Path) -> None:
    """Write the untrained predictor as training writes a trained one."""
    model = untrained_predictor()
    save({"answers": ANSWERS, "settings": {"width": 8, "latent": 4}, "model": model.state_dict()}, path)


def lesion_row(number: int) -> dict:
    rows, columns = BOXES.get(number, (10, 12))
    return {
        "lesion_id": f"LIDC-IDRI-{number:04d}-s{number}-n0",
        "patient_id": f"LIDC-IDRI-{number:04d}",
        "label": 1,
        "spacing_z": SPACING_Z,
        "spacing_y": 0.7,
        "spacing_x": 0.7,
        "scan_slices": 60,
        "scan_rows": 512,
        "scan_columns": 512,
        "scan_z_mm": (-50.0 + SPACING_Z * (np.arange(60) - 20)).tolist(),
        "k_start": 20,
        "k_stop": 20 + SLICES,
        "i_start": 100,
        "i_stop": 100 + rows,
        "j_start": 200,
        "j_stop": 200 + columns,
    }


def ellipsoid(number: int) -> np.ndarray:
    rows, columns = BOXES.get(number, (10, 12))
    k, i, j = np.ogrid[-1 : 1 : SLICES * 1j, -1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    return (((k**2) + (i - 0.1 * number * k) ** 2 + j**2) < 1.05).astype(np.uint8)
