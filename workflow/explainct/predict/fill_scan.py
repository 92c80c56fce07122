"""Fill the annotation of one scan: files in, files in the same formats out, with a page that says how sure they are."""

import hashlib
import logging
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from explainct.data.annotate.formats.read import Reading, annotation_files, named_series, read_annotation
from explainct.data.export.structured_report import MeasuredLesion, write_structured_report
from explainct.data.ingest.user_scan import read_scan
from explainct.due.interpolation_study.classical_methods import available_values
from explainct.due.uncertainty.fill_gaps import load_filler
from explainct.errors import UserError
from explainct.predict.choose import FilledLesion, fill_all
from explainct.predict.fill_lesions import Lesion, lesion_on
from explainct.predict.fill_report import NOTE, fill_page
from explainct.predict.fill_tables import lesion_rows, self_test_rows, slices_to_review
from explainct.predict.preview import draw_preview
from explainct.predict.write_lesions import write_all, write_volumes
from explainct.runtime.device import choose_compute
from explainct.runtime.files import write_csv, write_json, write_text
from explainct.seeds import torch_generator

log = logging.getLogger(__name__)

SETTINGS = {
    "predictor": {"filled_by": "predictor", "latent_at_inference": "mean"},
    "diffusion": {"filled_by": "diffusion", "estimate": "expectation"},
}
"""How each shipped model answers, see `load_filler`."""

PACKAGES = ("highdicom", "nibabel", "numpy", "pydicom", "simpleitk", "torch")
"""Packages whose versions are recorded."""


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
        filled_folder: filled annotations, `<name>_filled` with the suffix of the input; for a DICOM scan also
            `measurements_sr.dcm`, a structured report.
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
    lesions = [lesion_on(one, image) for found in annotations for one in found.outlines]
    _check_gaps(lesions, annotation, [note for one in annotations for note in one.notes])
    compute = choose_compute(device, threads)
    filler = None if model_file is None else load_filler(model_file, SETTINGS[model], compute.device)
    peer = available_values().get("morphological_filled")
    filled, bias = fill_all(lesions, filler, peer, torch_generator(seed, "fill", device=compute.device))
    log.info("%d lesions, %d gaps filled", len(filled), sum(len(one.lesion.gaps()) for one in filled))
    written = write_all(annotations, filled, image, filled_folder, reading, identity)
    for note in written.notes:
        log.warning("%s", note)
    write_volumes(filled, image, volumes_folder)
    draw_preview(filled, written.shapes, image, preview_file)
    record = {
        "model": model,
        "model_sha256": _sha256(model_file) if model_file else "",
        "signed_distance_bias_pixels": round(bias, 2),
        "formats": [found.format for found in annotations],
        "annotation_sha256": [_sha256(path) for path in files],
        "identity": identity,
        "seed": seed,
        "device": str(compute.device),
        "versions": {name: version(name) for name in PACKAGES},
    }
    answer = {
        "note": NOTE,
        "lesions": lesion_rows(filled, written.names, image, seed=seed),
        "self_test": self_test_rows(filled),
        "review": slices_to_review(filled, image).to_dict("records"),
        "notes": written.notes,
    }
    if image.is_dicom:
        measured = [_measured(one, row) for one, row in zip(filled, answer["lesions"], strict=True)]
        write_structured_report(measured, image, filled_folder / "measurements_sr.dcm", identity=identity)
    write_csv(pd.DataFrame(answer["lesions"]), lesions_file)
    write_json(answer, json_file)
    write_text(fill_page(answer, record, preview_file), report_file)
    write_json(record | {"seconds": round(time.monotonic() - began, 1)}, record_file)


def _check_gaps(lesions: Sequence[Lesion], annotation: str, notes: Sequence[str]) -> None:
    """Check that there is something to fill."""
    if not any(lesion.gaps() for lesion in lesions):
        why = f" {notes[0]}" if notes else ""
        what = f"{len(lesions)} lesions and no slice to fill between outlined ones" if lesions else "no lesion"
        raise UserError(f"Annotation {annotation} holds {what}.{why}")


def _measured(one: FilledLesion, row: Mapping[str, Any]) -> MeasuredLesion:
    """Return a lesion with the numbers of its row."""
    names = ("volume_mm3", "long_mm", "short_mm", "diameter_mm")
    return MeasuredLesion(one.lesion.outlines.lesion, one.mask, **{name: row[name] for name in names})


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
