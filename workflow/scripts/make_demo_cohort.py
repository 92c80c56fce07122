"""Write the DICOM series of the demo."""

from explainct.data.demo.cohort import make_demo_cohort
from explainct.runtime.job import run

run(make_demo_cohort, snakemake)
