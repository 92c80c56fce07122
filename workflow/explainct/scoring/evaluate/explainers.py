"""A trained classifier under every explainer: agreement with the annotation, faithfulness, and the sanity check."""

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from explainct.data.samples.blocks import lesion_box
from explainct.data.samples.reader import SampleReader
from explainct.data.samples.resample import grid_spacing, spacing_of
from explainct.learning.explain.explainers import explain
from explainct.learning.explain.parameter_randomisation import randomisation_check
from explainct.learning.networks.resnet import ExplainableResNet, load_classifier
from explainct.runtime.device import Compute
from explainct.runtime.files import write_csv
from explainct.scoring.evaluate.score import seen_grid
from explainct.scoring.metrics.deletion_insertion import importance_order, perturbation_curves, random_order
from explainct.scoring.metrics.overlap import threshold_metrics, whole_map_metrics
from explainct.scoring.metrics.surface_distance import boundary_distances

log = logging.getLogger(__name__)

AT_THRESHOLD = ("iou", "dice", "precision", "recall")
STEPS = 32
"""Shares of voxels that deletion and insertion go through."""

CHECKED = 2
"""Lesions of the randomisation check, which explains each of them seven times."""

RANDOM = "random"
"""Name of the reference whose order of voxels is random."""


def compare_explainers(
    *,
    samples: pd.DataFrame,
    lesions: pd.DataFrame,
    store: SampleReader,
    model_file: Path,
    explainers: Sequence[str],
    threshold: float,
    seed: int,
    batch_size: int,
    compute: Compute,
    out: Path,
) -> None:
    """Write how each explainer does on a classifier, for the class that it predicts.

    Args:
        samples: the test lesions to explain, rows of `samples.parquet`.
        lesions: rows of `lesions.parquet`, for the voxel sizes.
        store: gives images and annotations on the grid.
        model_file: the trained classifier.
        explainers: names, see `explainct.learning.explain.explainers.EXPLAINERS`.
        threshold: map values above it count as attention, in [0, 1].
        seed: seed of random orders and of untrained weights.
        batch_size: images of a forward pass.
        compute: where to compute.
        out: CSV, one row per explainer and metric: mean and sample standard deviation over `lesions` lesions; for the
            explainer `random` deletion and insertion alone. `randomised_*` is the rank correlation with the map of the
            network whose layers from the head down to that one are untrained, on the first two lesions.

    Raises:
        UserError: no explainer has one of the names.
    """
    network = load_classifier(model_file, compute)
    images = torch.as_tensor(store.images(samples))[:, None].to(compute.device)
    with torch.no_grad():
        classes = torch.cat([network(part)[0].argmax(1) for part in images.split(batch_size)])
    truths = store.truth(samples)
    spacings = [_spacing(sample, lesions, store.grid) for _, sample in samples.iterrows()]
    rows = []
    for name in explainers:
        maps = explain(network, images, classes, name, batch_size=batch_size).cpu()
        first = slice(CHECKED)
        check = randomisation_check(network, images[first], classes[first], name, seed, batch_size=batch_size)
        rows += [(name, f"randomised_{row.layer}", row.spearman) for row in check.itertuples()]
        for number, (truth, spacing) in enumerate(zip(truths, spacings, strict=True)):
            explanation = maps[number].numpy()
            scores = agreement(explanation, truth, network.settings["dims"], threshold, spacing)
            scores |= faithfulness(network, images[number], classes[number], importance_order(explanation), batch_size)
            rows += [(name, metric, value) for metric, value in scores.items()]
        log.info("%s: %d lesions", name, len(maps))
    for number, sample_id in enumerate(samples["sample_id"]):
        order = random_order(truths[number].size, seed=seed, sample=sample_id)
        scores = faithfulness(network, images[number], classes[number], order, batch_size)
        rows += [(RANDOM, metric, value) for metric, value in scores.items()]
    table = pd.DataFrame(rows, columns=["explainer", "metric", "value"])
    groups = table.groupby(["explainer", "metric"], sort=False)["value"]
    write_csv(groups.agg(mean="mean", std="std", lesions="count").reset_index(), out)


def agreement(
    explanation: np.ndarray, truth: np.ndarray, dims: int, threshold: float, spacing: tuple[float, float, float]
) -> dict[str, float]:
    """Return how well a map agrees with an annotation, by metric; NaN where the method sees no annotation.

    Args:
        explanation: map [D, H, W] in [0, 1].
        truth: annotation [D, H, W], 0 or 1.
        dims: 3, or 2 for a method that sees the middle slice alone, and is scored there.
        threshold: map values above it count as attention, in [0, 1].
        spacing: distance of grid voxels (z, y, x) in mm.
    """
    _, planes = seen_grid(truth.shape, dims)
    explanation, truth = explanation[planes], truth[planes]
    if not truth.any():
        return {}
    overlap = threshold_metrics(explanation, truth, [threshold])
    return {
        **{name: float(overlap[name][0]) for name in AT_THRESHOLD},
        **whole_map_metrics(explanation, truth),
        **boundary_distances(explanation, truth, threshold=threshold, spacing=spacing),
    }


def faithfulness(
    network: ExplainableResNet, image: torch.Tensor, explained: torch.Tensor, order: np.ndarray, batch_size: int
) -> dict[str, float]:
    """Return the areas under deletion and insertion curves of one image [1, D, H, W] for voxels in `order`."""
    probability = partial(_probability, network, int(explained))
    return perturbation_curves(image, order, probability, steps=STEPS, batch_size=batch_size).areas


def _probability(network: ExplainableResNet, explained: int, images: torch.Tensor) -> torch.Tensor:
    return network(images)[0].softmax(1)[:, explained]


def _spacing(sample: pd.Series, lesions: pd.DataFrame, grid: tuple[int, int, int]) -> tuple[float, float, float]:
    lesion = lesions.set_index("lesion_id").loc[sample.lesion_id]
    return grid_spacing(lesion_box(sample), spacing_of(lesion), grid)
