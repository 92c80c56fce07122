"""Cut the cohort's nodules out of their scans."""

from explainct.data.samples.cut_nodules import cut_nodules
from explainct.runtime.job import run

run(cut_nodules, snakemake)
