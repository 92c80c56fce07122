"""Train the imputed uncertainty predictor."""

from explainct.due.uncertainty.train import train_uncertainty
from explainct.runtime.job import run

run(train_uncertainty, snakemake)
