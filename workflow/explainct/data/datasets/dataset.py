"""What a dataset is: one object that says where its scans and annotations are, and how they are read.

Functions are named as `module:function`, so that a description imports nothing, and a job depends on just those that
it calls.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Archive:
    """A folder of scans, as it is published.

    Attributes:
        name: its key under the setting `ingest.archives`.
        title: its name in words.
        scans: how many CT scans are published. The number of shards follows from it, whatever lies in the folder.
        disk_mb: disk that its download needs (MB, 10^6 bytes).
        licence: under which it may be used.
        doi: what to cite.
        index: function `(folder, *, exclude, on_problem)` that returns the rows of `ingest/series.parquet` but for the
            column `archive`; `explainct.data.ingest.dicom_index.index_dicom` describes them.
        downloadable: whether there is a manifest `data/download/manifests/<name>.csv`, by which it is downloaded.
    """

    name: str
    title: str
    scans: int
    disk_mb: int
    licence: str
    doi: str
    index: str
    downloadable: bool = False


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Scans with annotations that make one table of samples.

    Attributes:
        name: its key in the registry.
        title: its name in words.
        archives: where its scans are.
        extract: function that writes lesions, annotated slices and the scans that are used; it takes the arguments of
            `explainct.data.annotate.lidc_lesions.extract_contours` but for `database`.
        annotate_settings: settings of the section `annotate` that `extract` reads.
        positive: what a sample of label 1 shows.
        negative: what a sample of label 0 shows.
        published: its key in `report/audit/due_table1.yaml`, whose numbers stand beside Table 1; None: there are none.
        public: whether anyone may get its images; if not, nothing of them goes to a cache that others read.
        generated: whether the workflow writes its images itself, into `results/<dataset>/dicom`.
        cohort: the cohort in words; `{dataset}` stands for the setting `dataset`.
    """

    name: str
    title: str
    archives: tuple[Archive, ...]
    extract: str
    annotate_settings: tuple[str, ...]
    positive: str
    negative: str
    published: str | None = None
    public: bool = False
    generated: bool = False
    cohort: str = "cohort {dataset}"

    def archive(self, name: str) -> Archive:
        """Return one of the archives by name."""
        return next(archive for archive in self.archives if archive.name == name)


def module_of(function: str) -> str:
    """Return the module of a function that is named as `module:function`.

    >>> module_of("explainct.data.ingest.dicom_index:index_dicom")
    'explainct.data.ingest.dicom_index'
    """
    return function.partition(":")[0]
