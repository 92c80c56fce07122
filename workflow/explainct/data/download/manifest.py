"""The manifests: which series each public archive holds, and where they lie."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from explainct.errors import UserError

MANIFESTS = Path(__file__).parent / "manifests"


def read_manifest(file: Path, patients: Sequence[str] = ()) -> pd.DataFrame:
    """Read a manifest, one row per series, limited to `patients` where any are named.

    Returns:
        `series_uid`, `patient_id`, `modality`, `instances` (files), `size_mb` (10^6 bytes), `url`, `licence` and `doi`;
        for the Decathlon's one archive file `series_uid`, `modality`, `scans` (with labels), `url`, `md5`,
        `licence` and `doi`.

    Raises:
        UserError: there is no such manifest, or it does not hold a patient.
    """
    if not file.is_file():
        known = ", ".join(sorted(path.stem for path in MANIFESTS.glob("*.csv")))
        raise UserError(f"`{file.stem}` is no archive that can be downloaded. Choose one of {known}.")
    table = pd.read_csv(file, keep_default_na=False)
    if not patients:
        return table
    unknown = sorted(set(patients) - set(table.get("patient_id", ())))
    if unknown:
        raise UserError(f"{file.stem} has no patient `{unknown[0]}`. Choose patients of {file}, or none for all.")
    return table[table["patient_id"].isin(list(patients))]
