"""Crops on disk, and samples as the network sees them."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from explainct.data.ingest.dicom_io import read_crop
from explainct.data.ingest.nifti_io import read_nifti_crop
from explainct.data.samples.blocks import covering, lesion_box
from explainct.data.samples.planted_cue import cue_mask, plant_cue
from explainct.data.samples.resample import (
    block_of,
    paste,
    resize_image,
    resize_mask,
    slice_minmax,
    spacing_of,
    window_hu,
)
from explainct.runtime.files import require_space
from explainct.runtime.hdf5 import writing_hdf5
from explainct.runtime.volume import Box, Volume

log = logging.getLogger(__name__)


def extract_cases(
    *, archives: Mapping[str, str], series_file: Path, lesions_file: Path, samples_file: Path, shard: int, out: Path
) -> None:
    """Cut the crops of one shard out of the scans, at native resolution, in HU.

    One crop covers a lesion's block and all its neighbours, which are views of it. Only the slices that a crop needs
    are read, one lesion at a time.

    Args:
        archives: the folder of each archive in the series index.
        series_file: the table `ingest/series.parquet`.
        lesions_file: the table `annotate/lesions.parquet`.
        samples_file: the table `cases/samples.parquet`.
        shard: number of this shard.
        out: the HDF5 file to write.

    Raises:
        UserError: a file is missing or truncated, or the disk is too small.
    """
    series = pd.read_parquet(series_file).set_index("series_uid")
    lesions = pd.read_parquet(lesions_file).set_index("lesion_id")
    samples = pd.read_parquet(samples_file)
    samples = samples[samples["shard"] == shard]
    boxes = {
        name: covering([lesion_box(row) for _, row in group.iterrows()]) for name, group in samples.groupby("lesion_id")
    }
    require_space(out.parent, sum(2 * int(np.prod(box.shape)) for box in boxes.values()))
    with writing_hdf5(out) as file:
        for number, (name, box) in enumerate(sorted(boxes.items()), 1):
            lesion, scan = lesions.loc[name], series.loc[lesions.loc[name].series_uid]
            image = _read_crop(Path(archives[scan.archive]), scan, box)
            place = Volume(image, spacing_of(lesion), tuple(scan.origin), tuple(scan.direction))
            group = file.create_group(name)
            group.create_dataset("image", data=image, compression="gzip", compression_opts=1)
            group.attrs.update(
                start=box.start, spacing=place.spacing, origin=place.position(box.start), direction=place.direction
            )
            if number % 10 == 0 or number == len(boxes):
                log.info("%d of %d lesions cut", number, len(boxes))


def _read_crop(folder: Path, scan: pd.Series, box: Box) -> np.ndarray:
    """Read the voxels of `box` from a row of the series index, HU as int16 [D, H, W]."""
    files = [folder / path for path in scan.files]
    if scan.format == "nifti":
        return read_nifti_crop(files[0], box)
    return read_crop(files, box, size=(scan.rows, scan.columns), instance_uids=scan.instance_uids)


class CaseStore:
    """Reads samples from the crops of all shards, resampled to the network's grid.

    Args:
        case_files: the files `cases/{shard}.h5`, in the order of their shards.
        slices_file: the file `annotate/slices.h5`.
        lesions_file: the table `annotate/lesions.parquet`.
        settings: the settings `cases` (margin, grid, intensity, window, cue).
        cue_mode: how a planted cue lies in test images: `absent`, `aligned` or `reversed`; see `explainct.data.samples.planted_cue`.
    """

    def __init__(
        self,
        case_files: Sequence[Path],
        slices_file: Path,
        lesions_file: Path,
        settings: dict,
        cue_mode: str = "absent",
    ) -> None:
        self._case_files = [Path(path) for path in case_files]
        self._slices_file = slices_file
        self._lesions = pd.read_parquet(lesions_file).set_index("lesion_id")
        self._settings, self._cue_mode = settings, cue_mode
        self.grid: tuple[int, int, int] = tuple(settings["grid"])

    def images(self, samples: pd.DataFrame) -> np.ndarray:
        """Return the images of `samples` (rows of `samples.parquet`) as float32 [N, D, H, W] in [0, 1]."""
        images = np.empty((len(samples), *self.grid), np.float32)
        for number, (_, sample) in enumerate(samples.iterrows()):
            images[number] = resize_image(self._intensity(self.block(sample)), self.grid)
        return self._with_cue(images, samples) if self._settings["cue"]["strength"] else images

    def cue_mask(self, samples: pd.DataFrame) -> np.ndarray:
        """Return where a planted cue lies in the images of `samples`, bool [N, D, H, W]."""
        names, cue = samples["sample_id"].tolist(), self._settings["cue"]
        return cue_mask(self.truth(samples), sample_ids=names, size=cue["size"], seed=cue["seed"])

    def _with_cue(self, images: np.ndarray, samples: pd.DataFrame) -> np.ndarray:
        """Plant the cue: by its strength where images teach or validate, always where they test."""
        cue, truth = self._settings["cue"], self.truth(samples)
        tested = (samples["split"] == "test").to_numpy()
        for rows, mode, strength in ((~tested, "aligned", cue["strength"]), (tested, self._cue_mode, 1.0)):
            part = samples[rows]
            images[rows] = plant_cue(
                images[rows],
                truth[rows],
                part["label"].to_numpy(),
                sample_ids=part["sample_id"].tolist(),
                strength=strength,
                mode=mode,
                contrast=cue["contrast"],
                size=cue["size"],
                seed=cue["seed"],
            )
        return images

    def block(self, sample: pd.Series) -> np.ndarray:
        """Return the voxels of one sample in HU at native resolution, int16 [K, h, w]."""
        with h5py.File(self._case_files[sample.shard]) as file:
            group = file[sample.lesion_id]
            k, i, j = (-int(value) for value in group.attrs["start"])
            return group["image"][lesion_box(sample).shifted((k, i, j)).slices]

    def _intensity(self, image: np.ndarray) -> np.ndarray:
        if self._settings["intensity"] == "slice_minmax":
            return slice_minmax(image)
        return window_hu(image, tuple(self._settings["window"]))

    def truth(self, samples: pd.DataFrame) -> np.ndarray:
        """Return the full consensus of `samples` on the grid, uint8 [N, D, H, W]; zeros for neighbours.

        It holds the slices that `annotate.keep_every` hides from the method too: use it for evaluation only.
        """
        truth = np.zeros((len(samples), *self.grid), np.uint8)
        for number, (_, sample) in enumerate(samples.iterrows()):
            if sample.label == 1:
                truth[number] = self._on_grid(sample, self._consensus(sample))
        return truth

    def readers(self, sample: pd.Series) -> np.ndarray:
        """Return each reader's mask of a lesion on the grid, uint8 [R, D, H, W]."""
        with h5py.File(self._slices_file) as file:
            masks = file[sample.lesion_id]["readers"][:]
        return np.stack([self._on_grid(sample, mask) for mask in masks])

    def _consensus(self, sample: pd.Series) -> np.ndarray:
        with h5py.File(self._slices_file) as file:
            return file[sample.lesion_id]["consensus"][:]

    def _on_grid(self, sample: pd.Series, mask: np.ndarray) -> np.ndarray:
        lesion = self._lesions.loc[sample.lesion_id]
        return resize_mask(paste(mask, lesion, block_of(lesion, self._settings["margin_mm"])), self.grid)
