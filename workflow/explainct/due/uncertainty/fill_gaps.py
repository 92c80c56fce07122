"""Fill gaps: mean and variance of the missing slices, by the model that the settings choose."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from explainct.due.interpolation.diffusion import Interpolator
from explainct.due.interpolation.filling import Filled, diffuse_gaps
from explainct.due.interpolation.gaps import Gap, by_size
from explainct.due.interpolation.model_file import load_model
from explainct.due.interpolation.unet import PIXELS_AT_ONCE
from explainct.due.uncertainty.neural_process import UncertaintyPredictor
from explainct.due.uncertainty.train import load_predictor

Filler = Callable[[Sequence[Gap], torch.Generator], list[Filled]]
"""Fills gaps of any patch sizes: mean and variance [M, S, S] of each gap's target slices, on the model's device."""


def load_filler(model_file: Path, settings: Mapping[str, Any], device: torch.device) -> Filler:
    """Return what the pipeline fills gaps with: weights, pictures and scores all come from it.

    Args:
        model_file: the model that `filled_by` names: the uncertainty predictor, or the diffusion interpolator.
        settings: `filled_by`; for the predictor `latent_at_inference`, for the diffusion `estimate` and, where that is
            `draws`, `draws`, `steps` and `filling`.
        device: where to compute.

    Raises:
        UserError: the file holds another model.
    """
    if settings["filled_by"] == "diffusion":
        interpolator = load_model(Interpolator, model_file, device)
        return lambda gaps, generator: diffuse_gaps(interpolator, gaps, settings, generator)
    predictor = load_predictor(model_file, device)
    return lambda gaps, generator: predict_gaps(predictor, gaps, settings["latent_at_inference"], generator)


def predict_gaps(
    predictor: UncertaintyPredictor,
    gaps: Sequence[Gap],
    latent: Literal["mean", "draw"],
    generator: torch.Generator,
) -> list[Filled]:
    """Return predicted mean and variance [M, S, S] of each gap's target slices, in one pass of the network.

    Gaps of one patch size are asked together, as many as fit into memory.

    Args:
        predictor: a trained predictor.
        gaps: what is asked for.
        latent: `mean` or `draw`, see `UncertaintyPredictor.predict`.
        generator: random stream of draws, on the predictor's device.
    """
    device = next(predictor.parameters()).device
    answers: dict[int, Filled] = {}
    for numbers in _parts(gaps, PIXELS_AT_ONCE[device.type]):
        group = [gaps[number] for number in numbers]
        most = max(len(gap.z) for gap in group)
        z = np.stack([np.pad(gap.z, (0, most - len(gap.z)), mode="edge") for gap in group])  # [B, M]
        predicted = predictor.predict(
            # [B, 4, S, S]
            torch.from_numpy(np.stack([gap.contexts + gap.disagreement for gap in group])).float().to(device),
            torch.from_numpy(np.stack([gap.context_z for gap in group])).float().to(device),  # [B, 4]
            torch.from_numpy(np.stack([gap.shown for gap in group])).to(device),  # [B, 4]
            torch.from_numpy(z).float().to(device),
            torch.tensor([gap.pixel_mm for gap in group], dtype=torch.float32, device=device),
            fields=torch.from_numpy(np.stack([gap.fields for gap in group])).to(device),  # [B, 4, S, S]
            latent=latent,
            generator=generator,
        )
        for row, number in enumerate(numbers):
            count = len(gaps[number].z)
            answers[number] = Filled(predicted.mean[row, :count], predicted.variance[row, :count])
    return [answers[number] for number in range(len(gaps))]


def _parts(gaps: Sequence[Gap], pixels: int) -> Iterator[list[int]]:
    """Yield the numbers of gaps of one patch size whose target slices, padded, have at most `pixels` pixels."""
    for size, numbers in by_size(gaps).items():
        most = max(len(gaps[number].z) for number in numbers)
        count = max(pixels // (most * size**2), 1)
        yield from (numbers[start : start + count] for start in range(0, len(numbers), count))
