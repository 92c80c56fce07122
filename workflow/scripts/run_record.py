"""Write the record of the run."""

from pathlib import Path

from due.code import all_hashes
from due.job import job
from due.paper.run_record import run_record

with job(snakemake):
    run_record(
        settings=snakemake.config,
        code=all_hashes(),
        logs=Path(snakemake.params.logs),
        out=Path(snakemake.output.yaml),
        html=Path(snakemake.output.html),
    )
