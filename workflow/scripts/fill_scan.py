"""Fill the annotation of a user's scan."""

from explainct.predict.fill_scan import fill_scan
from explainct.runtime.job import run

run(fill_scan, snakemake)
