"""List the shards of a folder in one file."""

from explainct.runtime.files import list_shards
from explainct.runtime.job import run

run(list_shards, snakemake)
