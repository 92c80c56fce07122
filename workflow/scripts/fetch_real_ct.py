"""Get the real CT of the demo."""

from pathlib import Path

from snakemake.script import snakemake

from due.ingest.demo import fetch_real_ct
from due.job import job

with job(snakemake.log[0]):
    fetch_real_ct(Path(snakemake.output.ct).parent)
