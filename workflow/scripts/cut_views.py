"""Cut views of the cohort's nodules out of their scans."""

from explainct.data.samples.cut_views import cut_views
from explainct.runtime.job import run

run(cut_views, snakemake)
