"""Turn contours or label maps into lesions with annotated slices."""

from explainct.data.annotate.extract_annotations import extract_annotations
from explainct.runtime.job import run

run(extract_annotations, snakemake)
