"""One filled gap: what interpolation, variance and weights look like between two annotated slices."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import h5py
import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from explainct.data.ingest.scan_space import plane_z
from explainct.data.samples.blocks import lesion_box
from explainct.data.samples.resample import block_z, spacing_of
from explainct.errors import UserError
from explainct.report.plot_style import RC, save_figure
from explainct.runtime.files import read_shards
from explainct.scoring.metrics.calibration import MAX_VARIANCE

PLANES = 9
FRAME = "#D55E00"
QUANTITIES = {
    "interpolated": ("interpolated\nannotation", "gray", 1.0),
    "variance": ("variance", "magma", MAX_VARIANCE),
    "weight": ("weight", "viridis", 1.0),
}


@dataclass(frozen=True)
class FilledGap:
    """Consecutive planes of a lesion on the grid, the first and the last annotated.

    Attributes:
        lesion_id: the lesion.
        planes: numbers [P] of the planes on the grid, ascending.
        variance: summed variance of the gap, by which gaps are chosen.
    """

    lesion_id: str
    planes: np.ndarray
    variance: float


def filled_gap_figure(
    *, lesions_file: Path, samples_file: Path, weights_file: Path, cohort: str, png: Path, pdf: Path
) -> None:
    """Draw the gap with the largest summed variance: interpolated annotation, variance and weight of its planes.

    At most 9 planes are shown, evenly spaced; orange frames mark the two annotated ones.

    Args:
        lesions_file: the table `lesions.parquet`, for the voxel sizes and the z of slices.
        samples_file: the table `samples.parquet`, for the blocks.
        weights_file: the table `due/uncertainty/weights/shards.csv`, which lists the files of weights.
        cohort: the cohort in words, for the title.
        png: picture for the report.
        pdf: picture for a paper.

    Raises:
        UserError: no training lesion has a gap.
    """
    gaps = [(gap, path) for path in read_shards(weights_file) for gap in find_gaps(path)]
    if not gaps:
        raise UserError("No training lesion has a slice between two annotated ones. Set `annotate.keep_every` above 1.")
    gap, path = max(gaps, key=lambda pair: (pair[0].variance, pair[0].lesion_id))
    shown = gap.planes[np.unique(np.linspace(0, len(gap.planes) - 1, PLANES).round().astype(int))]
    with h5py.File(path) as file:
        arrays = {name: file[gap.lesion_id][name][shown].astype(np.float32) for name in QUANTITIES}
        depth = len(file[gap.lesion_id]["annotated"])
    samples, lesions = pd.read_parquet(samples_file), pd.read_parquet(lesions_file)
    z_mm, aspect = _geometry(gap.lesion_id, samples, lesions, depth, arrays["variance"].shape[1:])
    with matplotlib.rc_context(RC):
        figure = _draw(arrays, z_mm[shown] - z_mm[shown[0]], aspect)
        figure.suptitle(f"A filled gap of {gap.lesion_id}, {cohort}\norange frames: annotated slices")
        save_figure(figure, png, pdf)


def find_gaps(weights_file: Path) -> list[FilledGap]:
    """Return all gaps of the lesions of one file: two annotated planes with others between them."""
    gaps = []
    with h5py.File(weights_file) as file:
        for lesion_id, group in file.items():
            annotated = np.flatnonzero(group["annotated"][()])
            totals = group["variance"][()].sum(axis=(1, 2), dtype=np.float64)
            for lower, upper in pairwise(annotated.tolist()):
                if upper - lower > 1:
                    total = float(totals[lower : upper + 1].sum())
                    gaps.append(FilledGap(lesion_id, np.arange(lower, upper + 1), total))
    return gaps


def _geometry(
    lesion_id: str, samples: pd.DataFrame, lesions: pd.DataFrame, depth: int, plane: tuple[int, int]
) -> tuple[np.ndarray, float]:
    """Return the z in mm of each of the grid's `depth` planes [D], and the height of a grid voxel in its widths."""
    block = lesion_box(samples[(samples["lesion_id"] == lesion_id) & (samples["label"] == 1)].iloc[0])
    lesion = lesions.set_index("lesion_id").loc[lesion_id]
    height, width = np.multiply(block.shape[1:], spacing_of(lesion)[1:]) / plane
    return plane_z(block_z(lesion, block), depth), float(height / width)


def _draw(arrays: dict[str, np.ndarray], z_mm: np.ndarray, aspect: float) -> Figure:
    """Draw a row per quantity [P, H, W] and a column per plane, at `z_mm` [P] in mm from the first."""
    figure = Figure(figsize=(0.98 * len(z_mm) + 1.7, 1.05 * len(arrays) + 0.95), layout="constrained")
    panels = figure.subplots(len(arrays), len(z_mm), squeeze=False)
    for row, (name, planes) in zip(panels, arrays.items(), strict=True):
        label, colours, top = QUANTITIES[name]
        for axes, plane in zip(row, planes, strict=True):
            picture = axes.imshow(plane, cmap=colours, vmin=0, vmax=top, aspect=aspect)
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
        _frame(row[0])
        _frame(row[-1])
        row[0].set_ylabel(label)
        figure.colorbar(picture, ax=row, aspect=10, pad=0.01)
    for axes, z in zip(panels[0], z_mm, strict=True):
        axes.set_title(f"{z:.1f} mm", fontsize=8)
    return figure


def _frame(axes: Axes) -> None:
    axes.spines[:].set(visible=True, color=FRAME, linewidth=2.5)
