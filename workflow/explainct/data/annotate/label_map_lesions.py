"""From the label maps of the pancreas archives to the tables of the stage `annotate`: one lesion or organ a scan."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from explainct.data.annotate.annotated_slices import write_slices
from explainct.data.ingest.label_maps import TUMOUR, read_label
from explainct.data.samples.attributes import RATED, ratings_column
from explainct.data.samples.blocks import KEPT, box_columns
from explainct.errors import UserError
from explainct.runtime.files import write_parquet
from explainct.runtime.hdf5 import writing_hdf5
from explainct.runtime.volume import Box

log = logging.getLogger(__name__)


def extract_labels(
    *,
    series: pd.DataFrame,
    folders: Mapping[str, Path],
    lesions_file: Path,
    slices_file: Path,
    scans_file: Path,
    settings: Mapping[str, Any],
    **_: Any,
) -> None:
    """Write the pancreas of every accepted scan of the pancreas archives, and on which slices its tumour is annotated.

    The box of a scan is that of its label, organ and tumour together; the mask in it is the tumour's, which a normal
    pancreas does not have. The files have the form of those of `explainct.data.annotate.lidc_lesions`, with one reader.

    Args:
        series: table `series.parquet`; rows of other archives and rejected ones are left out.
        folders: the folder of each archive.
        lesions_file: becomes the table of lesions; `label` is 1 with a tumour, else 0.
        slices_file: becomes the HDF5 file of masks.
        scans_file: becomes the table of all series, used or not, with the reason.
        settings: the settings `annotate`; read is `keep_every`, the step between annotated slices.

    Raises:
        UserError: no scan is accepted, or a label does not fit its image any more.
    """
    scans = series[series["archive"].isin(list(folders)) & (series["verdict"] == "accepted")].sort_values("series_uid")
    if scans.empty:
        raise UserError(
            "No scan of the pancreas archives is accepted. The column `reason` of the table of series says why."
        )
    rows = []
    with writing_hdf5(slices_file) as file:
        for number, scan in enumerate(scans.to_dict("records"), 1):
            earlier = sum(row["patient_id"] == scan["patient_id"] for row in rows)
            name = f"{scan['patient_id']}-n{earlier}"
            label = read_label(folders[scan["archive"]], scan)
            row = _write_scan(file.create_group(name), scan, label, keep_every=settings["keep_every"])
            rows.append({"lesion_id": name, **row, "in_cohort": True, "reason": ""})
            if number % 20 == 0 or number == len(scans):
                log.info("%d of %d labels read", number, len(scans))
    write_parquet(pd.DataFrame(rows).sort_values("lesion_id", ignore_index=True), lesions_file)
    used = series["verdict"] == "accepted"
    write_parquet(series[["series_uid", "patient_id", "reason"]].assign(used=used), scans_file)


def _write_scan(group: h5py.Group, scan: Mapping[str, Any], label: np.ndarray, *, keep_every: int) -> dict[str, Any]:
    """Write the arrays of a scan and return its row of the table, but for its name and whether it is in the cohort."""
    box = _box_around(label)
    tumour = (label[box.slices] == TUMOUR).astype(np.uint8)
    ks = box.slices[0]
    counts, dropped = write_slices(
        group,
        readers=tumour[None],
        consensus=tumour,
        z_mm=scan["z_mm"][ks],
        instance_uids=scan["instance_uids"][ks],
        keep_every=keep_every,
    )
    hidden = np.zeros(label.shape, bool)
    hidden[box.slices] = (tumour > 0) & dropped[:, None, None]
    return {
        "patient_id": scan["patient_id"],
        "series_uid": scan["series_uid"],
        "label": int(tumour.any()),
        "readers": 1,
        "malignancy": np.nan,
        **{ratings_column(name): [] for name in RATED},
        "spacing_z": scan["spacing_z"],
        "spacing_y": scan["spacing_y"],
        "spacing_x": scan["spacing_x"],
        "scan_slices": scan["slices"],
        "scan_rows": scan["rows"],
        "scan_columns": scan["columns"],
        "scan_z_mm": scan["z_mm"],
        **box_columns(box),
        **box_columns(_box_around(np.where(hidden, 0, label)), KEPT),
        **counts,
    }


def _box_around(label: np.ndarray) -> Box:
    """Return the smallest box around all voxels of a label."""
    filled = label > 0
    limits = [np.flatnonzero(filled.any(axis=others))[[0, -1]] for others in ((1, 2), (0, 2), (0, 1))]
    return Box(tuple(int(low) for low, _ in limits), tuple(int(high) + 1 for _, high in limits))
