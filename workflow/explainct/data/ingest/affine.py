"""Where the voxels of a scan lie, apart from the voxels: what an image and its label map must have in common."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from nibabel.affines import apply_affine, from_matvec, voxel_sizes
from nibabel.orientations import io_orientation

LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""Takes positions of NIfTI and nibabel to those of DICOM, and back."""

SAME_PLACE_VOXELS = 0.5
"""How far, in voxels, two affines may place a corner of the same volume apart."""

NO_GEOMETRY = {
    "z_mm": [],
    "rows": 0,
    "columns": 0,
    "slices": 0,
    "spacing_z": np.nan,
    "spacing_y": np.nan,
    "spacing_x": np.nan,
    "origin": [],
    "direction": [],
}
"""What a rejected scan has in the columns of its geometry."""


@dataclass(frozen=True)
class Geometry:
    """Where the voxels of an array [D, H, W] lie.

    Attributes:
        shape: number of voxels along (k, i, j).
        affine: 4 x 4, takes the index (k, i, j, 1) to the patient position (x, y, z, 1) in mm, LPS.
    """

    shape: tuple[int, int, int]
    affine: np.ndarray

    @classmethod
    def of_series(cls, series: Mapping[str, Any]) -> "Geometry":
        """Return the geometry of an accepted row of `ingest/series.parquet`."""
        sizes = [series["spacing_x"], series["spacing_y"], series["spacing_z"]]
        x, y, z = (np.reshape(series["direction"], (3, 3)) * sizes).T
        affine = from_matvec(np.column_stack([z, y, x]), series["origin"])
        return cls((int(series["slices"]), int(series["rows"]), int(series["columns"])), affine)

    def columns(self) -> dict[str, Any]:
        """Return the columns of `ingest/series.parquet` that say the geometry."""
        origin, (z, y, x) = self.affine[:3, 3], self.spacing
        k, i, j = (self.affine[:3, :3] / self.spacing).T
        return {
            "z_mm": (origin[2] + self.affine[2, 0] * np.arange(self.shape[0])).tolist(),
            "rows": self.shape[1],
            "columns": self.shape[2],
            "slices": self.shape[0],
            "spacing_z": float(z),
            "spacing_y": float(y),
            "spacing_x": float(x),
            "origin": origin.tolist(),
            "direction": np.column_stack([j, i, k]).ravel().tolist(),
        }

    @property
    def spacing(self) -> np.ndarray:
        """Voxel size (z, y, x) in mm."""
        return voxel_sizes(self.affine)

    @property
    def orientation(self) -> np.ndarray:
        """The patient directions next to the axes, as nibabel writes an orientation [3, 2]."""
        return io_orientation(LPS_FROM_RAS @ self.affine)

    def slab(self, first: int, slices: int) -> "Geometry":
        """Return the geometry of so many slices from the first of them on."""
        offset = from_matvec(np.eye(3), [first, 0, 0])
        return Geometry((slices, *self.shape[1:]), self.affine @ offset)

    def distance(self, other: "Geometry") -> float:
        """Return how far apart in mm the two affines place a corner of this shape, at most."""
        corners = list(product(*((0, size - 1) for size in self.shape)))
        away = apply_affine(self.affine, corners) - apply_affine(other.affine, corners)
        return float(np.linalg.norm(away, axis=1).max())

    def same_place(self, other: "Geometry") -> bool:
        """Tell whether the two affines agree within half of the smallest voxel size at every corner of this shape."""
        return self.distance(other) <= SAME_PLACE_VOXELS * self.spacing.min()
