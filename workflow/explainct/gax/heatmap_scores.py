"""What a classifier's maps do to its own logits: CO scores of all maps and augmentations, with their controls."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn

from explainct.data.samples.reader import SampleReader
from explainct.data.samples.tasks import Task, find_task
from explainct.gax.augment import augmented, shuffled, sign_direction
from explainct.gax.co_score import co_score, raw_logits
from explainct.gax.names import ADD, ADVERSARIAL, MULTIPLY, TARGET_MAP, step_name
from explainct.gax.samples import choose_samples, laid_out, read_seen
from explainct.learning.explain.signed_maps import signed_map
from explainct.learning.networks.classifier import load_classifier
from explainct.runtime.device import Compute, choose_compute
from explainct.runtime.files import write_parquet
from explainct.seeds import torch_generator

log = logging.getLogger(__name__)


def score_heatmaps(
    *,
    lesions_file: Path,
    slices_file: Path,
    samples_file: Path,
    crops_file: Path,
    model_file: Path,
    scores_file: Path,
    method: str,
    seed: int,
    task: str,
    maps: Sequence[str],
    steps: Sequence[float],
    neighbours: int,
    study_seed: int,
    batch_size: int,
    reading: dict[str, Any],
    device: str,
    threads: int,
) -> None:
    """Write the CO scores of the test samples by every map, and of the validation samples by the map that sets targets.

    Args:
        lesions_file: the table `annotate/lesions.parquet`.
        slices_file: the file `annotate/slices.h5`.
        samples_file: the table `samples/samples.parquet`.
        crops_file: list of the files of crops.
        model_file: the trained classifier.
        scores_file: table to write, see `score_samples`, with `method`, `seed` and `split`.
        method: name of the classifier's method.
        seed: seed of the classifier.
        task: name of the task.
        maps: names of maps, see `explainct.learning.explain.signed_maps.signed_map`.
        steps: root mean squares of fixed steps, as shares of the range of the image.
        neighbours: samples without a lesion for each lesion, at most.
        study_seed: seed of the choice of samples and of shuffled maps.
        batch_size: images at a time.
        reading: the settings `samples` that images depend on.
        device: `auto`, `cpu` or `cuda`.
        threads: threads of the CPU.

    Raises:
        UserError: a split has no lesion, or there is no such map.
    """
    compute = choose_compute(device, threads)
    store = SampleReader.from_files(
        lesions_file=lesions_file, slices_file=slices_file, crops_file=crops_file, reading=reading
    )
    network, of_task, samples = load_classifier(model_file, compute), find_task(task), pd.read_parquet(samples_file)
    plans = {
        "validation": ([TARGET_MAP], [step_name(steps[0])]),
        "test": ([*maps, ADVERSARIAL], [ADD, MULTIPLY, *map(step_name, steps)]),
    }
    tables = []
    for split, (names, augmentations) in plans.items():
        chosen = choose_samples(samples, of_task, split=split, neighbours=neighbours, seed=study_seed)
        table = score_samples(
            network,
            chosen,
            store,
            task=of_task,
            maps=names,
            augmentations=augmentations,
            seed=study_seed,
            batch_size=batch_size,
            compute=compute,
        )
        tables.append(table.assign(split=split, method=method, seed=seed))
        log.info("%s: %d samples, %d maps, %d augmentations", split, len(chosen), len(names), len(augmentations))
    write_parquet(pd.concat(tables, ignore_index=True), scores_file)


def score_samples(
    network: nn.Module,
    samples: pd.DataFrame,
    store: SampleReader,
    *,
    task: Task,
    maps: Sequence[str],
    augmentations: Sequence[str],
    seed: int,
    batch_size: int,
    compute: Compute,
) -> pd.DataFrame:
    """Return the CO scores of samples, a row per sample, map and augmentation.

    Args:
        network: the classifier, in evaluation mode.
        samples: rows of `samples.parquet`.
        store: gives their images.
        task: what is predicted.
        maps: names of maps, `adversarial` among them for the control.
        augmentations: see `explainct.gax.augment.augmented`.
        seed: seed of shuffled maps.
        batch_size: images at a time.
        compute: where to compute.

    Returns:
        Columns sample_id, patient_id, label, predicted, correct, margin (of the two largest softmax probabilities),
        map, augmentation, co_true and co_predicted (score for the true and for the predicted class), shuffled_true and
        shuffled_predicted (the same of the shuffled map).

    Raises:
        UserError: there is no such map.
    """
    makers = {name: signed_map(name, network) for name in maps if name != ADVERSARIAL}
    dims, tables = network.settings["dims"], []
    for start in range(0, len(samples), batch_size):
        batch = samples.iloc[start : start + batch_size]
        images = read_seen(store, batch, dims, compute)
        table, before, true, predicted = _predictions(network, batch, images, task)
        for name in maps:
            h = makers[name](images, predicted) if name in makers else sign_direction(network, images, predicted)
            random = [torch_generator(seed, "shuffled map", sample, name) for sample in batch["sample_id"]]
            controls = {"co": h, "shuffled": shuffled(h, random)}
            for augmentation in augmentations:
                columns = {}
                for control, values in controls.items():
                    after = _logits(network, laid_out(augmented(images, values, augmentation), dims, compute))
                    for word, classes in (("true", true), ("predicted", predicted)):
                        columns[f"{control}_{word}"] = co_score(before, after, classes).cpu().numpy()
                tables.append(table.assign(map=name, augmentation=augmentation, **columns))
    return pd.concat(tables, ignore_index=True)


@torch.no_grad()
def _logits(network: nn.Module, images: torch.Tensor) -> torch.Tensor:
    return raw_logits(network, images)


def _predictions(
    network: nn.Module, samples: pd.DataFrame, images: torch.Tensor, task: Task
) -> tuple[pd.DataFrame, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return what a classifier says of samples as a table, its logits [B, K], and true and predicted classes [B]."""
    before = _logits(network, images)
    true, predicted = torch.from_numpy(task.classes(samples)).to(before.device), task.decision(before)
    first, second = task.activation(before.double()).topk(2, dim=1).values.T
    table = samples[["sample_id", "patient_id"]].assign(
        label=true.cpu().numpy(), predicted=predicted.cpu().numpy(), margin=(first - second).cpu().numpy()
    )
    return table.assign(correct=table["label"] == table["predicted"]), before, true, predicted
