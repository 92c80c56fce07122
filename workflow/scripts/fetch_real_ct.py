"""Get the real CT of the demo."""

from explainct.data.demo.real_ct import fetch_real_ct
from explainct.runtime.job import run

run(fetch_real_ct, snakemake)
