"""Thin the annotation of training lesions."""

from explainct.due.annotation_study.thin import thin_annotation
from explainct.runtime.job import run

run(thin_annotation, snakemake)
