"""Train an autoencoder of the training views."""

from explainct.cfalign.autoencoder import train_autoencoder
from explainct.runtime.job import run

run(train_autoencoder, snakemake)
