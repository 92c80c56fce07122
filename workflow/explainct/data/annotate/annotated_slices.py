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


def evenly_annotated(filled: np.ndarray, count: int) -> np.ndarray:
    """Return which slices stay annotated: `count` of the filled ones, the first and the last, and evenly between.

    Args:
        filled: slices with a non-empty annotation, bool [K].
        count: number of slices, at least 2; all stay where there are no more.

    >>> evenly_annotated(np.array([False, True, True, True, True, True]), count=3).tolist()
    [False, True, False, True, False, True]
    """
    where = np.flatnonzero(filled)
    kept = np.zeros_like(filled)
    # Steps of at least one slice round to different slices.
    kept[where[np.rint(np.linspace(0, len(where) - 1, min(count, len(where)))).astype(int)]] = True
    return kept


def write_slices(
    group: h5py.Group,
    *,
    readers: np.ndarray,
    consensus: np.ndarray,
    z_mm: np.ndarray,
    instance_uids: Sequence[str],
    keep_every: int,
) -> tuple[dict[str, int], np.ndarray]:
    """Write the arrays of one lesion over its box.

    Args:
        group: where they go.
        readers: each reader's mask, uint8 [R, K, h, w].
        consensus: what the readers agree on, uint8 [K, h, w].
        z_mm: position of each slice in mm [K].
        instance_uids: SOP Instance UID of each slice [K]; none for a lesion without DICOM slices.
        keep_every: step between annotated slices (see `annotated_slices`).

    Returns:
        The columns `slices` and `annotated_slices` of the lesion's row, and which slices are dropped, bool [K].
    """
    filled = consensus.any(axis=(1, 2))
    annotated = annotated_slices(filled, keep_every)
    write_arrays(
        group, readers=readers, consensus=consensus, annotated=annotated, z_mm=z_mm, instance_uids=instance_uids
    )
    return {"slices": int(filled.sum()), "annotated_slices": int(annotated.sum())}, filled & ~annotated


def write_arrays(
    group: h5py.Group,
    *,
    readers: np.ndarray,
    consensus: np.ndarray,
    annotated: np.ndarray,
    z_mm: np.ndarray,
    instance_uids: Sequence[str],
) -> None:
    """Write the arrays of one lesion over its box, as docs/architecture.md describes them.

    Args:
        group: where they go.
        readers: each reader's mask, uint8 [R, K, h, w].
        consensus: what the readers agree on, uint8 [K, h, w].
        annotated: slices that the method may see, bool [K].
        z_mm: position of each slice in mm [K].
        instance_uids: SOP Instance UID of each slice [K]; none for a lesion without DICOM slices.
    """
    group.create_dataset("consensus", data=consensus, compression="gzip")
    group.create_dataset("readers", data=readers, compression="gzip")
    group.create_dataset("z_mm", data=np.asarray(z_mm, dtype=np.float64))
    group.create_dataset("annotated", data=annotated)
    uids = list(instance_uids) or [""] * len(consensus)
    group.create_dataset("instance_uid", data=uids, dtype=h5py.string_dtype())
