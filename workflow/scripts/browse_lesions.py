"""Write the slice browser."""

from explainct.due.paper.browser_lesions import browse_lesions
from explainct.runtime.job import run

run(browse_lesions, snakemake)
