"""Render views of real shapes on lung of the one real CT."""

from explainct.data.demo.rendered_views import render_views
from explainct.runtime.job import run

run(render_views, snakemake)
