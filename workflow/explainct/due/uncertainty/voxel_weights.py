"""Write the voxel weights of lesions, once per annotated volume (DUE, section 4.3)."""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import torch

from explainct.data.samples.blocks import lesion_box
from explainct.data.samples.shown_lesions import choose_lesions
from explainct.due.interpolation.slice_patches import LesionPatches, grid_lines, load_patches
from explainct.due.uncertainty.fill_gaps import Filler, load_filler
from explainct.due.uncertainty.fill_grid import fill_lesion
from explainct.due.uncertainty.fill_slices import fill_slices
from explainct.due.uncertainty.grid_planes import lay_planes
from explainct.due.uncertainty.neural_process import UncertaintyPredictor
from explainct.due.uncertainty.published_arrays import mask_as_published, weights_at_published_times
from explainct.due.uncertainty.train import load_predictor
from explainct.runtime.device import choose_compute
from explainct.runtime.hdf5 import writing_hdf5
from explainct.seeds import torch_generator

log = logging.getLogger(__name__)

LOG_EVERY = 10
"""Lesions between two lines of the log."""

BROWSED = "browsed"
"""The part that holds the test lesions of the slice browser."""


def map_weights(
    *,
    lesions_file: Path,
    slices_file: Path,
    samples_file: Path,
    model_file: Path,
    predictor_file: Path,
    part: str,
    size: int,
    grid: Sequence[int],
    settings: dict[str, Any],
    seed: int,
    device: str,
    threads: int,
    out_file: Path,
    browse: int = 0,
) -> None:
    """Write annotation, interpolation, variance and weight of lesions on the network's grid.

    Args:
        lesions_file: `annotate/lesions.parquet`.
        slices_file: `annotate/slices.h5`.
        samples_file: `samples/samples.parquet`.
        model_file: the trained model that fills gaps, see `load_filler`.
        predictor_file: the trained uncertainty predictor, which the published method asks at times of its own.
        part: which lesions: the number of a shard for its training lesions, of which there may be none, or `browsed`
            for test lesions.
        size: largest edge of a patch in pixels.
        grid: D, H and W.
        settings: `mapping` of the section `uncertainty`, and what `load_filler` reads.
        seed: seed of all draws; each lesion has a stream of its own.
        device: where to compute, see `choose_compute`.
        threads: CPU threads.
        out_file: HDF5 file to write, as docs/architecture.md describes it.
        browse: number of test lesions in the part `browsed`.

    Raises:
        UserError: a lesion has no annotated slice.
    """
    compute, grid = choose_compute(device, threads), tuple(grid)
    table, samples = pd.read_parquet(lesions_file), pd.read_parquet(samples_file)
    ids = browsed_ids(samples, browse) if part == BROWSED else training_ids(samples, int(part))
    blocks = samples[samples["label"] == 1].set_index("lesion_id")
    lesions = table[table["lesion_id"].isin(ids)].sort_values("lesion_id")
    loaded = load_patches(lesions=lesions, slices_file=slices_file, size=size)
    patches = {lesion.lesion_id: lesion for lesion in loaded}
    filler = load_filler(model_file, settings, compute.device)
    predictor = load_predictor(predictor_file, compute.device)
    stream = partial(_stream, seed, compute.device)
    log.info("%d lesions", len(lesions))
    with writing_hdf5(out_file) as file, h5py.File(slices_file) as source:
        for done, (_, lesion) in enumerate(lesions.iterrows(), start=1):
            name = lesion.lesion_id
            arrays = {key: source[name][key][:] for key in ("consensus", "annotated", "z_mm")}
            place = {"lesion": lesion, "block": lesion_box(blocks.loc[name]), "grid": grid}
            content = _filled(
                arrays, place, patches[name], filler=filler, predictor=predictor, settings=settings, stream=stream
            )
            group = file.create_group(name)
            for key, values in content.items():
                group.create_dataset(key, data=values, compression="gzip")
            if done % LOG_EVERY == 0 or done == len(lesions):
                log.info("lesion %d/%d", done, len(lesions))


def _stream(seed: int, device: torch.device, purpose: str, lesion_id: str) -> torch.Generator:
    return torch_generator(seed, "uncertainty", purpose, lesion_id, device=device)


def _filled(
    arrays: Mapping[str, np.ndarray],
    place: Mapping[str, Any],
    patches: LesionPatches,
    *,
    filler: Filler,
    predictor: UncertaintyPredictor,
    settings: Mapping[str, Any],
    stream: Callable[[str, str], torch.Generator],
) -> dict[str, np.ndarray]:
    """Return the arrays that are written of a lesion, given its slices and where its grid lies.

    Args:
        arrays: `consensus`, `annotated` and `z_mm` of the lesion's box.
        place: `lesion`, its row of `lesions.parquet`, its `block` and `grid`.
        patches: its annotated slices.
        filler: what fills the gaps.
        predictor: the uncertainty predictor.
        settings: `mapping` is used.
        stream: returns the random stream of a purpose and a lesion.
    """
    name, known = patches.lesion_id, {key: arrays[key] for key in ("consensus", "annotated")}
    planes, lines = lay_planes(**known, **place), grid_lines(**place)
    filled = fill_lesion(
        planes, patches, lines, filler=filler, mapping=settings["mapping"], generator=stream("weights", name)
    )
    slices = fill_slices(
        **known,
        z_mm=arrays["z_mm"].astype(np.float64),
        patches=patches,
        filler=filler,
        generator=stream("slices", name),
    )
    own = lesion_box(place["lesion"])
    seen = np.zeros(slices.shape, bool)
    seen[own.overlap(place["block"]).seen_from(own).slices] = True
    weights = weights_at_published_times(
        planes, patches, lines, predictor=predictor, generator=stream("published_times", name)
    )
    return {
        "nearest": planes.nearest,
        "annotated": planes.annotated,
        **filled,
        "slices": np.where(seen, slices, np.float16(0)),
        "mask_published": mask_as_published(**known, **place),
        "weight_published_times": weights,
    }


def training_ids(samples: pd.DataFrame, shard: int) -> list[str]:
    """Return the ids of the lesions that train and are in a shard, sorted.

    Args:
        samples: the table `samples/samples.parquet`.
        shard: number of the shard.
    """
    wanted = samples[(samples["split"] == "train") & (samples["label"] == 1) & (samples["shard"] == shard)]
    return sorted(wanted["lesion_id"])


def browsed_ids(samples: pd.DataFrame, count: int) -> list[str]:
    """Return the ids of up to `count` test lesions, those that the slice browser shows.

    Args:
        samples: the table `samples/samples.parquet`.
        count: number of lesions.
    """
    return choose_lesions(samples, rows=count)["lesion_id"].tolist()
