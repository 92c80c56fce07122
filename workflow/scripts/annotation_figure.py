"""Draw agreement and accuracy over outlined slices."""

from explainct.due.annotation_study.figure import annotation_figure
from explainct.runtime.job import run

run(annotation_figure, snakemake)
