"""Count LIDC-IDRI and the published cohort."""

from explainct.data.annotate.lidc_counts import count_cohort
from explainct.data.annotate.lidc_database import load_database
from explainct.runtime.files import write_csv
from explainct.runtime.job import job

with job(snakemake):
    write_csv(count_cohort(load_database()), snakemake.output[0])
