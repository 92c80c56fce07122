"""Checks of a NIfTI file: that it is whole, and that its voxels have one sure place in the patient."""

import gzip
import math
import os
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.affines import voxel_sizes
from nibabel.imageglobals import ErrorLevel
from nibabel.orientations import io_orientation
from nibabel.spatialimages import HeaderDataError

from explainct.data.ingest.affine import Geometry
from explainct.data.ingest.dicom_geometry_checks import AXIS_TOLERANCE
from explainct.data.ingest.dicom_header import SPACING_LIMITS_MM
from explainct.data.ingest.walk import printable

REPAIRED = 35
"""Severity of findings in a header that nibabel repairs and we reject, such as negative voxel sizes."""

CHUNK = 2**20
"""Bytes read at once; a multiple of the size of every type of voxel."""


def find_problem(folder: Path, path: Path) -> str:
    """Return what keeps a NIfTI file from being used, as the end of a sentence, or an empty string.

    The file is read to its end, since nothing else shows that a compressed file is whole.

    Args:
        folder: the archive's folder, out of which no link may lead.
        path: the file, relative to the folder.
    """
    file = folder / path
    if not Path(os.path.realpath(file)).is_relative_to(os.path.realpath(folder)):
        return f"is a link that leaves the folder {printable(folder)}"
    if not file.exists():
        return "is missing" if not file.is_symlink() else "is a link to a file that is missing"
    try:
        with ErrorLevel(REPAIRED):
            image = nib.load(file)
        return _header_problem(image) or _affine_problem(image) or _data_problem(file, image)
    except HeaderDataError as error:
        return f"has an invalid header ({error})"
    except Exception:  # nibabel lets errors of many kinds through: of gzip, zlib, its own, and of values
        return "cannot be read as NIfTI"


def _header_problem(image: nib.Nifti1Image) -> str:
    if len(image.shape) != 3 or min(image.shape) < 1:
        return f"is {' x '.join(map(str, image.shape))} voxels, where 3 dimensions were expected"
    dtype = image.get_data_dtype()
    if dtype.kind not in "iuf":
        return f"holds voxels of the type {image.header.get_value_label('datatype')}, where numbers were expected"
    unit = image.header.get_xyzt_units()[0]
    if unit not in ("mm", "unknown"):
        return f"has sizes in the unit {unit}, where mm was expected"
    return ""


def _affine_problem(image: nib.Nifti1Image) -> str:
    """Check that the affine is sure, regular and axial."""
    header = image.header
    if not (header["sform_code"] or header["qform_code"]):
        return "has no affine: its sform_code and qform_code are 0"
    if not np.isfinite(image.affine).all():
        return f"has an affine that is not finite: {image.affine[:3].tolist()}"
    sizes = voxel_sizes(image.affine)
    low, high = SPACING_LIMITS_MM
    if not low <= sizes.min() <= sizes.max() <= high:
        return f"has voxels of {_by(sizes)} mm, where {low:g} to {high:g} mm were expected"
    if not np.allclose(header.get_zooms(), sizes, rtol=1e-3, atol=0):
        return f"has voxels of {_by(header.get_zooms())} mm by its pixdim, but of {_by(sizes)} mm by its affine"
    axes = image.affine[:3, :3] / sizes
    nearest = np.rint(axes)
    if np.abs(axes - nearest).max() > AXIS_TOLERANCE or not np.isclose(abs(np.linalg.det(nearest)), 1):
        return f"has axes off those of the patient: {axes.T.round(4).tolist()}, where axial slices were expected"
    return _forms_problem(image) or _depth_problem(image)


def _forms_problem(image: nib.Nifti1Image) -> str:
    """Compare the two affines of a file, of which programs prefer one or the other."""
    header = image.header
    if not (header["sform_code"] and header["qform_code"]):
        return ""
    sform, qform = (Geometry(image.shape, affine) for affine in (header.get_sform(), header.get_qform()))
    return "" if sform.same_place(qform) else f"has an sform and a qform that differ by {sform.distance(qform):.2f} mm"


def _depth_problem(image: nib.Nifti1Image) -> str:
    vertical = int(np.flatnonzero(io_orientation(image.affine)[:, 0] == 2)[0])
    slices = image.shape[vertical]
    return "has only 1 slice (at least 2 expected)" if slices < 2 else ""


def _data_problem(path: Path, image: nib.Nifti1Image) -> str:
    """Read the file to its end, in pieces: its voxels, and behind them the check sum of a compressed file."""
    dtype = image.get_data_dtype()
    expected = left = math.prod(image.shape) * dtype.itemsize
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        file.seek(image.dataobj.offset)
        while left and (chunk := file.read(min(left, CHUNK))):
            left -= len(chunk)
            whole = len(chunk) // dtype.itemsize
            if dtype.kind == "f" and not np.isfinite(np.frombuffer(chunk, dtype, whole)).all():
                return "holds values that are not finite"
        while file.read(CHUNK):
            pass
    return f"is truncated: {expected} bytes of voxels expected, {expected - left} there" if left else ""


def _by(sizes: Sequence[float]) -> str:
    return " x ".join(f"{size:g}" for size in sizes)
