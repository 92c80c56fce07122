"""Run every form of GAX on a few samples."""

from explainct.gax.forms import compare_forms
from explainct.runtime.job import run

run(compare_forms, snakemake)
