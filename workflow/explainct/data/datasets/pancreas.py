"""The pancreas dataset: scans with a tumour (Decathlon Task07) against scans without one (NIH Pancreas-CT)."""

from explainct.data.datasets.dataset import Archive, Dataset

PANCREAS = Dataset(
    name="pancreas",
    title="pancreatic tumours (MSD) against healthy pancreases (NIH)",
    archives=(
        Archive(
            name="msd_pancreas",
            title="Medical Segmentation Decathlon Task07: NIfTI in `imagesTr` and `labelsTr`; tumours",
            scans=281,
            disk_mb=25_000,  # the archive file and what is in it, for a while; its size is from memory
            licence="CC BY-SA 4.0",
            doi="10.1038/s41467-022-30695-9",
            index="explainct.data.ingest.pancreas_series:index_msd",
            downloadable=True,
        ),
        Archive(
            name="nih_pancreas",
            title="NIH Pancreas-CT: DICOM series and their labels, NIfTI or DICOM SEG; no tumours",
            scans=80,
            disk_mb=11_000,
            licence="CC BY 3.0",  # its labels: CC BY 4.0, 10.5281/zenodo.12130275
            doi="10.7937/k9/tcia.2016.tnb1kqbu",
            index="explainct.data.ingest.pancreas_series:index_nih",
            downloadable=True,
        ),
    ),
    extract="explainct.data.annotate.label_map_lesions:extract_labels",
    annotate_settings=("keep_every",),
    positive="pancreas with a tumour",
    negative="pancreas without a tumour",
    published="pancreas",
    public=True,
)
