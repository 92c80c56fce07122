"""Crops on disk: what is cut out of the scans, at native resolution."""

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from explainct.data.ingest.dicom_io import read_crop
from explainct.data.ingest.nifti_io import read_nifti_crop
from explainct.data.ingest.scan_space import place_in_scan
from explainct.data.samples.blocks import covering, lesion_box
from explainct.runtime.files import require_space
from explainct.runtime.hdf5 import writing_hdf5
from explainct.runtime.volume import Box

log = logging.getLogger(__name__)


def extract_crops(
    *,
    archives: Mapping[str, str],
    series_file: Path,
    lesions_file: Path,
    samples_file: Path,
    shard: int,
    shard_file: Path,
) -> None:
    """Cut the crops of one shard out of the scans, at native resolution, in HU.

    One crop covers a lesion's block and all its neighbours, which are views of it. Only the slices that a crop needs
    are read, one lesion at a time.

    Args:
        archives: the folder of each archive in the series index.
        series_file: the table `ingest/series.parquet`.
        lesions_file: the table `annotate/lesions.parquet`.
        samples_file: the table `samples/samples.parquet`.
        shard: number of this shard.
        shard_file: the HDF5 file to write; a shard without patients has no crop.

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
    require_space(shard_file.parent, sum(2 * int(np.prod(box.shape)) for box in boxes.values()))
    with writing_hdf5(shard_file) as file:
        for number, (name, box) in enumerate(sorted(boxes.items()), 1):
            scan = series.loc[lesions.loc[name].series_uid]
            image = read_scan_crop(Path(archives[scan.archive]), scan, box)
            place = place_in_scan(image, scan, box)
            group = file.create_group(name)
            group.create_dataset("image", data=image, compression="gzip", compression_opts=1)
            group.attrs.update(start=box.start, spacing=place.spacing, origin=place.origin, direction=place.direction)
            if number % 10 == 0 or number == len(boxes):
                log.info("%d of %d lesions cut", number, len(boxes))


def read_scan_crop(folder: Path, scan: pd.Series, box: Box) -> np.ndarray:
    """Read the voxels of `box` from a row of the series index, HU as int16 [D, H, W]."""
    files = [folder / path for path in scan.files]
    if scan.format == "nifti":
        return read_nifti_crop(files[0], box)
    return read_crop(files, box, size=(scan.rows, scan.columns), instance_uids=scan.instance_uids)
