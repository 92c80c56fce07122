"""Write filled lesions in the format of the file that they were read from, beside what else it held."""

from pathlib import Path

from explainct.data.annotate.formats.outlines import Annotation
from explainct.data.export.formats.filled import FilledMask
from explainct.data.export.formats.label_map_writer import write_nifti_labels, write_nrrd_labels
from explainct.data.export.formats.points_writer import write_points
from explainct.data.export.formats.rtstruct_writer import write_rtstruct
from explainct.data.export.formats.seg_writer import write_seg
from explainct.data.ingest.user_scan import Scan


def write_filled(annotation: Annotation, lesions: list[FilledMask], scan: Scan, path: Path, *, identity: str) -> None:
    """Write a file like the one that was read with filled lesions more; that one is left as it is.

    Args:
        annotation: what was read.
        lesions: its lesions with their gaps filled.
        scan: the scan.
        path: the file to write.
        identity: whether DICOM objects keep the patient's name and all else (`copy`) or nothing of it (`none`).
    """
    if annotation.format == "rtstruct":
        write_rtstruct(annotation.path, lesions, scan, path, identity=identity)
    elif annotation.format == "seg":
        write_seg(annotation.path, lesions, scan, path, identity=identity)
    else:
        write = {"nifti": write_nifti_labels, "nrrd": write_nrrd_labels, "csv": write_points}[annotation.format]
        write(annotation.path, lesions, scan, path)
