"""List every CT series with its geometry and a verdict."""

from pathlib import Path

from due.files import write_parquet
from due.ingest.index import index_series
from due.job import job

with job(snakemake.log[0]):
    table = index_series(
        Path(snakemake.params.root), exclude=snakemake.params.exclude, on_problem=snakemake.params.on_problem
    )
    write_parquet(table, snakemake.output[0])
