"""Predictions of the test samples and explanations of the test lesions, by the classifiers of all seeds."""

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from explainct.data.samples.reader import SampleReader
from explainct.errors import UserError
from explainct.learning.explain.cam import class_activation_maps
from explainct.learning.networks.resnet import load_classifier
from explainct.runtime.device import Compute
from explainct.runtime.files import write_parquet
from explainct.scoring.evaluate.explanation_file import EXPLAINED_CLASSES, write_explanations

log = logging.getLogger(__name__)

LESION = 1


def explain_classifier(
    *,
    samples: pd.DataFrame,
    store: SampleReader,
    model_files: Mapping[int, Path],
    settings: Mapping[str, Any],
    compute: Compute,
    predictions_file: Path,
    explanations_file: Path,
) -> None:
    """Predict every test sample and map every test lesion with the classifier of each seed.

    Images are read once, a batch at a time, and shown to all classifiers; maps are kept before any post-processing.

    Args:
        samples: rows of `samples.parquet`; only those of the test split are used.
        store: gives the images [N, D, H, W] in [0, 1] of samples.
        model_files: trained classifiers by seed.
        settings: training settings, of which `batch_size` is used.
        compute: device and number formats.
        predictions_file: table to write, one row per seed and test sample, with the probability of class 1.
        explanations_file: HDF5 file to write, with maps [N, d, h, w] of the predicted and of the true class.

    Raises:
        UserError: the test split has no lesion.
    """
    test = samples[samples["split"] == "test"].sort_values("sample_id", ignore_index=True)
    lesions = test.loc[test["label"] == LESION, "sample_id"].tolist()
    if not lesions:
        raise UserError(f"The test split has {len(test)} samples and no lesion to explain. Lower `samples.train`.")
    models = {seed: load_classifier(path, compute) for seed, path in sorted(model_files.items())}
    log.info("test: %d samples, %d lesions, %d seeds", len(test), len(lesions), len(models))
    predictions: dict[int, list[pd.DataFrame]] = {seed: [] for seed in models}
    maps: dict[int, list[np.ndarray]] = {seed: [] for seed in models}
    for batch, images, is_lesion in read_batches(test, store, settings["batch_size"], compute):
        for seed, model in models.items():
            probability, predicted, batch_maps = predict_and_map(model, images, is_lesion, compute)
            table = batch[["sample_id", "label"]].assign(seed=seed, probability=probability, predicted=predicted)
            predictions[seed].append(table)
            maps[seed].append(batch_maps)
    table = pd.concat([part for parts in predictions.values() for part in parts])
    write_parquet(table[["seed", "sample_id", "label", "probability", "predicted"]], predictions_file)
    joined = {
        seed: dict(zip(EXPLAINED_CLASSES, np.concatenate(parts, axis=1), strict=True)) for seed, parts in maps.items()
    }
    write_explanations(explanations_file, lesions, joined)


def read_batches(
    samples: pd.DataFrame, store: SampleReader, size: int, compute: Compute
) -> Iterator[tuple[pd.DataFrame, torch.Tensor, torch.Tensor]]:
    """Yield rows of samples with their images [B, 1, D, H, W] and which are lesions [B], both on the device.

    Args:
        samples: rows of `samples.parquet`, in the order in which they are read.
        store: gives the images [N, D, H, W] in [0, 1] of samples.
        size: samples of a batch B; the last one may be smaller.
        compute: device and number formats.
    """
    for start in range(0, len(samples), size):
        batch = samples.iloc[start : start + size]
        images = torch.as_tensor(store.images(batch))[:, None]
        is_lesion = torch.as_tensor(batch["label"].to_numpy() == LESION, device=compute.device)
        yield batch, images.to(compute.device, memory_format=compute.memory_format), is_lesion


@torch.inference_mode()
def predict_and_map(
    model: nn.Module, images: torch.Tensor, is_lesion: torch.Tensor, compute: Compute
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Classify one batch and map its lesions in one forward pass.

    Args:
        model: classifier in evaluation mode, which returns logits [B, 2] and features [B, C, d, h, w].
        images: inputs [B, 1, D, H, W] in [0, 1] on the device.
        is_lesion: which samples to map [B].
        compute: device and number formats.

    Returns:
        The probability of class 1 [B], the predicted classes [B], and the raw maps [2, L, d, h, w] of the L lesions
        for the predicted class and for the true one.
    """
    with compute.autocast():
        logits, features = model(images)
    predicted = logits.argmax(dim=1)
    features, weight = features.float(), model.head.weight.float()
    explained = (predicted, torch.full_like(predicted, LESION))
    maps = torch.stack([class_activation_maps(features, weight, classes)[is_lesion] for classes in explained])
    probability = logits.float().softmax(dim=1)[:, LESION]
    return probability.cpu().numpy(), predicted.cpu().numpy(), maps.cpu().numpy()
