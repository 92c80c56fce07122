"""The annotated slices of a lesion, and their place in the file `annotate/slices.h5`."""

from collections.abc import Sequence

import h5py
import numpy as np


def annotated_slices(filled: np.ndarray, keep_every: int) -> np.ndarray:
    """Return which slices stay annotated: every `keep_every`-th of the filled ones from the first, and the last.

    Args:
        filled: slices with a non-empty annotation, bool [K].
        keep_every: step along the filled slices, at least 1; 1 keeps all.

    >>> annotated_slices(np.array([False, True, True, True, True]), keep_every=2).tolist()
    [False, True, False, True, True]
    """
    where = np.flatnonzero(filled)
    kept = np.zeros_like(filled)
    kept[where[::keep_every]] = True
    kept[where[-1:]] = True
    return kept


def write_slices(
    group: h5py.Group,
    *,
    readers: np.ndarray,
    consensus: np.ndarray,
    z_mm: np.ndarray,
    instance_uids: Sequence[str],
    keep_every: int,
) -> dict[str, int]:
    """Write the arrays of one lesion over its box.

    Args:
        group: where they go.
        readers: each reader's mask, uint8 [R, K, h, w].
        consensus: what the readers agree on, uint8 [K, h, w].
        z_mm: position of each slice in mm [K].
        instance_uids: SOP Instance UID of each slice [K]; none for a lesion without DICOM slices.
        keep_every: step between annotated slices (see `annotated_slices`).

    Returns:
        The columns `slices` and `annotated_slices` of the lesion's row.
    """
    filled = consensus.any(axis=(1, 2))
    annotated = annotated_slices(filled, keep_every)
    group.create_dataset("consensus", data=consensus, compression="gzip")
    group.create_dataset("readers", data=readers, compression="gzip")
    group.create_dataset("z_mm", data=np.asarray(z_mm, dtype=np.float64))
    group.create_dataset("annotated", data=annotated)
    uids = list(instance_uids) or [""] * len(consensus)
    group.create_dataset("instance_uid", data=uids, dtype=h5py.string_dtype())
    return {"slices": int(filled.sum()), "annotated_slices": int(annotated.sum())}
