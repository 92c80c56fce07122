"""List the shards of crops in one file."""

from explainct.runtime.files import write_shards
from explainct.runtime.job import job

with job(snakemake):
    write_shards(snakemake.input, snakemake.output[0])
