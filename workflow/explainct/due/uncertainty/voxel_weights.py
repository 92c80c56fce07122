"""Voxel weights of lesions, once per annotated volume (DUE, section 4.3)."""

import logging
from collections.abc import Collection
from pathlib import Path
from typing import Any

import h5py
import pandas as pd

from explainct.due.interpolation.diffusion import Interpolator
from explainct.due.interpolation.model_file import load_model
from explainct.due.interpolation.slice_patches import LesionPatches, grid_lines, load_patches
from explainct.due.uncertainty.fill_grid import fill_lesion
from explainct.due.uncertainty.grid_planes import lay_planes
from explainct.due.uncertainty.train import load_predictor
from explainct.runtime.device import Compute
from explainct.runtime.hdf5 import writing_hdf5
from explainct.seeds import torch_generator

log = logging.getLogger(__name__)

LOG_EVERY = 10
"""Lesions between two lines of the log."""


def map_weights(
    *,
    lesions_file: Path,
    slices_file: Path,
    lesion_ids: Collection[str],
    interpolator_file: Path,
    predictor_file: Path,
    margin_mm: float,
    grid: tuple[int, int, int],
    interpolate_settings: dict[str, Any],
    settings: dict[str, Any],
    seed: int,
    compute: Compute,
    out: Path,
) -> None:
    """Write annotation, interpolation, variance and weight of lesions on the network's grid.

    Args:
        lesions_file: `annotate/lesions.parquet`.
        slices_file: `annotate/slices.h5`.
        lesion_ids: which lesions.
        interpolator_file: the trained interpolator.
        predictor_file: the trained uncertainty predictor.
        margin_mm: margin of a block in mm.
        grid: D, H and W.
        interpolate_settings: the section `interpolate`; `size`, `draws`, `steps` and `filling` are used.
        settings: the section `uncertainty`; `estimate`, `latent_at_inference` and `mapping` are used.
        seed: seed of all draws; each lesion has a stream of its own.
        compute: where to compute.
        out: HDF5 file to write, as docs/architecture.md describes it.

    Raises:
        UserError: a lesion has no annotated slice.
    """
    table = pd.read_parquet(lesions_file)
    lesions = table[table["lesion_id"].isin(lesion_ids)].sort_values("lesion_id")
    patches = _patches_by_name(lesions, slices_file, interpolate_settings["size"])
    interpolator = load_model(Interpolator, interpolator_file, compute.device)
    predictor = load_predictor(predictor_file, compute.device)
    log.info("%d lesions", len(lesions))
    with writing_hdf5(out) as file, h5py.File(slices_file) as source:
        for done, (_, lesion) in enumerate(lesions.iterrows(), start=1):
            name = lesion.lesion_id
            arrays = {key: source[name][key][:] for key in ("consensus", "annotated", "z_mm")}
            planes = lay_planes(**arrays, lesion=lesion, margin_mm=margin_mm, grid=grid)
            filled = fill_lesion(
                planes,
                patches[name],
                grid_lines(lesion, margin_mm, grid),
                interpolator=interpolator,
                predictor=predictor,
                interpolate_settings=interpolate_settings,
                settings=settings,
                generator=torch_generator(seed, "uncertainty", "weights", name, device=compute.device),
            )
            group = file.create_group(name)
            for key, values in {"nearest": planes.nearest, "annotated": planes.annotated, **filled}.items():
                group.create_dataset(key, data=values, compression="gzip")
            if done % LOG_EVERY == 0 or done == len(lesions):
                log.info("lesion %d/%d", done, len(lesions))


def _patches_by_name(lesions: pd.DataFrame, slices_file: Path, size: int) -> dict[str, LesionPatches]:
    loaded = load_patches(lesions=lesions, slices_file=slices_file, size=size)
    return {lesion.lesion_id: lesion for lesion in loaded}


def training_ids(samples: pd.DataFrame, shard: int) -> list[str]:
    """Return the ids of the lesions that train and are in a shard, sorted.

    Args:
        samples: the table `samples/samples.parquet`.
        shard: number of the shard.
    """
    wanted = samples[(samples["split"] == "train") & (samples["label"] == 1) & (samples["shard"] == shard)]
    return sorted(wanted["lesion_id"])
