"""Train a method's classifiers."""

from explainct.learning.train.classifier import train_classifier
from explainct.runtime.job import run

run(train_classifier, snakemake)
