"""Check the printed numbers of the five papers against each other."""

from explainct.report.audit.audit import audit_published
from explainct.runtime.job import job

with job(snakemake):
    audit_published(snakemake.output.csv, snakemake.output.md)
