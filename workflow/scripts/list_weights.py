"""List the shards of weights in one file."""

from due.files import write_shards
from due.job import job

with job(snakemake):
    write_shards(snakemake.input, snakemake.output[0])
