"""Check the printed numbers of the five papers against each other."""

from due.job import job
from due.paper.audit import audit_published

with job(snakemake):
    audit_published(snakemake.output.csv, snakemake.output.md)
