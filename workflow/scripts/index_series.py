"""List every CT series with its geometry and a verdict."""

from due.files import write_csv, write_parquet
from due.ingest.archives import index_archives, left_out
from due.job import job

with job(snakemake):
    table = index_archives(
        snakemake.params.archives, exclude=snakemake.params.exclude, on_problem=snakemake.params.on_problem
    )
    write_parquet(table, snakemake.output.series)
    write_csv(left_out(table), snakemake.output.left_out)
