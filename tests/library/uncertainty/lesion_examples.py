"""Small lesions, and a stand-in for a trained interpolator."""

from types import SimpleNamespace

import numpy as np
import torch

SIZE = 8
SLICES = 13


class LinearInterpolator:
    """Draws the linear interpolation plus noise of a given size; records what it was asked for."""

    def __init__(self, noise: float = 0.0) -> None:
        self.noise = noise
        self.device = torch.device("cpu")

    def sample(self, contexts, t, gap_mm, pixel_mm, *, draws, generator):
        self.asked = SimpleNamespace(contexts=contexts, t=t, gap_mm=gap_mm, pixel_mm=pixel_mm)
        mean = contexts[:, 0] + t[:, None, None] * (contexts[:, 1] - contexts[:, 0])
        shape = (len(t), draws, *contexts.shape[2:])
        return (mean[:, None] + self.noise * torch.randn(shape, generator=generator)).clamp(0, 1)


def lesion_row(number: int) -> dict:
    return {
        "lesion_id": f"LIDC-IDRI-{number:04d}-s{number}-n0",
        "patient_id": f"LIDC-IDRI-{number:04d}",
        "label": 1,
        "spacing_z": 2.0,
        "spacing_y": 0.7,
        "spacing_x": 0.7,
        "scan_slices": 60,
        "scan_rows": 512,
        "scan_columns": 512,
        "k_start": 20,
        "k_stop": 20 + SLICES,
        "i_start": 100,
        "i_stop": 110,
        "j_start": 200,
        "j_stop": 212,
    }


def ellipsoid(number: int) -> np.ndarray:
    k, i, j = np.ogrid[-1 : 1 : SLICES * 1j, -1:1:10j, -1:1:12j]
    return (((k**2) + (i - 0.1 * number * k) ** 2 + j**2) < 1.05).astype(np.uint8)
