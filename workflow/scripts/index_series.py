"""List every CT series with its geometry and a verdict."""

from explainct.data.ingest.index_series import index_series
from explainct.runtime.job import run

run(index_series, snakemake)
