"""Lesions' masks and interpolated annotations in the scanner's space, for other programs."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from highdicom.seg import SegmentAlgorithmTypeValues as Origin
from pydicom.sr.codedict import codes

from explainct.data.export.dicom_headers import read_source_headers
from explainct.data.export.dicom_seg import Segment, write_segmentation
from explainct.data.ingest.scan_space import place_in_scan
from explainct.data.samples.blocks import lesion_box
from explainct.errors import UserError
from explainct.runtime.files import require_space
from explainct.runtime.volume import Box, write_volume

FILLED = ("interpolated", "variance", "weight")
THRESHOLD = 0.5
"""Interpolated annotation from which a voxel counts as lesion in a segmentation."""

LOG_EVERY = 10
"""Lesions between two lines of the log."""

log = logging.getLogger(__name__)


def export_masks(
    *,
    series_file: Path,
    lesions_file: Path,
    slices_file: Path,
    samples_file: Path,
    weights_file: Path,
    archives: Mapping[str, str],
    lesions: Sequence[str],
    shard: int,
    masks_folder: Path,
) -> None:
    """Write the masks of a shard's lesions as NIfTI, and as a DICOM segmentation where the images are DICOM.

    A lesion's folder `<masks_folder>/<lesion_id>` holds `consensus.nii.gz` and `reader0.nii.gz`, ... over its box.
    Training lesions also have `interpolated.nii.gz`, `variance.nii.gz` and `weight.nii.gz`, which keep the voxels of
    the network's grid. The first and the last plane of each lie at the measured z of their slices, see
    `place_in_scan`. `segmentation.dcm` has the masks and the annotation filled at the slices' own z as segments, on
    the slices of the images.

    Args:
        series_file: the table `ingest/series.parquet`.
        lesions_file: the table `annotate/lesions.parquet`.
        slices_file: the file `annotate/slices.h5`.
        samples_file: the table `samples/samples.parquet`.
        weights_file: the shard's filled training lesions, `due/uncertainty/weights/{shard}.h5`.
        archives: the folder of each archive.
        lesions: ids of the lesions to write, those of other shards among them; empty for all of the cohort.
        shard: number of the shard.
        masks_folder: the folder to write.

    Raises:
        UserError: an id is not of the cohort, a file of an image is missing or has changed, or the disk is too small.
    """
    chosen = _choose(pd.read_parquet(lesions_file), lesions, lesions_file)
    series = pd.read_parquet(series_file).set_index("series_uid")
    samples = pd.read_parquet(samples_file).query("label == 1").set_index("lesion_id")
    chosen = chosen[chosen.lesion_id.isin(samples.index[samples["shard"] == shard])]
    with h5py.File(weights_file) as file:
        trained = set(file)
    require_space(masks_folder, _bytes_needed(chosen, weights_file))
    masks_folder.mkdir(parents=True, exist_ok=True)
    for done, (_, lesion) in enumerate(chosen.iterrows(), start=1):
        name = lesion.lesion_id
        scan, folder = series.loc[lesion.series_uid], masks_folder / name
        segments = _write_masks(lesion, scan, _arrays(slices_file, name, ("consensus", "readers")), folder)
        if name in trained:
            filled = _arrays(weights_file, name, (*FILLED, "slices"))
            segments.append(_filled_segment(filled.pop("slices"), lesion))
            _write_filled(filled, scan, lesion_box(samples.loc[name]), folder)
        if scan.format == "dicom":
            slices = lesion_box(lesion).slices[0]
            headers = read_source_headers(Path(archives[scan.archive]), scan, slices, lesion.patient_id)
            path = folder / "segmentation.dcm"
            write_segmentation(segments, headers, first=slices.start, lesion_id=name, path=path)
        if done % LOG_EVERY == 0 or done == len(chosen):
            log.info("%d of %d lesions exported", done, len(chosen))


def _choose(lesions: pd.DataFrame, wanted: Sequence[str], lesions_file: Path) -> pd.DataFrame:
    """Return the rows of the cohort's lesions with the ids `wanted`, or all if none is named."""
    cohort = lesions.query("in_cohort and label == 1").sort_values("lesion_id")
    unknown = sorted(set(wanted) - set(cohort.lesion_id))
    if unknown:
        raise UserError(
            f"Setting `export.lesions` names {unknown[0]!r}, which is none of the {len(cohort)} lesions of the cohort "
            f"in {lesions_file}. Correct the id, or leave the list empty to export all."
        )
    return cohort[cohort.lesion_id.isin(wanted)] if wanted else cohort


def _bytes_needed(lesions: pd.DataFrame, weights_file: Path) -> int:
    """Return about how many bytes the files take: segmentations a bit a voxel, and weights in twice the precision."""
    voxels = (lesions.k_stop - lesions.k_start) * lesions.scan_rows * lesions.scan_columns
    return int(((lesions.readers + 2) * voxels // 8).sum()) + 2 * weights_file.stat().st_size


def _arrays(path: Path, lesion_id: str, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Read arrays of a lesion from an HDF5 file."""
    with h5py.File(path) as file:
        return {name: file[lesion_id][name][:] for name in names}


def _write_masks(lesion: pd.Series, scan: pd.Series, masks: Mapping[str, np.ndarray], folder: Path) -> list[Segment]:
    """Write consensus [K, h, w] and readers' masks [R, K, h, w] as NIfTI, and return them as segments."""
    box = lesion_box(lesion)
    segments = [Segment("Consensus", masks["consensus"], box, Origin.SEMIAUTOMATIC, "DUE consensus")]
    segments += [Segment(f"Reader {number}", mask, box) for number, mask in enumerate(masks["readers"])]
    for segment in segments:
        file_name = f"{segment.label.lower().replace(' ', '')}.nii.gz"
        write_volume(place_in_scan(segment.mask, scan, box), folder / file_name)
    return segments


def _write_filled(filled: Mapping[str, np.ndarray], scan: pd.Series, block: Box, folder: Path) -> None:
    """Write arrays [D, H, W] on the grid of a block as NIfTI."""
    # Along an axis on which the block has one voxel, all planes of the grid lie at that voxel; the first is kept.
    kept = tuple(slice(None) if size > 1 else slice(1) for size in block.shape)
    for name, array in filled.items():
        write_volume(place_in_scan(array[kept].astype(np.float32), scan, block), folder / f"{name}.nii.gz")


def _filled_segment(slices: np.ndarray, lesion: pd.Series) -> Segment:
    """Return the annotation filled at the slices' own z [K, h, w] as a segment."""
    mask = (slices >= THRESHOLD).astype(np.uint8)
    family = codes.cid7162.ArtificialIntelligence
    return Segment("Interpolated", mask, lesion_box(lesion), Origin.AUTOMATIC, "DUE interpolation", family)
