"""Count LIDC-IDRI and the published cohort."""

from due.annotate.counts import count_cohort
from due.annotate.lidc import load_database
from due.files import write_csv
from due.job import job

with job(snakemake):
    write_csv(count_cohort(load_database()), snakemake.output[0])
