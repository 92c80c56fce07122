"""Fill the annotation of one scan: files in, files in the same formats out, with a page that says how sure they are."""

import hashlib
import logging
import re
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.affines import apply_affine

from explainct.data.annotate.formats.outlines import Annotation, Outlines
from explainct.data.annotate.formats.read import Reading, annotation_files, named_series, read_annotation
from explainct.data.export.formats.write import write_filled
from explainct.data.ingest.affine import LPS_FROM_RAS
from explainct.data.ingest.user_scan import Scan, read_scan
from explainct.due.interpolation_study.classical_methods import available_values
from explainct.due.uncertainty.fill_gaps import load_filler
from explainct.errors import UserError
from explainct.predict.choose import FilledLesion, fill_all
from explainct.predict.fill_lesions import lesion_on
from explainct.predict.fill_report import NOTE, fill_page
from explainct.predict.fill_tables import as_table, lesion_rows, self_test_rows, slices_to_review
from explainct.predict.preview import draw_preview
from explainct.predict.read_back import read_back
from explainct.runtime.device import choose_compute
from explainct.runtime.files import replacing, write_csv, write_json, write_text
from explainct.seeds import torch_generator

log = logging.getLogger(__name__)

SETTINGS = {
    "predictor": {"filled_by": "predictor", "latent_at_inference": "mean"},
    "diffusion": {"filled_by": "diffusion", "estimate": "expectation"},
}
"""How each shipped model answers, see `load_filler`."""


def fill_scan(
    *,
    scan: str,
    annotation: str,
    roi: str,
    ignore_label: int | None,
    slices: Sequence[int],
    snap: bool,
    model: str,
    model_file: Path | None,
    identity: str,
    seed: int,
    device: str,
    threads: int,
    filled_folder: Path,
    volumes_folder: Path,
    lesions_file: Path,
    json_file: Path,
    preview_file: Path,
    report_file: Path,
    record_file: Path,
) -> None:
    """Fill the gaps between the outlined slices of a scan's lesions, and test that on the outlined slices themselves.

    Args:
        scan: folder of a DICOM series, or NIfTI file.
        annotation: file or folder.
        roi: regular expression of the names of lesions; empty for all.
        ignore_label: value of a label map that marks slices without annotation.
        slices: annotated slices, counted from 1; empty for those that the files imply.
        snap: take contours off the slices to the nearest one.
        model: `predictor`, `diffusion` or `sdf`.
        model_file: the shipped model; None for `sdf`.
        identity: what filled DICOM files say of the patient: `copy` or `none`.
        seed: seed of the diffusion's noise and of the draws of intervals.
        device: where to compute.
        threads: CPU threads.
        filled_folder: filled annotations, `<name>_filled` with the suffix of the input.
        volumes_folder: probability and variance of each lesion, NIfTI over its box.
        lesions_file: becomes the table of lesions, CSV.
        json_file: the same as JSON, with the test and the slices to review.
        preview_file: becomes the picture.
        report_file: becomes the page.
        record_file: becomes the record of versions, hashes and seconds.

    Raises:
        UserError: no scan is given, scan or annotation cannot be used, or no lesion has a gap.
    """
    began = time.monotonic()
    if not scan:
        raise UserError(
            "There is no scan to fill. Give a scan and an annotation, as in "
            '--config "fill={scan: CT, annotation: outlines.dcm}", or a sheet: docs/fill.md.'
        )
    log.info("%s", NOTE)
    files = annotation_files(Path(annotation))
    image = read_scan(Path(scan), named_series(files))
    reading = Reading(roi, ignore_label, tuple(number - 1 for number in slices), snap)
    annotations = [read_annotation(path, image, reading) for path in files]
    notes = [note for one in annotations for note in one.notes]
    lesions = [lesion_on(one, image) for found in annotations for one in found.outlines]
    _check_gaps(lesions, annotation, notes)
    compute = choose_compute(device, threads)
    filler = None if model_file is None else load_filler(model_file, SETTINGS[model], compute.device)
    peer = available_values().get("morphological_filled")
    filled, bias = fill_all(lesions, filler, peer, torch_generator(seed, "fill", device=compute.device))
    log.info("%d lesions, %d gaps filled", len(filled), sum(len(one.lesion.gaps()) for one in filled))
    names, written = [], []
    places = iter(filled)
    for found in annotations:
        own = [next(places) for _ in found.outlines]
        file, shapes, said = _write(found, own, image, filled_folder, reading, identity)
        names += [file] * len(own)
        written += [shapes[one.lesion.outlines.key] for one in own]
        notes += said
    for note in notes:
        log.warning("%s", note)
    _write_volumes(filled, image, volumes_folder)
    draw_preview(filled, written, image, preview_file)
    rows, tested = lesion_rows(filled, names, image, seed=seed), self_test_rows(filled)
    review = slices_to_review(filled, image)
    write_csv(as_table(rows), lesions_file)
    content = {"note": NOTE, "lesions": rows, "self_test": tested, "review": review.to_dict("records"), "notes": notes}
    write_json(content, json_file)
    record = {
        "model": model,
        "model_sha256": _sha256(model_file) if model_file else "",
        "signed_distance_bias_pixels": round(bias, 2),
        "formats": [found.format for found in annotations],
        "annotation_sha256": [_sha256(path) for path in files],
        "identity": identity,
        "seed": seed,
        "device": str(compute.device),
        "versions": {
            name: version(name) for name in ("highdicom", "nibabel", "numpy", "pydicom", "simpleitk", "torch")
        },
    }
    text = fill_page(
        lesions=as_table(rows),
        self_test=as_table(tested),
        review=review,
        notes=notes,
        record=record,
        preview_file=preview_file,
    )
    write_text(text, report_file)
    write_json(record | {"seconds": round(time.monotonic() - began, 1)}, record_file)


def _check_gaps(lesions: Sequence[Any], annotation: str, notes: Sequence[str]) -> None:
    """Check that there is something to fill."""
    if not any(lesion.gaps() for lesion in lesions):
        why = f" {notes[0]}" if notes else ""
        what = f"{len(lesions)} lesions and no slice to fill between outlined ones" if lesions else "no lesion"
        raise UserError(f"Annotation {annotation} holds {what}.{why}")


def _write(
    found: Annotation, filled: Sequence[FilledLesion], scan: Scan, folder: Path, reading: Reading, identity: str
) -> tuple[str, Mapping[object, Outlines], list[str]]:
    """Write the filled annotation of one file, read it back, and return its name and what it holds by key."""
    name, suffixes = re.fullmatch(r"(.*?)((?:\.seg)?\.\w+(?:\.gz)?)?", found.path.name).groups(default="")
    path = folder / f"{name}_filled{suffixes}"
    if path.exists():
        raise UserError(f"Two annotations are called {found.path.name}. Rename one of them, since both become {path}.")
    with_gaps = {one.lesion.outlines.key for one in filled if one.lesion.gaps()}
    masks = [one.mask for one in filled if one.lesion.outlines.key in with_gaps]
    write_filled(found, masks, scan, path, identity=identity)
    shapes, said = read_back(found, masks, scan, path, reading)
    for one in filled:
        shapes.setdefault(one.lesion.outlines.key, one.lesion.outlines)
    return path.name, shapes, said


def _write_volumes(filled: Sequence[FilledLesion], scan: Scan, folder: Path) -> None:
    """Write probability and variance of each lesion over its box, with the place of the scan."""
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


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
