"""Writing the manifests anew from two packages: `PYTHONPATH=workflow python -m explainct.data.download.make_manifests`.

Series, patients, sizes, addresses and licences of the Imaging Data Commons are those of idc-index-data; address and MD5
of the Decathlon's file are those of monai. Its licence and DOI stand in neither: they are written down from memory.
"""

from pathlib import Path

import idc_index_data
import pandas as pd
from monai.apps.datasets import DecathlonDataset

from explainct.data.download.manifest import MANIFESTS
from explainct.runtime.files import write_csv

COLLECTIONS = {"lidc": ("lidc_idri", ["CT"]), "nih_pancreas": ("pancreas_ct", ["CT", "SEG"])}
COLUMNS = {
    "SeriesInstanceUID": "series_uid",
    "PatientID": "patient_id",
    "Modality": "modality",
    "instanceCount": "instances",
    "series_size_MB": "size_mb",
    "series_aws_url": "url",
    "license_short_name": "licence",
    "source_DOI": "doi",
}
TASK = "Task07_Pancreas"


def make_manifests(folder: Path) -> None:
    """Write the manifest of each archive into `folder`."""
    for archive, (collection, modalities) in COLLECTIONS.items():
        wanted = [("collection_id", "==", collection), ("Modality", "in", modalities)]
        index = pd.read_parquet(idc_index_data.IDC_INDEX_PARQUET_FILEPATH, columns=list(COLUMNS), filters=wanted)
        table = index.rename(columns=COLUMNS).sort_values(["patient_id", "series_uid"])
        table["url"] = table["url"].str.removesuffix("*")
        table["size_mb"] = table["size_mb"].map("{:.6f}".format)  # to the byte
        write_csv(table, folder / f"{archive}.csv")
    task = {
        "series_uid": TASK,
        "modality": "CT",
        "scans": 281,  # those with labels, as the DUE paper counts them
        "url": DecathlonDataset.resource[TASK],
        "md5": DecathlonDataset.md5[TASK],
        "licence": "CC BY-SA 4.0",
        "doi": "10.1038/s41467-022-30695-9",
    }
    write_csv(pd.DataFrame([task]), folder / "msd_pancreas.csv")


if __name__ == "__main__":
    make_manifests(MANIFESTS)
