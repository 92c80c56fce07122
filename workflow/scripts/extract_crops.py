"""Cut the crops of one shard out of the scans."""

from explainct.data.samples.crops import extract_crops
from explainct.runtime.job import run

run(extract_crops, snakemake)
