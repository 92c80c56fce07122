"""Thin the annotation of training lesions: fewer outlined slices, and one reader in place of the consensus."""

import logging
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from explainct.data.annotate.annotated_slices import evenly_annotated, write_arrays
from explainct.errors import UserError
from explainct.runtime.hdf5 import writing_hdf5
from explainct.seeds import numpy_generator

ALL = "all"
"""The number of outlined slices that keeps all."""
SINGLE = "single"
"""Outlines of one reader."""

log = logging.getLogger(__name__)


def thin_annotation(
    *, slices_file: Path, samples_file: Path, outlines: str, slices: str, seed: int, thinned_file: Path
) -> None:
    """Write the annotation of the training lesions with fewer outlined slices, and nothing of the others.

    Args:
        slices_file: the file `annotate/slices.h5`; its flags `annotated` are not read.
        samples_file: the table `samples/samples.parquet`, which says which lesions train.
        outlines: `consensus`, or `single` for those of one reader per lesion.
        slices: number of outlined slices per lesion, at least 2, or `all`; a lesion with fewer keeps all.
        seed: seed of the draw of readers, which does not depend on `slices`.
        thinned_file: HDF5 file to write, in the form of `annotate/slices.h5`.

    Raises:
        UserError: no lesion trains, or none of a lesion's readers outlined a voxel.
    """
    samples = pd.read_parquet(samples_file)
    lesions = sorted(samples.loc[(samples["split"] == "train") & (samples["label"] == 1), "lesion_id"])
    if not lesions:
        raise UserError(f"{samples_file} has no training lesion, and at least one is needed. Raise `samples.train`.")
    counts = []
    with h5py.File(slices_file) as source, writing_hdf5(thinned_file) as file:
        for name in lesions:
            group = source[name]
            readers, consensus = group["readers"][:], group["consensus"][:]
            if outlines == SINGLE:
                number = draw_reader(readers, lesion_id=name, seed=seed)
                readers, consensus = readers[number : number + 1], readers[number]
            filled = consensus.any(axis=(1, 2))
            annotated = filled if slices == ALL else evenly_annotated(filled, int(slices))
            seen = annotated[:, None, None].astype(np.uint8)
            write_arrays(
                file.create_group(name),
                readers=readers * seen,
                consensus=consensus * seen,
                annotated=annotated,
                z_mm=group["z_mm"][:],
                instance_uids=group["instance_uid"].asstr()[:].tolist(),
            )
            counts.append(int(annotated.sum()))
    log.info("%d lesions, %g slices of each at the median, %d at least", len(counts), np.median(counts), min(counts))


def draw_reader(readers: np.ndarray, *, lesion_id: str, seed: int) -> int:
    """Return the number of one reader, drawn among those who outlined a voxel of the lesion.

    Args:
        readers: each reader's mask, uint8 [R, K, h, w].
        lesion_id: name of the lesion, which has a random stream of its own.
        seed: seed of the draw.

    Raises:
        UserError: no reader outlined a voxel.
    """
    outlining = np.flatnonzero(readers.any(axis=(1, 2, 3)))
    if not len(outlining):
        raise UserError(
            f"None of the {len(readers)} readers of lesion {lesion_id} outlined a voxel, and one was expected. "
            "Leave its series out with `ingest.exclude`."
        )
    return int(numpy_generator(seed, "annotation study", "reader", lesion_id).choice(outlining))
