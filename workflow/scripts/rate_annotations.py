"""Rate the annotation that trains."""

from explainct.due.annotation_study.rate import rate_annotations
from explainct.runtime.job import run

run(rate_annotations, snakemake)
