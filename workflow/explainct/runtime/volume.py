"""Volumes in the scanner's space: voxels with spacing, origin and direction in mm, one reader and one writer."""

import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from explainct.errors import UserError
from explainct.runtime.files import MEBIBYTE, disk_full_message, replacing


@dataclass(frozen=True)
class Box:
    """A box of voxels, half-open: `start` is inside, `stop` is not. Both are indices (k, i, j)."""

    start: tuple[int, int, int]
    stop: tuple[int, int, int]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of voxels along (k, i, j)."""
        k, i, j = (stop - start for start, stop in zip(self.start, self.stop, strict=True))
        return k, i, j

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """The box as an index into an array [D, H, W]."""
        k, i, j = (slice(start, stop) for start, stop in zip(self.start, self.stop, strict=True))
        return k, i, j

    def shifted(self, offset: tuple[int, int, int]) -> "Box":
        """Return the box moved by `offset` voxels (k, i, j)."""
        return Box(tuple(np.add(self.start, offset).tolist()), tuple(np.add(self.stop, offset).tolist()))

    def overlap(self, other: "Box") -> "Box":
        """Return what two boxes have in common; a box of no voxel where that is nothing."""
        start, stop = np.maximum(self.start, other.start), np.minimum(self.stop, other.stop)
        return Box(tuple(start.tolist()), tuple(np.maximum(start, stop).tolist()))

    def seen_from(self, other: "Box") -> "Box":
        """Return the box in indices that count from the first voxel of another one."""
        return self.shifted(tuple(np.negative(other.start).tolist()))

    def inside(self, shape: tuple[int, int, int]) -> bool:
        """Tell whether the box lies wholly in an array of `shape` voxels."""
        return min(self.start) >= 0 and all(stop <= size for stop, size in zip(self.stop, shape, strict=True))


@dataclass(frozen=True)
class Volume:
    """A 3D array with its place in the patient.

    Attributes:
        array: voxels of shape [D, H, W]; D counts slices, H rows, W columns.
        spacing: voxel size (z, y, x) in mm.
        origin: patient position (x, y, z) in mm of the centre of voxel [0, 0, 0].
        direction: 9 numbers, the row-major matrix whose columns are the directions of the x, y and z index.
    """

    array: np.ndarray
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)
    direction: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)

    def position(self, index: tuple[float, float, float]) -> tuple[float, float, float]:
        """Return the patient position (x, y, z) in mm of the voxel `index` (k, i, j), which may be fractional."""
        offset = np.multiply(index[::-1], self.spacing[::-1])
        x, y, z = np.asarray(self.origin) + np.reshape(self.direction, (3, 3)) @ offset
        return float(x), float(y), float(z)

    def crop(self, box: Box) -> "Volume":
        """Return the voxels inside `box`, at the same place in the patient."""
        return Volume(self.array[box.slices], self.spacing, self.position(box.start), self.direction)


def read_volume(path: str | Path) -> Volume:
    """Read an image file that SimpleITK knows (NIfTI, NRRD, MetaImage) as a volume [D, H, W]."""
    image = sitk.ReadImage(str(path))
    return Volume(
        array=sitk.GetArrayFromImage(image),
        spacing=image.GetSpacing()[::-1],
        origin=image.GetOrigin(),
        direction=image.GetDirection(),
    )


def write_volume(volume: Volume, path: str | Path) -> None:
    """Write a volume to an image file whose format follows from the suffix (`.nii.gz` keeps the affine).

    Raises:
        UserError: no space was left on the device.
    """
    image = sitk.GetImageFromArray(np.ascontiguousarray(volume.array))
    image.SetSpacing([float(size) for size in volume.spacing[::-1]])
    image.SetOrigin(volume.origin)
    image.SetDirection(volume.direction)
    with replacing(path) as temporary:
        sitk.WriteImage(image, str(temporary))
        if not holds_image(temporary, image):
            raise UserError(disk_full_message(Path(path)))


def holds_image(path: Path, image: sitk.Image) -> bool:
    """Tell whether a file holds the voxels of `image`: ITK takes a NIfTI file that a full disk cut for a success."""
    try:
        if path.suffix == ".gz":
            with gzip.open(path) as file:  # to the checksum at its end, which ITK passes over
                while file.read(MEBIBYTE):
                    pass
        written = sitk.ReadImage(str(path))
    except (EOFError, OSError, RuntimeError):
        return False
    return np.array_equal(*map(sitk.GetArrayViewFromImage, (written, image)), equal_nan=True)
