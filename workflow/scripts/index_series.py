"""List every CT series with its geometry and a verdict."""

from explainct.data.datasets.registry import index_archives, left_out
from explainct.runtime.files import write_csv, write_parquet
from explainct.runtime.job import job

with job(snakemake):
    table = index_archives(
        snakemake.params.archives, exclude=snakemake.params.exclude, on_problem=snakemake.params.on_problem
    )
    write_parquet(table, snakemake.output.series)
    write_csv(left_out(table), snakemake.output.left_out)
