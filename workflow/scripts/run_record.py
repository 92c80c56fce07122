"""Write the record of the run."""

from pathlib import Path

from explainct.report.run_record import run_record
from explainct.runtime.code_hash import all_hashes
from explainct.runtime.job import job

with job(snakemake):
    run_record(
        settings=snakemake.config,
        code=all_hashes(),
        logs=Path(snakemake.params.logs),
        out=Path(snakemake.output.yaml),
        html=Path(snakemake.output.html),
    )
