"""Count LIDC-IDRI and the published cohort."""

from explainct.data.annotate.lidc_counts import count_lidc
from explainct.runtime.job import run

run(count_lidc, snakemake)
