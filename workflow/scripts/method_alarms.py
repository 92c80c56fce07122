"""Say how well the alarms of the methods' predictions find their errors."""

from explainct.informer.method_alarms import method_alarms
from explainct.runtime.job import run

run(method_alarms, snakemake)
