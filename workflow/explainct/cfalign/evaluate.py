"""What the trained networks say of validation and test views, and where their evidence and their changes lie."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from explainct.cfalign.alignment import share_inside
from explainct.cfalign.counterfactual import Problem, other_class, solve
from explainct.cfalign.networks import grad_cam, load_network
from explainct.cfalign.spaces import Grid, ceiling_of_share
from explainct.cfalign.view_sets import ViewSet, read_views
from explainct.data.samples.planted_cue import MODES
from explainct.data.samples.views import dilated
from explainct.runtime.device import choose_compute
from explainct.runtime.files import write_parquet

log = logging.getLogger(__name__)

BATCH = 64
SPLITS = ("validation", "test")
REGIONS = ("mask", "box", "grown")
"""Where a change may lie: in the mask, in its box, and in the mask as alignment counts it."""


def evaluate_compared(
    *,
    table_file: Path,
    views_file: Path,
    model_files: Sequence[Path],
    predictions_file: Path,
    explanations_file: Path,
    recipe: Mapping[str, Any],
    strengths: Sequence[float],
    seeds: Sequence[int],
    settings: Mapping[str, Any],
    cue: Mapping[str, Any],
    window: tuple[float, float],
    device: str,
    threads: int,
) -> None:
    """Predict validation and test views with the cue aligned, absent and reversed, and explain some test views.

    Args:
        table_file: the table of `explainct.cfalign.labels.label_views`.
        views_file: the HDF5 file of views.
        model_files: the networks, one a strength and seed, seeds within strengths.
        predictions_file: table to write: `strength`, `seed`, `split`, `mode` of the cue, `view_id`, `patient_id`,
            `label`, `logit` (malignant minus benign).
        explanations_file: table to write, a row per strength, seed and explained view: see `explained`.
        recipe: of `explainct.config.compared.Compared`.
        strengths: strengths of the cue in training; 0 planted none.
        seeds: seeds of the trainings.
        settings: `margin`, `cell`, `evaluated`, and the solver's `iterations`, `retries`, `tolerance` and `gate`.
        cue: how the cue looks: see `ViewSet.with_cue`.
        window: HU that become 0 and 1.
        device: `auto`, `cpu` or `cuda`.
        threads: threads of the CPU.
    """
    compute = choose_compute(device, threads)
    sets = {split: read_views(table_file, views_file, split, window) for split in SPLITS}
    some = read_views(table_file, views_file, "test", window, most=settings["evaluated"])
    predictions, explanations = [], []
    runs = [(strength, seed) for strength in strengths for seed in seeds]
    for (strength, seed), model_file in zip(runs, model_files, strict=True):
        network, run = load_network(model_file, compute.device), {"strength": strength, "seed": seed}
        for split, mode, views in shown(sets, cue, strength):
            logits = predict(network, views.seen_by(recipe["images"]).images, compute.device)
            about = views.table[["view_id", "patient_id", "label"]]
            predictions.append(about.assign(**run, split=split, mode=mode, logit=logits))
        views = some.with_cue(cue, strength=float(strength > 0), mode="aligned").seen_by(recipe["images"])
        explanations.append(explained(network, views, settings, compute.device).assign(**run))
        log.info("strength %g, seed %d scored", strength, seed)
    write_parquet(pd.concat(predictions, ignore_index=True), predictions_file)
    write_parquet(pd.concat(explanations, ignore_index=True), explanations_file)


def shown(sets: Mapping[str, ViewSet], cue: Mapping[str, Any], strength: float) -> Iterator[tuple[str, str, ViewSet]]:
    """Yield split, mode and views of all predictions: without a cue in training, no cue is shown.

    Args:
        sets: views by split.
        cue: how the cue looks.
        strength: strength of the cue in training; in what is shown the cue always agrees, or always does not.
    """
    for split, views in sets.items():
        for mode in MODES if strength > 0 else ("absent",):
            yield split, mode, views.with_cue(cue, strength=float(strength > 0), mode=mode)


@torch.inference_mode()
def predict(network: nn.Module, images: np.ndarray, device: torch.device) -> np.ndarray:
    """Return the logit of malignant minus that of benign [N] of images [N, 1, H, W]."""
    batches = torch.from_numpy(images).split(4 * BATCH)
    logits = torch.cat([network(batch.to(device)).cpu() for batch in batches])
    return (logits[:, 1] - logits[:, 0]).numpy()


def explained(network: nn.Module, views: ViewSet, settings: Mapping[str, Any], device: torch.device) -> pd.DataFrame:
    """Return where maps and counterfactuals of views lie, a row a view.

    All networks are asked on the grid of CF-Align, ours, so that their shares compare.

    Args:
        network: the classifier.
        views: the views as the network sees them.
        settings: see `evaluate_compared`.
        device: where to compute.

    Returns:
        Columns `view_id`, `patient_id`, `label`, `predicted`; `saliency_precision` (share of Grad-CAM in the box, as
        published, section 5.2), `input_x_gradient` (its share in the box); `flipped`, `residual` and `stationary` of
        the counterfactual, `changed` (share of pixels that change by more than a tenth of the largest change),
        `cf_mask`, `cf_box` and `cf_grown` (shares of its change in the mask, the box and the mask as alignment counts
        it), and `ceiling_mask`, `ceiling_box` and `ceiling_grown`, the largest shares on this grid.
    """
    tables = []
    for start in range(0, len(views), BATCH):
        part = views.rows(np.arange(start, min(start + BATCH, len(views))))
        arrays = (part.images, part.masks, part.boxes, dilated(part.masks, settings["margin"]))
        images, *regions = (torch.from_numpy(array).float().to(device) for array in arrays)
        values = map_shares(network, images, regions[1])
        values |= change_shares(network, images, dict(zip(REGIONS, regions, strict=True)), settings)
        about = part.table[["view_id", "patient_id", "label"]].reset_index(drop=True)
        tables.append(about.assign(**{name: value.cpu().numpy() for name, value in values.items()}))
    return pd.concat(tables, ignore_index=True)


def map_shares(network: nn.Module, images: torch.Tensor, boxes: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return the predicted class, and the shares of Grad-CAM and |Input x Gradient| of it in the box, each [B].

    Args:
        network: the classifier.
        images: [B, 1, H, W].
        boxes: 0 or 1 [B, 1, H, W].
    """
    images = images.detach().requires_grad_()
    with torch.enable_grad():
        logits = network(images)
        predicted = logits.argmax(1)
        (gradient,) = torch.autograd.grad(logits.gather(1, predicted[:, None]).sum(), images)
    images = images.detach()
    return {
        "predicted": predicted,
        "saliency_precision": share_inside(grad_cam(network, images, predicted)[:, None], boxes),
        "input_x_gradient": share_inside((images * gradient).abs(), boxes),
    }


def change_shares(
    network: nn.Module, images: torch.Tensor, regions: Mapping[str, torch.Tensor], settings: Mapping[str, Any]
) -> dict[str, torch.Tensor]:
    """Return how the counterfactuals of images went and where their changes lie, each [B]: see `explained`.

    Args:
        network: the classifier.
        images: [B, 1, H, W].
        regions: `mask`, `box` and `grown`, 0 or 1 [B, 1, H, W].
        settings: `cell`, and the solver's.
    """
    space = Grid(settings["cell"])
    found = solve(
        Problem(network, space, images, other_class(network, images)),
        **{name: settings[name] for name in ("tolerance", "iterations", "retries")},
    )
    change = space.change(images, found.z).abs()
    largest = change.flatten(1).amax(1)[:, None, None, None]
    values = {"flipped": found.flipped, "residual": found.residual, "stationary": found.stationary(settings["gate"])}
    values["changed"] = (change > 0.1 * largest).float().mean((1, 2, 3))
    for name, region in regions.items():
        values[f"cf_{name}"] = share_inside(change, region)
        values[f"ceiling_{name}"] = ceiling_of_share(region, settings["cell"])
    return values
