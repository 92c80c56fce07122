"""Write the record of the run."""

from explainct.report.run_record import run_record
from explainct.runtime.job import run

run(run_record, snakemake)
