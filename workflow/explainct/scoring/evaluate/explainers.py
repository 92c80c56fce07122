"""A trained classifier under every explainer: agreement with the annotation, faithfulness, and the sanity check."""

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from explainct.data.samples.blocks import lesion_box
from explainct.data.samples.reader import SampleReader
from explainct.data.samples.resample import grid_spacing
from explainct.data.samples.shown_lesions import choose_lesions
from explainct.data.samples.tasks import Task, find_task
from explainct.learning.explain.explainers import explain
from explainct.learning.explain.parameter_randomisation import randomisation_check
from explainct.learning.networks.classifier import load_classifier
from explainct.learning.networks.registry import Classifier
from explainct.runtime.device import Compute, choose_compute
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
    lesions_file: Path,
    slices_file: Path,
    samples_file: Path,
    crops_file: Path,
    model_file: Path,
    explainers_file: Path,
    task: str,
    explained: int,
    explainers: Sequence[str],
    threshold: float,
    seed: int,
    batch_size: int,
    reading: dict[str, Any],
    device: str,
    threads: int,
) -> None:
    """Write how each explainer does on a classifier, for the class that it predicts.

    Args:
        lesions_file: the table `annotate/lesions.parquet`.
        slices_file: the file `annotate/slices.h5`.
        samples_file: the table `samples/samples.parquet`.
        crops_file: list of the files of crops.
        model_file: the trained classifier.
        explainers_file: CSV to write, see `score_explainers`.
        task: name of the task.
        explained: number of test lesions to explain.
        explainers: names, see `explainct.learning.explain.explainers.EXPLAINERS`.
        threshold: map values above it count as attention, in [0, 1].
        seed: seed of random orders and of untrained weights.
        batch_size: images of a forward pass.
        reading: the settings `samples` that images depend on.
        device: `auto`, `cpu` or `cuda`.
        threads: threads of the CPU.

    Raises:
        UserError: no explainer has one of the names.
    """
    compute = choose_compute(device, threads)
    table = score_explainers(
        samples=choose_lesions(pd.read_parquet(samples_file), rows=explained),
        lesions=pd.read_parquet(lesions_file),
        store=SampleReader.from_files(
            lesions_file=lesions_file, slices_file=slices_file, crops_file=crops_file, reading=reading
        ),
        network=load_classifier(model_file, compute),
        task=find_task(task),
        explainers=explainers,
        threshold=threshold,
        seed=seed,
        batch_size=batch_size,
        compute=compute,
    )
    write_csv(table, explainers_file)


def score_explainers(
    *,
    samples: pd.DataFrame,
    lesions: pd.DataFrame,
    store: SampleReader,
    network: Classifier,
    task: Task,
    explainers: Sequence[str],
    threshold: float,
    seed: int,
    batch_size: int,
    compute: Compute,
) -> pd.DataFrame:
    """Return how each explainer does on a classifier, for the class that it predicts.

    Args:
        samples: the test lesions to explain, rows of `samples.parquet`.
        lesions: rows of `lesions.parquet`, for the voxel sizes.
        store: gives images and annotations on the grid.
        network: the trained classifier.
        task: what it predicts.
        explainers: names, see `explainct.learning.explain.explainers.EXPLAINERS`.
        threshold: map values above it count as attention, in [0, 1].
        seed: seed of random orders and of untrained weights.
        batch_size: images of a forward pass.
        compute: where to compute.

    Returns:
        One row per explainer and metric: mean and sample standard deviation over `lesions` lesions; for the explainer
        `random` deletion and insertion alone. `randomised_*` is the rank correlation with the map of the network whose
        layers from the head down to that one are untrained, on the first two lesions.

    Raises:
        UserError: no explainer has one of the names.
    """
    images = torch.as_tensor(store.images(samples))[:, None].to(compute.device)
    with torch.no_grad():
        classes = torch.cat([task.decision(network(part)[0]) for part in images.split(batch_size)])
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
            scores |= faithfulness(
                network, task, images[number], classes[number], importance_order(explanation), batch_size
            )
            rows += [(name, metric, value) for metric, value in scores.items()]
        log.info("%s: %d lesions", name, len(maps))
    for number, sample_id in enumerate(samples["sample_id"]):
        order = random_order(truths[number].size, seed=seed, sample=sample_id)
        scores = faithfulness(network, task, images[number], classes[number], order, batch_size)
        rows += [(RANDOM, metric, value) for metric, value in scores.items()]
    table = pd.DataFrame(rows, columns=["explainer", "metric", "value"])
    groups = table.groupby(["explainer", "metric"], sort=False)["value"]
    return groups.agg(mean="mean", std="std", lesions="count").reset_index()


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
    network: Classifier,
    task: Task,
    image: torch.Tensor,
    explained: torch.Tensor,
    order: np.ndarray,
    batch_size: int,
) -> dict[str, float]:
    """Return the areas under deletion and insertion curves of one image [1, D, H, W] for voxels in `order`."""
    probability = partial(_probability, network, task, int(explained))
    return perturbation_curves(image, order, probability, steps=STEPS, batch_size=batch_size).areas


def _probability(network: Classifier, task: Task, explained: int, images: torch.Tensor) -> torch.Tensor:
    return task.activation(network(images)[0])[:, explained]


def _spacing(sample: pd.Series, lesions: pd.DataFrame, grid: tuple[int, int, int]) -> tuple[float, float, float]:
    lesion = lesions.set_index("lesion_id").loc[sample.lesion_id]
    return grid_spacing(lesion, lesion_box(sample), grid)
