"""Train a classifier of all attributes for each fold."""

from explainct.informer.train import train_monitored
from explainct.runtime.job import run

run(train_monitored, snakemake)
