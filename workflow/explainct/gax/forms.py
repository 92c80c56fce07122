"""Forms of GAX on a few samples of one classifier, with the curves of Figure 4 and the maps of single steps."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import torch

from explainct.data.samples.reader import SampleReader
from explainct.data.samples.tasks import Task, find_task
from explainct.errors import UserError
from explainct.gax.evidence import evidence
from explainct.gax.generate import Generated
from explainct.gax.heatmaps import generate_for, heatmap_table
from explainct.gax.samples import read_seen
from explainct.gax.targets import class_targets, scored_samples
from explainct.learning.networks.classifier import load_classifier
from explainct.runtime.device import choose_compute
from explainct.runtime.files import write_parquet
from explainct.runtime.hdf5 import writing_hdf5

log = logging.getLogger(__name__)


def compare_forms(
    *,
    lesions_file: Path,
    slices_file: Path,
    samples_file: Path,
    crops_file: Path,
    model_file: Path,
    scores_file: Path,
    forms_file: Path,
    curves_file: Path,
    maps_file: Path,
    task: str,
    forms: Sequence[str],
    compared: int,
    shown: int,
    keep: Sequence[int],
    iterations: int,
    target: float,
    target_score: float | None,
    batch_size: int,
    reading: dict[str, Any],
    device: str,
    threads: int,
) -> None:
    """Run forms of GAX on some correctly predicted test samples of each class.

    Args:
        lesions_file: the table `annotate/lesions.parquet`.
        slices_file: the file `annotate/slices.h5`.
        samples_file: the table `samples/samples.parquet`.
        crops_file: list of the files of crops.
        model_file: the trained classifier.
        scores_file: the table of `explainct.gax.heatmap_scores.score_heatmaps`.
        forms_file: table to write, a row per form and sample: that of `explainct.gax.heatmaps.heatmap_table` and
            `explainct.gax.evidence.evidence`, with `form`.
        curves_file: table to write: form, sample_id, label, iteration and score, up to the last step of each sample.
        maps_file: HDF5 file to write, a group per shown sample: `image` [D, H, W] in [0, 1], and a group per form with
            `iteration` [T], `score` [T] and `map` float32 [T, D, H, W]; attributes `class` (its name), `target`.
        task: name of the task.
        forms: names of forms, see `explainct.gax.generate.FORMS`.
        compared: samples of each class, spread evenly over their ids.
        shown: samples of each class whose maps are kept.
        keep: numbers of steps after which their maps are kept, beside the last map.
        iterations: most steps.
        target: quantile of the AX scores of correct validation predictions that is the target of a class, in (0, 1).
        target_score: the target of all classes in place of the quantile; None for none.
        batch_size: images at a time.
        reading: the settings `samples` that images depend on.
        device: `auto`, `cpu` or `cuda`.
        threads: threads of the CPU.

    Raises:
        UserError: no validation sample, or no test sample, is predicted correctly.
    """
    compute = choose_compute(device, threads)
    store = SampleReader.from_files(
        lesions_file=lesions_file, slices_file=slices_file, crops_file=crops_file, reading=reading
    )
    network, of_task, scores = load_classifier(model_file, compute), find_task(task), pd.read_parquet(scores_file)
    samples = _spread(scored_samples(scores, pd.read_parquet(samples_file)), of_task, compared)
    if samples.empty:
        raise UserError(
            f"None of the test samples in {scores_file} is predicted correctly, so no form of GAX can be shown. "
            "Train the classifier longer."
        )
    pictured = set(_spread(samples, of_task, shown)["sample_id"])
    targets = class_targets(scores, of_task, target, target_score)
    tables, curves = [], []
    with writing_hdf5(maps_file) as file:
        for start in range(0, len(samples), batch_size):
            batch = samples.iloc[start : start + batch_size]
            images = read_seen(store, batch, network.settings["dims"], compute)
            for form in forms:
                found = generate_for(network, batch, images, of_task, targets, form, iterations, tuple(keep))
                table = heatmap_table(batch, found, of_task, targets)
                table = table.join(evidence(network, batch, images, found, of_task, store, compute))
                tables.append(table.assign(form=form))
                curves.append(_curves(table, found).assign(form=form))
                _write_maps(file, form, table, images, found, pictured, of_task)
            log.info("%d of %d samples, %d forms", min(start + batch_size, len(samples)), len(samples), len(forms))
    write_parquet(pd.concat(tables, ignore_index=True), forms_file)
    write_parquet(pd.concat(curves, ignore_index=True), curves_file)


def _spread(samples: pd.DataFrame, task: Task, count: int) -> pd.DataFrame:
    """Return up to `count` correctly predicted samples of each class, spread evenly over their ids."""
    right = samples[samples["correct"]]
    parts = []
    for number in range(task.outputs):
        of_class = right[task.classes(right) == number]
        places = np.linspace(0, len(of_class) - 1, min(count, len(of_class))).round().astype(int)
        parts.append(of_class.iloc[places])
    return pd.concat(parts).sort_values("sample_id", ignore_index=True)


def _curves(table: pd.DataFrame, found: Generated) -> pd.DataFrame:
    """Return the score of each sample before each step, up to its last one."""
    parts = []
    for row, curve in zip(table.itertuples(), found.curves.numpy(), strict=True):
        scores = curve[: row.iterations + 1]
        parts.append(
            pd.DataFrame(
                {"sample_id": row.sample_id, "label": row.label, "iteration": np.arange(len(scores)), "score": scores}
            )
        )
    return pd.concat(parts, ignore_index=True)


def _write_maps(
    file: h5py.File,
    form: str,
    table: pd.DataFrame,
    images: torch.Tensor,
    found: Generated,
    shown: set[str],
    task: Task,
) -> None:
    """Write the kept maps of shown samples, the one that reached the target or the last one included."""
    for number, row in enumerate(table.itertuples()):
        if row.sample_id not in shown:
            continue
        group = file.require_group(row.sample_id)
        group.attrs.update({"class": task.labels[row.label], "target": row.target})
        if "image" not in group:
            group.create_dataset("image", data=images[number, 0].cpu().numpy(), compression="gzip")
        maps = found.kept[number] | {row.iterations: found.maps[number]}
        steps = sorted(maps)
        part = group.create_group(form)
        part["iteration"] = steps
        part["score"] = found.curves[number, steps].numpy()
        data = np.stack([maps[step][0].cpu().numpy() for step in steps])
        part.create_dataset("map", data=data.astype(np.float32), compression="gzip")
