"""Write the lesions' masks and interpolated annotations for other programs."""

from explainct.data.export.lesions import export_masks
from explainct.runtime.job import run

run(export_masks, snakemake)
