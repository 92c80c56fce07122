"""GAX maps of the study's test samples: how many steps they take, and where they lie beside other maps."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from explainct.data.samples.reader import SampleReader
from explainct.data.samples.tasks import Task, find_task
from explainct.gax.evidence import evidence
from explainct.gax.generate import FORMS, Generated, generate
from explainct.gax.samples import read_seen
from explainct.gax.targets import class_targets, scored_samples
from explainct.learning.networks.classifier import load_classifier
from explainct.runtime.device import choose_compute
from explainct.runtime.files import write_parquet

log = logging.getLogger(__name__)


def generate_heatmaps(
    *,
    lesions_file: Path,
    slices_file: Path,
    samples_file: Path,
    crops_file: Path,
    model_file: Path,
    scores_file: Path,
    heatmaps_file: Path,
    method: str,
    seed: int,
    task: str,
    form: str,
    iterations: int,
    target: float,
    target_score: float | None,
    batch_size: int,
    reading: dict[str, Any],
    device: str,
    threads: int,
) -> None:
    """Generate a GAX map of each scored test sample that is predicted correctly, and of each test lesion.

    Args:
        lesions_file: the table `annotate/lesions.parquet`.
        slices_file: the file `annotate/slices.h5`.
        samples_file: the table `samples/samples.parquet`.
        crops_file: list of the files of crops.
        model_file: the trained classifier.
        scores_file: the table of `explainct.gax.heatmap_scores.score_heatmaps`.
        heatmaps_file: table to write, a row per sample, see `heatmap_table` and `explainct.gax.evidence.evidence`, with
            `form`, `method` and `seed`.
        method: name of the classifier's method.
        seed: seed of the classifier.
        task: name of the task.
        form: name of the form of GAX, see `explainct.gax.generate.FORMS`.
        iterations: most steps.
        target: quantile of the AX scores of correct validation predictions that is the target of a class, in (0, 1).
        target_score: the target of all classes in place of the quantile; None for none.
        batch_size: images at a time.
        reading: the settings `samples` that images depend on.
        device: `auto`, `cpu` or `cuda`.
        threads: threads of the CPU.

    Raises:
        UserError: no validation sample is predicted correctly.
    """
    compute = choose_compute(device, threads)
    store = SampleReader.from_files(
        lesions_file=lesions_file, slices_file=slices_file, crops_file=crops_file, reading=reading
    )
    network, of_task, scores = load_classifier(model_file, compute), find_task(task), pd.read_parquet(scores_file)
    samples = scored_samples(scores, pd.read_parquet(samples_file))
    samples = samples[samples["correct"] | of_task.is_explained(samples)].reset_index(drop=True)
    targets = class_targets(scores, of_task, target, target_score)
    tables = []
    for start in range(0, len(samples), batch_size):
        batch = samples.iloc[start : start + batch_size]
        images = read_seen(store, batch, network.settings["dims"], compute)
        found = generate_for(network, batch, images, of_task, targets, form, iterations)
        table = heatmap_table(batch, found, of_task, targets)
        tables.append(table.join(evidence(network, batch, images, found, of_task, store, compute)))
    table = pd.concat(tables, ignore_index=True).assign(form=form, method=method, seed=seed)
    write_parquet(table, heatmaps_file)
    right = table[table["correct"]]
    log.info("%d of %d correct predictions reached their target", right["reached"].sum(), len(right))


def generate_for(
    network: nn.Module,
    samples: pd.DataFrame,
    images: torch.Tensor,
    task: Task,
    targets: pd.DataFrame,
    form: str,
    iterations: int,
    keep: tuple[int, ...] = (),
) -> Generated:
    """Return the GAX maps of samples for their true class.

    Args:
        network: the classifier, in evaluation mode.
        samples: rows of `samples.parquet`.
        images: what the network sees of them [N, 1, D, H, W].
        task: says the true classes.
        targets: the target of each class, see `explainct.gax.targets.class_targets`.
        form: name of the form of GAX.
        iterations: most steps.
        keep: numbers of steps after which maps are kept.
    """
    classes = task.classes(samples)
    return generate(
        network,
        images,
        torch.from_numpy(classes).to(images.device),
        torch.tensor(targets.loc[classes, "target"].to_numpy(np.float32), device=images.device),
        FORMS[form],
        iterations=iterations,
        keep=keep,
    )


def heatmap_table(samples: pd.DataFrame, found: Generated, task: Task, targets: pd.DataFrame) -> pd.DataFrame:
    """Return what came of GAX, a row per sample.

    Returns:
        Columns sample_id, patient_id, label, correct, target, start (score of the first map), score, iterations,
        reached, and rms, the root mean square of the change of the image that was scored, as a share of its range.
    """
    rms = found.maps.flatten(1).square().mean(1).sqrt()
    classes = task.classes(samples)
    return samples[["sample_id", "patient_id", "correct"]].assign(
        label=classes,
        target=targets.loc[classes, "target"].to_numpy(),
        start=found.curves[:, 0].numpy(),
        score=found.scores.cpu().numpy(),
        iterations=found.iterations.numpy(),
        reached=found.reached.numpy(),
        rms=rms.cpu().numpy(),
    )
