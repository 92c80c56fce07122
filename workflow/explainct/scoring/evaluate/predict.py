"""Predictions of validation and test samples, and explanations of the test lesions, by the classifiers of all seeds."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from explainct.data.samples.reader import SampleReader
from explainct.data.samples.tasks import Task, find_task
from explainct.errors import UserError
from explainct.learning.explain.cam import class_activation_maps
from explainct.learning.networks.classifier import load_classifiers
from explainct.learning.networks.registry import Classifier
from explainct.runtime.device import Compute, choose_compute
from explainct.runtime.files import write_parquet
from explainct.scoring.evaluate.explanation_file import EXPLAINED_CLASSES, write_explanations
from explainct.scoring.metrics.calibrated_risk import fit_alarm
from explainct.scoring.metrics.distinctiveness import distinctiveness

log = logging.getLogger(__name__)


def explain_classifier(
    *,
    lesions_file: Path,
    slices_file: Path,
    samples_file: Path,
    crops_file: Path,
    model_files: Sequence[Path],
    predictions_file: Path,
    validation_file: Path,
    explanations_file: Path,
    task: str,
    abstain: float,
    batch_size: int,
    reading: dict[str, Any],
    device: str,
    threads: int,
) -> None:
    """Predict every validation and test sample, and map every test lesion, with the classifier of each seed.

    Args:
        lesions_file: the table `annotate/lesions.parquet`.
        slices_file: the file `annotate/slices.h5`.
        samples_file: the table `samples/samples.parquet`.
        crops_file: list of the files of crops.
        model_files: trained classifiers, `.../seed{seed}/model.pt`.
        predictions_file: table to write, see `predict_and_explain`.
        validation_file: the same table of the validation samples, on which thresholds are chosen.
        explanations_file: HDF5 file to write, see `predict_and_explain`.
        task: name of the task.
        abstain: share of validation samples, those of the largest risk, that have an alarm, in (0, 1).
        batch_size: images of a forward pass.
        reading: the settings `samples` that images depend on.
        device: `auto`, `cpu` or `cuda`.
        threads: threads of the CPU.

    Raises:
        UserError: the test split has no lesion.
    """
    compute = choose_compute(device, threads)
    predict_and_explain(
        samples=pd.read_parquet(samples_file),
        store=SampleReader.from_files(
            lesions_file=lesions_file, slices_file=slices_file, crops_file=crops_file, reading=reading
        ),
        networks=load_classifiers(model_files, compute),
        task=find_task(task),
        abstain=abstain,
        batch_size=batch_size,
        compute=compute,
        predictions_file=predictions_file,
        validation_file=validation_file,
        explanations_file=explanations_file,
    )


def predict_and_explain(
    *,
    samples: pd.DataFrame,
    store: SampleReader,
    networks: Mapping[int, Classifier],
    task: Task,
    abstain: float,
    batch_size: int,
    compute: Compute,
    predictions_file: Path,
    validation_file: Path,
    explanations_file: Path,
) -> None:
    """Predict every validation and test sample, and map every test lesion, with the classifier of each seed.

    Args:
        samples: rows of `samples.parquet`; those of the training split are not used.
        store: gives the images [N, D, H, W] in [0, 1] of samples.
        networks: trained classifiers by seed.
        task: what they predict.
        abstain: share of validation samples, those of the largest risk, that have an alarm, in (0, 1).
        batch_size: images of a forward pass.
        compute: device and number formats.
        predictions_file: table to write, one row per seed and test sample: true class (`label`), `predicted` class,
            `probability` of class 1, or `probability_0`, `probability_1`, ... where there are more than two;
            `risk`, the calibrated probability that the predicted class is wrong, `alarm`, whether it is above that of
            the share 1 - `abstain` of the validation samples, and `distinctiveness` of the predicted class's map.
        validation_file: the same table of the validation samples.
        explanations_file: HDF5 file to write, with maps [N, d, h, w] of the predicted and of the true class.

    Raises:
        UserError: the test split has no lesion.
    """
    test = _split(samples, "test")
    lesions = test.loc[task.is_explained(test), "sample_id"].tolist()
    if not lesions:
        raise UserError(f"The test split has {len(test)} samples and no lesion to explain. Lower `samples.train`.")
    log.info("test: %d samples, %d lesions, %d seeds", len(test), len(lesions), len(networks))
    table, maps = _predict_all(test, store, networks, task, batch_size, compute)
    validation, _ = _predict_all(_split(samples, "validation"), store, networks, task, batch_size, compute)
    write_parquet(with_alarms(table, validation, task, abstain=abstain), predictions_file)
    write_explanations(
        explanations_file,
        lesions,
        {seed: dict(zip(EXPLAINED_CLASSES, of_seed, strict=True)) for seed, of_seed in maps.items()},
    )
    write_parquet(with_alarms(validation, validation, task, abstain=abstain), validation_file)


def with_alarms(predictions: pd.DataFrame, validation: pd.DataFrame, task: Task, *, abstain: float) -> pd.DataFrame:
    """Return predictions with `risk` and `alarm`, by an alarm that the validation predictions of each seed tune.

    Args:
        predictions: `seed`, probabilities and `predicted`.
        validation: the same of the validation samples, with `label`.
        task: names the probabilities.
        abstain: share of validation samples, those of the largest risk, that have an alarm, in (0, 1).

    Raises:
        UserError: a probability is not finite.
    """
    tuned = dict(iter(validation.groupby("seed")))
    tables = []
    for seed, rows in predictions.groupby("seed", sort=False):
        held = tuned[seed]
        alarm = fit_alarm(
            held[task.probability_columns].to_numpy(),
            held["label"].to_numpy(),
            held["predicted"].to_numpy(),
            abstain=abstain,
        )
        risk = alarm.risk(rows[task.probability_columns].to_numpy(), rows["predicted"].to_numpy())
        tables.append(rows.assign(risk=risk, alarm=alarm.alarms(risk)))
    return pd.concat(tables)


def _split(samples: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return the samples of a split by their ids."""
    return samples[samples["split"] == name].sort_values("sample_id", ignore_index=True)


def _predict_all(
    samples: pd.DataFrame,
    store: SampleReader,
    networks: Mapping[int, Classifier],
    task: Task,
    batch_size: int,
    compute: Compute,
) -> tuple[pd.DataFrame, dict[int, np.ndarray]]:
    """Predict samples with the classifier of each seed; images are read once, a batch at a time, and shown to all.

    Returns:
        The predictions, seed by seed, and by seed the raw maps [2, L, d, h, w] of the L lesions for the predicted class
        and for the true one.
    """
    predictions: dict[int, list[pd.DataFrame]] = {seed: [] for seed in networks}
    maps: dict[int, list[np.ndarray]] = {seed: [] for seed in networks}
    for batch, images in read_batches(samples, store, batch_size, compute):
        for seed, network in networks.items():
            table, batch_maps = predict_and_map(network, batch, images, task, compute)
            predictions[seed].append(table.assign(seed=seed))
            maps[seed].append(batch_maps)
    table = pd.concat([part for parts in predictions.values() for part in parts])
    return (
        table[["seed", "sample_id", "label", *task.probability_columns, "predicted", "distinctiveness"]],
        {seed: np.concatenate(parts, axis=1) for seed, parts in maps.items()},
    )


def read_batches(
    samples: pd.DataFrame, store: SampleReader, size: int, compute: Compute
) -> Iterator[tuple[pd.DataFrame, torch.Tensor]]:
    """Yield rows of samples with their images [B, 1, D, H, W] on the device.

    Args:
        samples: rows of `samples.parquet`, in the order in which they are read.
        store: gives the images [N, D, H, W] in [0, 1] of samples.
        size: samples of a batch B; the last one may be smaller.
        compute: device and number formats.
    """
    for start in range(0, len(samples), size):
        batch = samples.iloc[start : start + size]
        images = torch.as_tensor(store.images(batch))[:, None]
        yield batch, images.to(compute.device, memory_format=compute.memory_format)


@torch.inference_mode()
def predict_and_map(
    network: Classifier, samples: pd.DataFrame, images: torch.Tensor, task: Task, compute: Compute
) -> tuple[pd.DataFrame, np.ndarray]:
    """Classify one batch and map its lesions in one forward pass.

    Args:
        network: classifier in evaluation mode.
        samples: rows of `samples.parquet` [B].
        images: their images [B, 1, D, H, W] in [0, 1] on the device.
        task: what is predicted.
        compute: device and number formats.

    Returns:
        A table with `sample_id`, true class (`label`), probabilities, `predicted` class and the `distinctiveness` of
        its class activation map among those of all classes, one row per sample, and the raw maps [2, L, d, h, w] of the
        L lesions for the predicted class and for the true one.
    """
    with compute.autocast():
        logits, features = network(images)
    predicted = task.decision(logits)
    features, weight = features.float(), network.head.weight.float()
    true = torch.from_numpy(task.classes(samples)).to(predicted.device)
    is_lesion = torch.from_numpy(task.is_explained(samples)).to(predicted.device)
    maps = torch.stack([class_activation_maps(features, weight, classes)[is_lesion] for classes in (predicted, true)])
    distinct = distinctiveness(torch.einsum("bcdhw,kc->bkdhw", features, weight))  # [B, K]
    probabilities = task.activation(logits.float()).cpu().numpy()  # [B, K]
    shown = probabilities[:, 1:] if task.outputs == 2 else probabilities
    table = samples[["sample_id"]].assign(
        label=samples[task.column],
        **dict(zip(task.probability_columns, shown.T, strict=True)),
        predicted=predicted.cpu().numpy(),
        distinctiveness=distinct.gather(1, predicted[:, None])[:, 0].cpu().numpy(),
    )
    return table, maps.cpu().numpy()
