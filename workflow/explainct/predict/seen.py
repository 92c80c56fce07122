"""What the shipped models have seen of lesions: outside of that nobody knows how well they fill."""

from typing import NamedTuple

import numpy as np

from explainct.predict.fill_lesions import Lesion


class Seen(NamedTuple):
    """A range of a property of lesions, and what it is called."""

    what: str
    low: float
    high: float


SEEN = {
    "extent": Seen("extent in the slices", 3.8, 38.3),
    "gap": Seen("distance between annotated slices", 0.9, 12.5),
    "pixel": Seen("size of a pixel", 0.52, 0.95),
}
"""In mm: 0.5 and 99.5 % quantiles over the 1,085 nodules of LIDC-IDRI whose patients taught the models. Gaps are those
that open when every second to fifth slice is kept."""


def beyond_seen(lesion: Lesion) -> list[str]:
    """Say what of a lesion lies outside of what the models have seen, with its size in mm; nothing where all is inside.

    That the organ is another one cannot be seen from outlines; what is said here is about sizes alone.
    """
    rows, columns = (int(np.ptp(np.flatnonzero(lesion.known.any((0, axis))))) + 1 for axis in (2, 1))
    gaps = [float(lesion.z_mm[one.lower + 1] - lesion.z_mm[one.lower]) for one in lesion.gaps()]
    found = {
        "extent": [max(rows * lesion.spacing[0], columns * lesion.spacing[1])],
        "gap": [min(gaps), max(gaps)] if gaps else [],
        "pixel": [min(lesion.spacing), max(lesion.spacing)],
    }
    # Headers round sizes.
    outside = {
        name: [value for value in values if not SEEN[name].low - 1e-3 <= value <= SEEN[name].high + 1e-3]
        for name, values in found.items()
    }
    return [
        f"{SEEN[name].what} {values[0]:.2f} mm (models: {SEEN[name].low:g} to {SEEN[name].high:g} mm)"
        for name, values in outside.items()
        if values
    ]
