"""Make labels of the readers' ratings, and draw the folds of patients."""

from explainct.informer.labels import label_nodules
from explainct.runtime.job import run

run(label_nodules, snakemake)
