"""Render real shapes and ratings of nodules on lung of the one real CT."""

from explainct.data.demo.rendered_nodules import render_nodules
from explainct.runtime.job import run

run(render_nodules, snakemake)
