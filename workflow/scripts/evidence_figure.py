"""Draw where the maps of test lesions lie."""

from explainct.gax.figures import evidence_figure
from explainct.runtime.job import run

run(evidence_figure, snakemake)
