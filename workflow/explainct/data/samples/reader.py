"""Samples as the network sees them: images and annotations on its grid, read from the crops of all shards."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import h5py
import numpy as np
import pandas as pd

from explainct.data.samples.blocks import lesion_box
from explainct.data.samples.planted_cue import cue_mask, plant_cue
from explainct.data.samples.resample import (
    paste,
    resize_image,
    resize_mask,
    slice_minmax,
    window_hu,
)
from explainct.runtime.files import read_shards


class SampleReader:
    """Reads samples from the crops of all shards, resampled to the network's grid.

    Args:
        crop_files: the files `samples/{shard}.h5`, in the order of their shards.
        slices_file: the file `annotate/slices.h5`.
        lesions_file: the table `annotate/lesions.parquet`.
        settings: those of the settings `samples` that are read: grid, intensity, window, cue.
        cue_mode: how a planted cue lies in test images: `absent`, `aligned` or `reversed`; see `planted_cue`.
    """

    def __init__(
        self,
        crop_files: Sequence[Path],
        slices_file: Path,
        lesions_file: Path,
        settings: dict,
        cue_mode: str = "absent",
    ) -> None:
        self._crop_files = [Path(path) for path in crop_files]
        self._slices_file = slices_file
        self._lesions = pd.read_parquet(lesions_file).set_index("lesion_id")
        self._settings, self._cue_mode = settings, cue_mode
        self.grid: tuple[int, int, int] = tuple(settings["grid"])

    @classmethod
    def from_files(
        cls, *, lesions_file: Path, slices_file: Path, crops_file: Path, reading: dict, cue_mode: str = "absent"
    ) -> Self:
        """Build a reader from what rules give as `SAMPLES` and `READING`.

        Args:
            lesions_file: the table `annotate/lesions.parquet`.
            slices_file: the file `annotate/slices.h5`.
            crops_file: the list of the files of crops, `samples/shards.csv`.
            reading: the settings that images and annotations depend on, as for the class.
            cue_mode: how a planted cue lies in test images, as for the class.
        """
        return cls(read_shards(crops_file), slices_file, lesions_file, reading, cue_mode)

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
        return read_block(self._crop_files, sample)

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
        return resize_mask(paste(mask, self._lesions.loc[sample.lesion_id], lesion_box(sample)), self.grid)


def read_block(crop_files: Sequence[Path], sample: pd.Series) -> np.ndarray:
    """Return the voxels of one sample in HU at native resolution, int16 [K, h, w].

    Args:
        crop_files: the files `samples/{shard}.h5`, in the order of their shards.
        sample: a row of `samples.parquet`.
    """
    with h5py.File(crop_files[sample.shard]) as file:
        group = file[sample.lesion_id]
        k, i, j = (-int(value) for value in group.attrs["start"])
        return group["image"][lesion_box(sample).shifted((k, i, j)).slices]
