"""List the samples: each lesion's block and its neighbours."""

from explainct.data.samples.sample_table import list_samples
from explainct.runtime.job import run

run(list_samples, snakemake)
