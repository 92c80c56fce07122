"""The series of the two pancreas archives, with the label map of each."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from explainct.data.ingest.dicom_index import index_dicom
from explainct.data.ingest.label_maps import match_msd_labels, match_nih_labels
from explainct.data.ingest.nifti_io import index_nifti

NIH_PATIENTS = r"PANCREAS_\d{4}"
"""Patient ids of NIH Pancreas-CT: public, and by them labels find their images."""


def index_msd(folder: Path, *, exclude: Sequence[str], on_problem: str) -> pd.DataFrame:
    """Find and check the images of Decathlon Task07 and their labels.

    Args, columns and errors are those of `explainct.data.ingest.nifti_io.index_nifti`.
    """
    table = index_nifti(folder, exclude=exclude, on_problem=on_problem)
    return match_msd_labels(folder, table, on_problem=on_problem)


def index_nih(folder: Path, *, exclude: Sequence[str], on_problem: str) -> pd.DataFrame:
    """Find and check the series of NIH Pancreas-CT and their labels.

    Args, columns and errors are those of `explainct.data.ingest.dicom_index.index_dicom`.
    """
    table = index_dicom(folder, exclude=exclude, on_problem=on_problem, patient_pattern=NIH_PATIENTS)
    return match_nih_labels(folder, table, on_problem=on_problem)
