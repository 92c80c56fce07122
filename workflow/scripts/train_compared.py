"""Train a compared method."""

from explainct.cfalign.train import train_compared
from explainct.runtime.job import run

run(train_compared, snakemake)
