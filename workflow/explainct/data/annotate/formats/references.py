"""Whether a DICOM annotation was drawn on a scan: by what it names, never by its place alone."""

from collections.abc import Collection
from pathlib import Path

from explainct.data.ingest.user_scan import Scan
from explainct.data.ingest.walk import printable
from explainct.errors import UserError


def check_reference(path: Path, scan: Scan, *, series_uids: Collection[str], frame_uids: Collection[str]) -> list[str]:
    """Check that an annotation names the scan's series or else its frame of reference, which it says in a note.

    Args:
        path: the annotation's file.
        scan: the scan.
        series_uids: the series that it names.
        frame_uids: the frames of reference that it names.

    Raises:
        UserError: it names neither the scan's series nor its frame.
    """
    if not scan.is_dicom:
        raise UserError(
            f"{printable(path)} is a DICOM annotation, and the scan {printable(scan.path)} a NIfTI file, which does "
            "not say its series. Give the folder of the DICOM series that it was drawn on."
        )
    if scan.series_uid in series_uids:
        return []
    if scan.frame_uid in frame_uids:
        named = f"names the series {min(series_uids)}" if series_uids else "names no series"
        return [f"{printable(path)} {named}; it was taken by its frame of reference, which is that of the scan."]
    named = " and ".join(sorted(series_uids)[:2] or sorted(frame_uids)[:2]) or "nothing"
    what, own = ("series", scan.series_uid) if series_uids else ("frame of reference", scan.frame_uid)
    raise UserError(
        f"{printable(path)} names the {what} {named}, the scan has {own}. Give the scan that it was drawn on."
    )
