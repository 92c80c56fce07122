"""What a writer is given of a lesion whose gaps were filled."""

from dataclasses import dataclass

import numpy as np

from explainct.data.annotate.formats.outlines import Outlines
from explainct.runtime.volume import Box


@dataclass(frozen=True, eq=False)
class FilledMask:
    """A lesion with its gaps filled.

    Attributes:
        outlines: what was read.
        box: from the first to the last annotated slice, with a margin, in indices of the scan.
        mask: the lesion, bool [K, h, w] over the box; its annotated slices are those that were read.
    """

    outlines: Outlines
    box: Box
    mask: np.ndarray

    def filled_slices(self) -> dict[int, np.ndarray]:
        """Return the masks [h, w] of the slices that were filled, by slice of the scan."""
        known = set(self.outlines.slices.tolist())
        first = self.box.start[0]
        return {first + at: plane for at, plane in enumerate(self.mask) if first + at not in known}


def name_filled(name: str) -> str:
    """Return what a filled lesion is called in the output, beside the one that was read."""
    return f"{name} (filled)"


def by_key(lesions: list[FilledMask]) -> dict[object, list[FilledMask]]:
    """Return the lesions of each name of the file: a region that holds several lesions is written as one again."""
    groups: dict[object, list[FilledMask]] = {}
    for lesion in lesions:
        groups.setdefault(lesion.outlines.key, []).append(lesion)
    return groups


def on_scan_slices(lesions: list[FilledMask], shape: tuple[int, int]) -> dict[int, np.ndarray]:
    """Return the filled slices of all parts of a name, bool [H, W] of the scan, by slice."""
    planes: dict[int, np.ndarray] = {}
    for lesion in lesions:
        for k, plane in lesion.filled_slices().items():
            whole = planes.setdefault(k, np.zeros(shape, bool))
            whole[lesion.box.slices[1:]] |= plane
    return planes
