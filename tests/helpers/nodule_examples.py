"""Nodules made of discs."""

import numpy as np

from explainct.due.interpolation.hidden_slices import Nodule


def disc(radius, centre=(20, 20), size=40):
    i, j = np.indices((size, size))
    return (i - centre[0]) ** 2 + (j - centre[1]) ** 2 <= radius**2


def nodule(masks, patient="P", z_mm=None, readers=None):
    """Return a nodule of which all readers outlined the consensus, unless told otherwise."""
    masks = np.stack(masks)
    z_mm = np.arange(len(masks)) * 1.25 if z_mm is None else z_mm
    readers = np.stack([masks] * 3) if readers is None else readers
    return Nodule(f"{patient}-n0", patient, masks, readers, z_mm, 0.7)
