"""Train the diffusion interpolator."""

from explainct.due.interpolation.train import train_interpolator
from explainct.runtime.job import run

run(train_interpolator, snakemake)
