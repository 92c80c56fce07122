"""Write structured reports of test nodules."""

from explainct.cfalign.reports import nodule_reports
from explainct.runtime.job import run

run(nodule_reports, snakemake)
