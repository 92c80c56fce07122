"""Get the real CT of the demo."""

from pathlib import Path

from explainct.data.demo.real_ct import fetch_real_ct
from explainct.runtime.job import job

with job(snakemake):
    fetch_real_ct(Path(snakemake.output.ct).parent)
