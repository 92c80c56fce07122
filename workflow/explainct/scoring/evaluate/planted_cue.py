"""Predictions while a planted cue is aligned with the label, absent, or reversed: right for the right reason?"""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from explainct.data.samples.planted_cue import MODES, cue_share
from explainct.data.samples.reader import SampleReader
from explainct.data.samples.tasks import Task, find_task
from explainct.errors import UserError
from explainct.learning.explain.postprocess import postprocess
from explainct.learning.networks.classifier import load_classifiers
from explainct.learning.networks.registry import Classifier
from explainct.runtime.device import Compute, choose_compute
from explainct.runtime.files import write_parquet
from explainct.scoring.evaluate.predict import predict_and_map, read_batches
from explainct.scoring.evaluate.score import seen_grid

log = logging.getLogger(__name__)


def predict_cued(
    *,
    lesions_file: Path,
    slices_file: Path,
    samples_file: Path,
    crops_file: Path,
    model_files: Sequence[Path],
    cued_file: Path,
    task: str,
    batch_size: int,
    reading: dict[str, Any],
    device: str,
    threads: int,
) -> None:
    """Predict every test sample with the cue aligned, absent and reversed, by the classifier of each seed.

    Args:
        lesions_file: the table `annotate/lesions.parquet`.
        slices_file: the file `annotate/slices.h5`.
        samples_file: the table `samples/samples.parquet`.
        crops_file: list of the files of crops.
        model_files: trained classifiers, `.../seed{seed}/model.pt`.
        cued_file: table to write, see `predict_in_modes`.
        task: name of the task.
        batch_size: images of a forward pass.
        reading: the settings `samples` that images depend on.
        device: `auto`, `cpu` or `cuda`.
        threads: threads of the CPU.

    Raises:
        UserError: the test split is empty.
    """
    compute = choose_compute(device, threads)
    files = {"lesions_file": lesions_file, "slices_file": slices_file, "crops_file": crops_file}
    table = predict_in_modes(
        samples=pd.read_parquet(samples_file),
        store_of=partial(_reader, files, reading),
        networks=load_classifiers(model_files, compute),
        task=find_task(task),
        batch_size=batch_size,
        compute=compute,
    )
    write_parquet(table, cued_file)


def _reader(files: Mapping[str, Path], reading: dict[str, Any], mode: str) -> SampleReader:
    return SampleReader.from_files(**files, reading=reading, cue_mode=mode)


def predict_in_modes(
    *,
    samples: pd.DataFrame,
    store_of: Callable[[str], SampleReader],
    networks: Mapping[int, Classifier],
    task: Task,
    batch_size: int,
    compute: Compute,
) -> pd.DataFrame:
    """Return the predictions of every test sample with the cue aligned, absent and reversed, for each seed.

    Args:
        samples: rows of `samples.parquet`; only those of the test split are used.
        store_of: gives the images of samples with the cue in a mode.
        networks: trained classifiers by seed.
        task: what they predict.
        batch_size: images of a forward pass.
        compute: where and how to compute.

    Returns:
        One row per mode, seed and test sample: true class, probabilities, predicted class, and for lesions `cue_share`,
        the share of the predicted class's map that lies on the mark, and `cue_area`, the mark's share of what the
        method sees; both NaN where the cue is absent.

    Raises:
        UserError: the test split is empty.
    """
    test = samples[samples["split"] == "test"].sort_values("sample_id", ignore_index=True)
    if test.empty:
        raise UserError("The test split has no sample to predict. Lower `samples.train`.")
    tables = []
    for mode in MODES:
        store = store_of(mode)
        for batch, images in read_batches(test, store, batch_size, compute):
            lesions = batch[task.is_explained(batch)]
            for seed, network in networks.items():
                table, maps = predict_and_map(network, batch, images, task, compute)
                table = table.assign(mode=mode, seed=seed, cue_share=np.nan, cue_area=np.nan)
                if mode != "absent" and not lesions.empty:
                    shares = _on_cue(maps[0], store.cue_mask(lesions), network.settings["dims"])
                    table.loc[lesions.index, ["cue_share", "cue_area"]] = shares
                tables.append(table)
        log.info("cue %s: %d samples, %d seeds", mode, len(test), len(networks))
    columns = ["mode", "seed", "sample_id", "label", *task.probability_columns, "predicted", "cue_share", "cue_area"]
    return pd.concat(tables)[columns].sort_values(["mode", "seed", "sample_id"], ignore_index=True)


def _on_cue(raw: np.ndarray, mask: np.ndarray, dims: int) -> np.ndarray:
    """Return the share of maps [L, d, h, w] on the mark, and the mark's share of what is seen [L, 2]."""
    grid, planes = seen_grid(mask.shape[1:], dims)
    seen = mask[:, planes]
    maps = postprocess(torch.as_tensor(raw), grid, preset="due").numpy()
    return np.stack([cue_share(maps, seen), seen.mean((1, 2, 3))], axis=1)
