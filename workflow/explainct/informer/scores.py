"""What the alarms go by: logits, distinctiveness and test-time augmentation of validation and test nodules."""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from explainct.data.samples.attributes import ATTRIBUTES
from explainct.data.samples.folds import rotating_fold
from explainct.data.samples.nodules import read_images
from explainct.errors import UserError
from explainct.informer.thresholds import entropy
from explainct.learning.explain.class_maps import map_maker
from explainct.learning.networks.classifier import load_classifier
from explainct.learning.networks.registry import Classifier
from explainct.learning.train.augmentation import blurred, rotated, shifted
from explainct.learning.train.multilabel import predict_logits
from explainct.runtime.device import Compute, choose_compute
from explainct.runtime.files import write_parquet
from explainct.scoring.metrics.calibrated_risk import check_logits
from explainct.scoring.metrics.distinctiveness import distinctiveness
from explainct.seeds import derived_seed, numpy_generator

log = logging.getLogger(__name__)

PARTS = ("validation", "test")
PUBLISHED_EDGE = 320
"""Rows and columns of the images in INFORMER, by which its blur of 10 and its shift of 8 pixels are scaled."""


def _pixels(images: torch.Tensor, published: int) -> int:
    """Return a published number of pixels at the size of these images, at least 1."""
    return max(1, round(published * images.shape[-1] / PUBLISHED_EDGE))


TRANSFORMS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "rotate": lambda images: rotated(images, 45.0),
    "blur": lambda images: blurred(images, _pixels(images, 10)),
    "crop": lambda images: shifted(images, _pixels(images, 8)),
}
"""Changes of images [B, 1, D, H, W] at test time (INFORMER, section 3): turned by up to 45 degrees, means over 10 x 10
pixels, and a crop after padding by 8 pixels. Torch's current random numbers decide."""


def score_monitored(
    *,
    labels_file: Path,
    images_file: Path,
    model_files: Sequence[Path],
    scores_file: Path,
    maps: Sequence[str],
    passes: int,
    transforms: Sequence[str],
    batch_size: int,
    window: tuple[float, float],
    seed: int,
    device: str,
    threads: int,
) -> None:
    """Score the validation and test nodules of each fold with the fold's classifier.

    Args:
        labels_file: the table of `explainct.informer.labels.label_nodules`.
        images_file: the HDF5 file of the nodules' images.
        model_files: the classifiers, one a fold in their order.
        scores_file: table to write, a row per fold, part, nodule and attribute: `fold`, `part`, `lesion_id`,
            `patient_id`, `attribute`, `label`, `logit`, `tta_deviation` (of the logits), `tta_entropy` (of the mean
            probability, in bits), `random`, and `d_{map}` for each of `maps`.
        maps: names of class maps.
        passes: passes of test-time augmentation, at least 2.
        transforms: names of its changes.
        batch_size: images at a time.
        window: HU that become 0 and 1.
        seed: seed of test-time augmentation and random scores.
        device: `auto`, `cpu` or `cuda`.
        threads: threads of the CPU.

    Raises:
        UserError: logits are not finite, or a map cannot be made of the network.
    """
    table, compute = pd.read_parquet(labels_file), choose_compute(device, threads)
    tables = []
    for fold, model_file in enumerate(model_files):
        network = load_classifier(model_file, compute)
        parts = rotating_fold(table["group"].to_numpy(), fold)
        for part in PARTS:
            chosen = table.iloc[getattr(parts, part)]
            images = read_images(images_file, chosen["row"].to_numpy(), window)
            torch.manual_seed(derived_seed(seed, "test-time augmentation", fold, part))
            values = score_images(
                network, images, maps=maps, passes=passes, transforms=transforms, batch_size=batch_size, compute=compute
            )
            values["random"] = numpy_generator(seed, "random score", fold, part).random(values["logit"].shape)
            tables.append(_long(chosen, values).assign(fold=fold, part=part))
        log.info("fold %d of %d scored", fold + 1, len(model_files))
    write_parquet(pd.concat(tables, ignore_index=True), scores_file)


def score_images(
    network: Classifier,
    images: np.ndarray,
    *,
    maps: Sequence[str],
    passes: int,
    transforms: Sequence[str],
    batch_size: int,
    compute: Compute,
) -> dict[str, np.ndarray]:
    """Return all scores of images by name, each [N, K]: see `score_monitored`.

    Args:
        network: the classifier, in evaluation mode.
        images: float32 [N, 1, D, H, W] in [0, 1].
        maps: names of class maps.
        passes: passes of test-time augmentation.
        transforms: names of its changes.
        batch_size: images at a time.
        compute: where and how to compute.

    Raises:
        UserError: logits are not finite, there is no such transform, or a map cannot be made of the network.
    """
    logits = predict_logits(network, images, batch_size=batch_size, compute=compute)
    check_logits(logits)
    values = {"logit": logits}
    values |= augmented_scores(
        network, images, passes=passes, transforms=transforms, batch_size=batch_size, compute=compute
    )
    for name in maps:
        make = map_maker(name, network)
        batches = torch.from_numpy(images).split(batch_size)
        found = [distinctiveness(make(batch.to(compute.device))).cpu() for batch in batches]
        values[f"d_{name}"] = torch.cat(found).numpy()
    return values


@torch.inference_mode()
def augmented_scores(
    network: Classifier,
    images: np.ndarray,
    *,
    passes: int,
    transforms: Sequence[str],
    batch_size: int,
    compute: Compute,
) -> dict[str, np.ndarray]:
    """Return `tta_deviation` and `tta_entropy` [N, K] of images: see `score_monitored`; arguments as `score_images`."""
    unknown = [name for name in transforms if name not in TRANSFORMS]
    if unknown:
        raise UserError(
            f"Setting `monitoring.tta_transforms` names {', '.join(unknown)}, but transforms are "
            f"{', '.join(TRANSFORMS)}. Choose some."
        )
    deviations, entropies = [], []
    for batch in torch.from_numpy(images).split(batch_size):
        batch = batch.to(compute.device)
        logits = []
        for _ in range(passes):
            changed = batch
            for name in transforms:
                changed = TRANSFORMS[name](changed)
            with compute.autocast():
                logits.append(network(changed)[0].float().cpu())
        stacked = torch.stack(logits).double()  # [P, B, K]
        deviations.append(stacked.std(0))
        entropies.append(entropy(stacked.sigmoid().mean(0).numpy()))
    return {"tta_deviation": torch.cat(deviations).numpy(), "tta_entropy": np.concatenate(entropies)}


def _long(nodules: pd.DataFrame, values: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Return scores [N, K] by name as a table with a row per nodule and attribute."""
    names = list(ATTRIBUTES)
    table = nodules[["lesion_id", "patient_id"]].loc[nodules.index.repeat(len(names))].reset_index(drop=True)
    table["attribute"] = names * len(nodules)
    table["label"] = nodules[names].to_numpy().ravel()
    return table.assign(**{name: array.ravel() for name, array in values.items()})
