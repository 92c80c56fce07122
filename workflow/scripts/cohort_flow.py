"""Count what was found, lost and kept, and draw it."""

from explainct.report.cohort_flow import cohort_flow
from explainct.runtime.job import run

run(cohort_flow, snakemake)
