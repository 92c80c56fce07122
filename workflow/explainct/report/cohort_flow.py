"""The cohort's flow as a table and a picture: a bar a unit, split into what was kept, and lost for which reason."""

from pathlib import Path
from textwrap import shorten, wrap
from typing import Literal

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from explainct.data.annotate.cohort_flow import count_flow
from explainct.report.plot_style import RC, save_figure
from explainct.runtime.files import write_csv

KEPT, LOST = "#0072B2", "#BBBBBB"
MOST_REASONS = 4
"""Reasons written below a bar; the table has all of them."""
WIDTH, LINE = 7.2, 0.17
"""Width of the picture and height of a line, in inches."""


def cohort_flow(
    *,
    scans_file: Path,
    lesions_file: Path,
    samples_file: Path,
    slices_file: Path,
    negatives_per_lesion: int,
    negatives: Literal["published", "clean"],
    training_outlines: Literal["kept", "all"],
    cohort: str,
    csv: Path,
    png: Path,
    pdf: Path,
) -> None:
    """Count what was found, lost and kept, from series to blocks, and draw it.

    Args:
        scans_file: the table `annotate/scans.parquet`.
        lesions_file: the table `annotate/lesions.parquet`.
        samples_file: the table `samples/samples.parquet`.
        slices_file: the file `annotate/slices.h5`.
        negatives_per_lesion: most neighbouring blocks of a lesion.
        negatives: which of them may be drawn: all (`published`), or those without a voxel of another lesion (`clean`).
        training_outlines: outlines that set the samples of training lesions: those of kept slices, or all.
        cohort: the cohort in words, for the title.
        csv: becomes the table of `explainct.data.annotate.cohort_flow.count_flow`.
        png: picture for the report.
        pdf: picture for a paper.
    """
    tables = [pd.read_parquet(path) for path in (scans_file, lesions_file, samples_file)]
    flow = count_flow(
        *tables,
        negatives_per_lesion=negatives_per_lesion,
        negatives=negatives,
        training_outlines=training_outlines,
        slices_file=slices_file,
    )
    write_csv(flow, csv)
    figure_flow(flow_file=csv, cohort=cohort, png=png, pdf=pdf)


def figure_flow(*, flow_file: Path, cohort: str, png: Path, pdf: Path) -> None:
    """Draw the table `annotate/flow.csv`.

    Args:
        flow_file: the table.
        cohort: the cohort in words, for the title.
        png: picture for the report.
        pdf: picture for a paper.
    """
    flow = pd.read_csv(flow_file, keep_default_na=False)
    units = {str(unit): rows for unit, rows in flow.groupby("unit", sort=False)}
    notes = {unit: _notes(rows) for unit, rows in units.items()}
    lines = 3 + sum(4 + len(texts) for texts in notes.values())
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(WIDTH, lines * LINE))
        # One unit of the axes is a line of text, counted from the top; the bars are one unit wide.
        axes = figure.add_axes((0.03, 0, 0.94, 1), xlim=(0, 1), ylim=(lines, 0))
        axes.set_axis_off()
        axes.text(0, 1, f"From the series found to the blocks used, {cohort} (blue: kept, grey: lost)", fontsize=10)
        top = 3.0
        for unit, rows in units.items():
            found, kept = (int(rows.loc[rows["event"] == event, "count"].iloc[0]) for event in ("found", "kept"))
            share = kept / found if found else 0.0
            axes.text(0, top, f"{unit}: {kept:,} of {found:,}", fontweight="bold")
            axes.barh(top + 0.8, share, color=KEPT)
            axes.barh(top + 0.8, 1 - share, left=share, color=LOST)
            axes.text(0, top + 1.6, "\n".join(notes[unit]), va="top", fontsize=8)
            top += 4 + len(notes[unit])
        save_figure(figure, png, pdf)


def _notes(rows: pd.DataFrame) -> list[str]:
    """Return the lines that say what was lost: the largest losses, and the sum of the others."""
    lost = rows[rows["event"] == "lost"]
    shown, others = lost.iloc[:MOST_REASONS], lost.iloc[MOST_REASONS:]
    texts = [f"- {n:,}: {shorten(reason, 180)}" for reason, n in zip(shown["reason"], shown["count"], strict=True)]
    if len(others):
        texts.append(f"- {others['count'].sum():,}: {len(others)} other reasons, listed in flow.csv")
    return [line for text in texts for line in wrap(text, 110, subsequent_indent="  ")]
