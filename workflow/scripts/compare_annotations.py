"""Compare methods over the annotation that they train on."""

from explainct.due.annotation_study.compare import compare_annotations
from explainct.runtime.job import run

run(compare_annotations, snakemake)
