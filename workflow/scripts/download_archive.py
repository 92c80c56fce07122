"""Download a public archive, verified."""

from pathlib import Path

from explainct.data.download.archive import download_archive
from explainct.runtime.job import job

with job(snakemake):
    download_archive(
        archive=snakemake.wildcards.archive,
        folder=Path(snakemake.params.folder),
        receipt=Path(snakemake.output[0]),
        connections=snakemake.threads,
    )
