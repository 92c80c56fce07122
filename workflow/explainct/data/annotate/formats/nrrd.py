"""Segments of 3D Slicer's `.seg.nrrd`, and label maps in other NRRD files, on the slices of the scan."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from nibabel.affines import from_matvec

from explainct.data.annotate.formats.label_map import label_values, on_scan, outline_values
from explainct.data.annotate.formats.outlines import Annotation
from explainct.data.ingest.user_scan import Scan
from explainct.data.ingest.walk import printable
from explainct.errors import UserError


@dataclass(frozen=True)
class Segment:
    """A segment of a `.seg.nrrd`.

    Attributes:
        number: its number in the keys `Segment<number>_...`.
        name: what Slicer shows.
        layer: component of the image that holds it; segments that overlap lie in different layers.
        value: its value in that layer.
    """

    number: int
    name: str
    layer: int
    value: int


@dataclass(frozen=True, eq=False)
class NrrdLabels:
    """The voxels of a NRRD file.

    Attributes:
        layers: label maps [L, D, H, W] along the axes of the file.
        affine: 4 x 4, takes an index [D, H, W] of the file to the patient position in mm, LPS.
        header: all keys with their values, as text.
    """

    layers: np.ndarray
    affine: np.ndarray
    header: Mapping[str, str]

    @property
    def segments(self) -> list[Segment]:
        """The segments that Slicer's keys describe, none in other files."""
        numbers = sorted(int(found[1]) for key in self.header if (found := re.fullmatch(r"Segment(\d+)_ID", key)))
        return [
            Segment(
                number,
                self.header.get(f"Segment{number}_Name", "").strip() or f"segment {number}",
                int(self.header.get(f"Segment{number}_Layer", 0)),
                int(self.header.get(f"Segment{number}_LabelValue", 1)),
            )
            for number in numbers
        ]


def load_nrrd(path: Path) -> NrrdLabels:
    """Read a NRRD file of three axes, with one or several layers.

    Raises:
        UserError: it cannot be read, or has other axes.
    """
    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError:
        raise UserError(f"{printable(path)} cannot be read as NRRD; export it again.") from None
    if image.GetDimension() != 3 or "float" in image.GetPixelIDTypeAsString():
        kind = f"{image.GetDimension()} axes of {image.GetPixelIDTypeAsString()}"
        raise UserError(f"{printable(path)} has {kind}; a label map of three axes in whole numbers was expected.")
    array = sitk.GetArrayFromImage(image)
    layers = array[None] if array.ndim == 3 else np.moveaxis(array, -1, 0)  # [D, H, W, L] to [L, D, H, W]
    axes = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()  # columns x, y, z of the index
    affine = from_matvec(axes[:, ::-1], image.GetOrigin())
    keys = [key for key in image.GetMetaDataKeys() if not key.startswith("ITK_")]  # those ITK adds itself
    return NrrdLabels(layers, affine, {key: image.GetMetaData(key) for key in keys})


def read_nrrd(path: Path, scan: Scan, *, roi: str, ignore_label: int | None) -> Annotation:
    """Read each segment of a `.seg.nrrd`, or each value of another NRRD file, as one name.

    The file may be cropped to its segments: it is laid on the scan by its origin. A slice is annotated where it holds a
    voxel of the segment, or, with an ignore label, where its layer does not hold that value.

    Args:
        path: the file.
        scan: the scan.
        roi: regular expression of the names to read.
        ignore_label: value that marks slices without annotation.

    Raises:
        UserError: the file cannot be read, lies off the scan, or its values are no labels.
    """
    content = load_nrrd(path)
    outlines, notes = [], []
    for number, layer in enumerate(content.layers):
        labels, said = on_scan(layer, content.affine, scan, path)
        notes += said
        names = {one.value: one.name for one in content.segments if one.layer == number}
        keys = {one.value: one.number for one in content.segments if one.layer == number}
        if not content.segments:
            names = {value: f"label {value}" for value in label_values(labels, path)}
        found, said = outline_values(labels, names, roi=roi, ignore_label=ignore_label, where=printable(path))
        notes += said
        outlines += [replace(one, key=keys.get(one.key, one.key)) for one in found]
    return Annotation(path, "nrrd", outlines, list(dict.fromkeys(notes)))
