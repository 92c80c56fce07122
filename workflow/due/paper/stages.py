"""Where the time goes: seconds and memory of each stage, from Snakemake's benchmark files."""

from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from due.errors import DueError
from due.files import write_csv
from due.paper.style import RC, save_figure


def stage_times(benchmark_folder: Path) -> pd.DataFrame:
    """Return one row per rule: how many jobs ran, their seconds in all, and the largest memory of a job.

    Args:
        benchmark_folder: folder with Snakemake's benchmarks, `{rule}.tsv` or `{rule}/.../*.tsv`.

    Returns:
        Columns stage, jobs, seconds (wall clock, summed over the jobs) and max_rss_mib (NaN where a job was too
        short to be measured), the longest stage first.

    Raises:
        DueError: the folder holds no benchmarks.
    """
    parts = [
        pd.read_csv(path, sep="\t", na_values="-", usecols=["s", "max_rss"]).assign(
            stage=path.relative_to(benchmark_folder).with_suffix("").parts[0]
        )
        for path in sorted(benchmark_folder.rglob("*.tsv"))
    ]
    if not parts:
        raise DueError(f"{benchmark_folder} holds no benchmarks (*.tsv). Run the workflow first.")
    groups = pd.concat(parts).groupby("stage")
    table = groups.agg(jobs=("s", "size"), seconds=("s", "sum"), max_rss_mib=("max_rss", "max")).reset_index()
    return table.sort_values(["seconds", "stage"], ascending=[False, True], ignore_index=True)


def write_stage_times(*, benchmark_folder: Path, dataset: str, csv: Path, png: Path) -> None:
    """Write the times of all stages to a CSV file and a bar chart.

    Raises:
        DueError: the folder holds no benchmarks.
    """
    table = stage_times(benchmark_folder)
    write_csv(table, csv)
    with matplotlib.rc_context(RC):
        save_figure(_bars(table, dataset), png)


def _bars(table: pd.DataFrame, dataset: str) -> Figure:
    """Draw a bar of seconds per stage, labelled with its jobs and memory."""
    figure = Figure(figsize=(6.8, 1.1 + 0.26 * len(table)), layout="constrained")
    axes = figure.add_subplot()
    bars = axes.barh(table["stage"], table["seconds"], color="#0072B2", height=0.65)
    labels = [
        f"{row.seconds:,.0f} s, {row.jobs} job{'s' * (row.jobs > 1)}"
        + ("" if pd.isna(row.max_rss_mib) else f", {row.max_rss_mib:,.0f} MiB")
        for row in table.itertuples()
    ]
    axes.bar_label(bars, labels, padding=4, fontsize=8)
    axes.invert_yaxis()
    axes.set(xlabel="wall clock of all jobs (s)", title=f"Time of each stage, dataset {dataset}")
    axes.set_xlim(0, 1.45 * max(table["seconds"].max(), 1e-9))
    return figure
