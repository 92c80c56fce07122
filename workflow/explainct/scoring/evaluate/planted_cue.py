"""Predictions while a planted cue is aligned with the label, absent, or reversed: right for the right reason?"""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from explainct.data.samples.planted_cue import MODES, cue_share
from explainct.data.samples.reader import SampleReader
from explainct.errors import UserError
from explainct.learning.explain.postprocess import postprocess
from explainct.learning.networks.resnet import load_classifier
from explainct.runtime.device import Compute
from explainct.runtime.files import write_parquet
from explainct.scoring.evaluate.predict import LESION, predict_and_map, read_batches
from explainct.scoring.evaluate.score import seen_grid

log = logging.getLogger(__name__)


def predict_cued(
    *,
    samples: pd.DataFrame,
    store_of: Callable[[str], SampleReader],
    model_files: Mapping[int, Path],
    settings: Mapping[str, Any],
    compute: Compute,
    out: Path,
) -> None:
    """Predict every test sample with the cue aligned, absent and reversed, by the classifier of each seed.

    Args:
        samples: rows of `samples.parquet`; only those of the test split are used.
        store_of: gives the images of samples with the cue in a mode.
        model_files: trained classifiers by seed.
        settings: the settings `train`, of which `batch_size` is used.
        compute: where and how to compute.
        out: table to write, one row per mode, seed and test sample: label, probability of class 1, predicted class,
            and for lesions `cue_share`, the share of the predicted class's map that lies on the mark, and `cue_area`,
            the mark's share of what the method sees; both NaN where the cue is absent.

    Raises:
        UserError: the test split is empty.
    """
    test = samples[samples["split"] == "test"].sort_values("sample_id", ignore_index=True)
    if test.empty:
        raise UserError("The test split has no sample to predict. Lower `samples.train`.")
    models = {seed: load_classifier(path, compute) for seed, path in sorted(model_files.items())}
    tables = []
    for mode in MODES:
        store = store_of(mode)
        for batch, images, is_lesion in read_batches(test, store, settings["batch_size"], compute):
            for seed, model in models.items():
                probability, predicted, maps = predict_and_map(model, images, is_lesion, compute)
                table = batch[["sample_id", "label"]].assign(
                    mode=mode,
                    seed=seed,
                    probability=probability,
                    predicted=predicted,
                    cue_share=np.nan,
                    cue_area=np.nan,
                )
                if mode != "absent" and is_lesion.any():
                    lesions = batch[batch["label"] == LESION]
                    shares = _on_cue(maps[0], store.cue_mask(lesions), model.settings["dims"])
                    table.loc[lesions.index, ["cue_share", "cue_area"]] = shares
                tables.append(table)
        log.info("cue %s: %d samples, %d seeds", mode, len(test), len(models))
    columns = ["mode", "seed", "sample_id", "label", "probability", "predicted", "cue_share", "cue_area"]
    table = pd.concat(tables)[columns]
    write_parquet(table.sort_values(["mode", "seed", "sample_id"], ignore_index=True), out)


def _on_cue(raw: np.ndarray, mask: np.ndarray, dims: int) -> np.ndarray:
    """Return the share of maps [L, d, h, w] on the mark, and the mark's share of what is seen [L, 2]."""
    grid, planes = seen_grid(mask.shape[1:], dims)
    seen = mask[:, planes]
    maps = postprocess(torch.as_tensor(raw), grid, preset="due").numpy()
    return np.stack([cue_share(maps, seen), seen.mean((1, 2, 3))], axis=1)
