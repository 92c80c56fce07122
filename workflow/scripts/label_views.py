"""Make labels of malignancy, and draw the splits of patients."""

from explainct.cfalign.labels import label_views
from explainct.runtime.job import run

run(label_views, snakemake)
