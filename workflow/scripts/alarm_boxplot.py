"""Draw the mean F1 of every alarm on 30 bootstrapped test sets."""

from explainct.informer.figures import alarm_boxplot
from explainct.runtime.job import run

run(alarm_boxplot, snakemake)
