"""Download a public archive, verified."""

from explainct.data.download.archive import download_archive
from explainct.runtime.job import run

run(download_archive, snakemake)
