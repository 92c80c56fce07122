"""Write filled lesions: annotations in the format that was read, and probability and variance as NIfTI."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
from nibabel.affines import apply_affine

from explainct.data.annotate.formats.outlines import Annotation, Outlines
from explainct.data.annotate.formats.read import Reading
from explainct.data.export.formats.write import write_filled
from explainct.data.ingest.affine import LPS_FROM_RAS
from explainct.data.ingest.user_scan import Scan
from explainct.errors import UserError
from explainct.predict.choose import FilledLesion
from explainct.predict.read_back import read_back
from explainct.runtime.files import replacing


class Written(NamedTuple):
    """What was written: for each lesion the name of its file and what that holds of it, and what is to be said."""

    names: list[str]
    shapes: list[Outlines]
    notes: list[str]


def write_all(
    annotations: Sequence[Annotation],
    filled: Sequence[FilledLesion],
    scan: Scan,
    folder: Path,
    reading: Reading,
    identity: str,
) -> Written:
    """Write a filled file for each one that was read and holds a gap, and read it back.

    Args:
        annotations: what was read.
        filled: all of its lesions, in order.
        scan: the scan.
        folder: where files go.
        reading: how annotations were read.
        identity: what DICOM files say of the patient: `copy` or `none`.

    Raises:
        UserError: two files have one name, or a written file does not hold what was filled.
    """
    written = Written([], [], [])
    places = iter(filled)
    for found in annotations:
        own = [next(places) for _ in found.outlines]
        path = folder / _filled_name(found.path.name)
        if path.exists():
            raise UserError(
                f"Two annotations are called {found.path.name}, and both become {path}. Rename one of them."
            )
        with_gaps = {one.lesion.outlines.key for one in own if one.lesion.gaps()}
        masks = [one.mask for one in own if one.lesion.outlines.key in with_gaps]
        shapes, said = {}, [f"{found.path.name} holds no gap to fill, and no file was written for it."]
        if masks:
            write_filled(found, masks, scan, path, identity=identity)
            shapes, said = read_back(found, masks, scan, path, reading)
        written.names.extend([path.name if masks else ""] * len(own))
        written.shapes.extend(shapes.get(one.lesion.outlines.key) or one.lesion.outlines for one in own)
        written.notes.extend([*found.notes, *said])
    return written


def _filled_name(name: str) -> str:
    """Return the name of a filled file.

    >>> _filled_name("plan.v2.seg.nrrd"), _filled_name("RS"), _filled_name("a.nii.gz")
    ('plan.v2_filled.seg.nrrd', 'RS_filled', 'a_filled.nii.gz')
    """
    stem, suffixes = re.fullmatch(r"(.+?)((?:\.seg)?\.\w+(?:\.gz)?)?", name).groups(default="")
    return f"{stem}_filled{suffixes}"


def write_volumes(filled: Sequence[FilledLesion], scan: Scan, folder: Path) -> None:
    """Write probability and variance of each lesion over its box, NIfTI at its place in the scan.

    Args:
        filled: the lesions.
        scan: the scan.
        folder: where files go.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for number, one in enumerate(filled, start=1):
        affine = scan.geometry.affine.copy()
        affine[:3, 3] = apply_affine(affine, one.lesion.box.start)
        affine = LPS_FROM_RAS @ affine[:, [2, 1, 0, 3]]
        name = re.sub(r"[^A-Za-z0-9_.-]+", "_", one.lesion.outlines.lesion).strip("_.") or "lesion"
        for what in ("probability", "variance"):
            array = getattr(one, what).astype(np.float32).transpose(2, 1, 0)
            with replacing(folder / f"{number:03}_{name}_{what}.nii.gz") as temporary:
                nib.save(nib.Nifti1Image(array, affine), temporary)
