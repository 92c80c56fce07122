"""Get the real CT of the demo."""

from pathlib import Path

from due.ingest.source import fetch_real_ct
from due.job import job

with job(snakemake):
    fetch_real_ct(Path(snakemake.output.ct).parent)
