"""Where the time goes: seconds and memory of each stage, from Snakemake's benchmark files."""

from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from explainct.errors import UserError
from explainct.report.plot_style import RC, save_figure
from explainct.runtime.files import write_csv
from explainct.runtime.job_list import read_job_list

UNITS = (("h", 3600), ("min", 60), ("s", 1))


def times_of_rules(job_list_file: Path) -> pd.DataFrame:
    """Return one row per rule: how many jobs ran, their seconds in all, and the largest memory of a job.

    Args:
        job_list_file: JSON file with the run's jobs, each with its rule and the path of Snakemake's benchmark of it. A
            job without one was not timed, since its result came from Snakemake's cache.

    Returns:
        Columns stage, jobs, seconds (wall clock, summed over the jobs) and max_rss_mib (NaN where a job was too
        short to be measured), the longest stage first.

    Raises:
        UserError: there is no list of jobs, or no job has a benchmark.
    """
    timed = [job for job in read_job_list(job_list_file) if job.benchmark and Path(job.benchmark).exists()]
    if not timed:
        raise UserError(f"No job of {job_list_file} has a benchmark. Run the workflow first.")
    parts = [
        pd.read_csv(job.benchmark, sep="\t", na_values="-", usecols=["s", "max_rss"]).assign(stage=job.rule)
        for job in timed
    ]
    groups = pd.concat(parts).groupby("stage")
    table = groups.agg(jobs=("s", "size"), seconds=("s", "sum"), max_rss_mib=("max_rss", "max")).reset_index()
    return table.sort_values(["seconds", "stage"], ascending=[False, True], ignore_index=True)


def stage_times(*, job_list_file: Path, dataset: str, csv: Path, png: Path) -> None:
    """Write time and memory of all stages to a CSV file and a bar chart.

    Raises:
        UserError: there is no list of jobs, or no job has a benchmark.
    """
    table = times_of_rules(job_list_file)
    write_csv(table, csv)
    with matplotlib.rc_context(RC):
        save_figure(_bars(table, dataset), png)


def _bars(table: pd.DataFrame, dataset: str) -> Figure:
    """Draw a bar of time and one of memory per stage; the picture is low enough to be seen whole in the report."""
    unit, size = _unit(table["seconds"].max())
    figure = Figure(figsize=(10, 1.2 + 0.18 * len(table)), layout="constrained")
    figure.suptitle(f"Time and memory of each rule, dataset {dataset}")
    time, memory = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    jobs = [f"{duration(row.seconds)} ({row.jobs} job{'s' * (row.jobs > 1)})" for row in table.itertuples()]
    _panel(time, table["stage"], table["seconds"] / size, jobs, "#0072B2")
    time.set_xlabel(f"wall clock of all jobs ({unit})")
    peaks = ["not measured" if pd.isna(value) else f"{value:,.0f}" for value in table["max_rss_mib"]]
    _panel(memory, table["stage"], table["max_rss_mib"].fillna(0), peaks, "#E69F00")
    memory.set(xlabel="largest memory of a job (MiB)")
    memory.tick_params(labelleft=False)
    time.invert_yaxis()
    return figure


def _unit(seconds: float) -> tuple[str, int]:
    """Return the unit of time that a duration is read in, with its seconds."""
    return next(((unit, size) for unit, size in UNITS if seconds >= 2 * size), UNITS[-1])


def duration(seconds: float) -> str:
    """Return a duration in words, in a unit of its own."""
    unit, size = _unit(seconds)
    return f"{seconds / size:,.1f} {unit}"


def _panel(axes: Axes, stages: pd.Series, values: pd.Series, labels: list[str], color: str) -> None:
    """Draw a bar per stage, each with its label, which stays inside the panel."""
    bars = axes.barh(stages, values, color=color, height=0.7)
    axes.bar_label(bars, labels, padding=3, fontsize=8)
    axes.margins(y=0.01)
    axes.set_xlim(0, 1.4 * max(values.max(), 1e-9))
