"""Check the printed numbers of the five papers against each other."""

from explainct.report.audit.audit import audit_published
from explainct.runtime.job import run

run(audit_published, snakemake)
