"""Draw the progress of each training of a run."""

from explainct.learning.train.progress_plot import plot_progress
from explainct.runtime.job import run

run(plot_progress, snakemake)
