"""Figure 4: CT slices with the readers' contours and the explanation maps of every method."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from explainct.config.methods import METHODS
from explainct.data.samples.blocks import lesion_box
from explainct.data.samples.reader import SampleReader
from explainct.data.samples.resample import spacing_of
from explainct.data.samples.shown_lesions import choose_lesions
from explainct.learning.explain.postprocess import postprocess
from explainct.report.plot_style import RC, method_label, save_figure
from explainct.scoring.evaluate.explanation_file import read_explanations, read_sample_ids, read_seeds
from explainct.scoring.evaluate.score import seen_grid
from explainct.scoring.metrics.overlap import threshold_metrics

ROWS = 5
"""Number of lesions at most."""

OUTLINE = "#00FFFF"
Extent = tuple[float, float, float, float]


def figure_4(
    *,
    lesions_file: Path,
    slices_file: Path,
    samples_file: Path,
    crops_file: Path,
    explanations_files: Sequence[Path],
    methods: Sequence[str],
    reading: dict[str, Any],
    threshold: float,
    cohort: str,
    png: Path,
    pdf: Path,
) -> None:
    """Draw test lesions as rows: the CT slice, the readers' contours, and each method's map of the predicted class.

    The slice is the middle one of the annotation on the grid. Maps are of the first seed. Methods of two dimensions
    have one map, of the grid's middle slice, and their IoU is of that slice.

    Args:
        lesions_file: the table `annotate/lesions.parquet`.
        slices_file: the file `annotate/slices.h5`.
        samples_file: the table `samples.parquet`.
        crops_file: the table `samples/shards.csv`, which lists the files of crops.
        explanations_files: `explanations.h5` of each method.
        methods: the methods, in the same order.
        reading: the settings that a `SampleReader` reads.
        threshold: explanation threshold of the IoU below the maps, in [0, 1].
        cohort: the cohort in words, for the title.
        png: picture for the report.
        pdf: picture for a paper.
    """
    reader = SampleReader.from_files(
        lesions_file=lesions_file, slices_file=slices_file, crops_file=crops_file, reading=reading
    )
    with matplotlib.rc_context(RC):
        figure = draw_explanations(
            choose_lesions(pd.read_parquet(samples_file), rows=ROWS),
            pd.read_parquet(lesions_file),
            reader,
            dict(zip(methods, explanations_files, strict=True)),
            threshold=threshold,
            cohort=cohort,
        )
        save_figure(figure, png, pdf)


def draw_explanations(
    chosen: pd.DataFrame,
    lesions: pd.DataFrame,
    reader: SampleReader,
    explanations_files: Mapping[str, Path],
    *,
    threshold: float,
    cohort: str,
) -> Figure:
    """Return the picture of some lesions, a row each.

    Args:
        chosen: rows of `samples.parquet`: the lesions.
        lesions: rows of `lesions.parquet`, for the voxel sizes.
        reader: gives images, annotations and readers' masks on the grid.
        explanations_files: `explanations.h5` of each method.
        threshold: explanation threshold of the IoU below the maps, in [0, 1].
        cohort: the cohort in words, for the title.
    """
    maps = {method: _first_seed_maps(path) for method, path in explanations_files.items()}
    titles = ["CT", "readers", *map(method_label, maps)]
    figure = Figure(figsize=(1.55 * len(titles) + 0.9, 1.62 * len(chosen) + 0.8), layout="constrained")
    panels = figure.subplots(len(chosen), len(titles), squeeze=False)
    for row, (_, sample) in zip(panels, chosen.iterrows(), strict=True):
        raw = {method: values[sample.sample_id] for method, values in maps.items()}
        _draw_row(row, sample, lesions, reader, raw, threshold)
    for axes, title in zip(panels[0], titles, strict=True):
        axes.set_title(title)
    colours = matplotlib.cm.ScalarMappable(matplotlib.colors.Normalize(0, 1), "inferno")
    figure.colorbar(colours, ax=panels, shrink=0.6, label="class activation map, scaled", aspect=30)
    figure.suptitle(f"Explanations of test lesions, {cohort}\ncyan: consensus, yellow: single readers")
    return figure


def _first_seed_maps(path: Path) -> dict[str, np.ndarray]:
    """Return the raw maps [d, h, w] of the first seed for the predicted class, by sample id."""
    maps = read_explanations(path, read_seeds(path)[0], "predicted")
    return dict(zip(read_sample_ids(path), maps, strict=True))


def _draw_row(
    row: np.ndarray,
    sample: pd.Series,
    lesions: pd.DataFrame,
    reader: SampleReader,
    raw: Mapping[str, np.ndarray],
    threshold: float,
) -> None:
    """Draw one lesion into a row of axes."""
    table = sample.to_frame().T
    image, truth = reader.images(table)[0], reader.truth(table)[0]
    plane = middle_plane(truth)
    extent = _extent(sample, lesions)
    for axes in row:
        axes.imshow(image[plane], cmap="gray", vmin=0, vmax=1, extent=extent)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    row[0].set_ylabel(f"{sample.patient_id}\n{extent[1]:.0f} x {extent[2]:.0f} mm", fontsize=7)
    _scale_bar(row[0], extent)
    for mask in reader.readers(sample):
        _outline(row[1], mask[plane], extent, colour="#F0E442", width=0.6)
    _outline(row[1], truth[plane], extent)
    for axes, (method, values) in zip(row[2:], raw.items(), strict=True):
        dims = METHODS[method].dims
        grid, planes = seen_grid(reader.grid, dims)
        explanation = postprocess(torch.as_tensor(values)[None], grid, preset="due")[0].numpy()
        heat = explanation[plane if dims == 3 else 0]
        axes.imshow(heat, cmap="inferno", vmin=0, vmax=1, alpha=0.75 * heat, extent=extent)
        _outline(axes, truth[plane], extent)
        seen = truth[planes]
        iou = threshold_metrics(explanation, seen, [threshold])["iou"][0] if seen.any() else np.nan
        axes.set_xlabel(f"IoU {iou:.2f}", fontsize=8, labelpad=2)


def middle_plane(truth: np.ndarray) -> int:
    """Return the middle one of the planes of an annotation [D, H, W] that are not empty, or of all if all are."""
    planes = np.flatnonzero(truth.any(axis=(1, 2)))
    return int(planes[len(planes) // 2]) if len(planes) else len(truth) // 2


def _extent(sample: pd.Series, lesions: pd.DataFrame) -> Extent:
    """Return left, right, bottom and top of a sample's block in mm."""
    lesion = lesions.set_index("lesion_id").loc[sample.lesion_id]
    _, height, width = np.multiply(lesion_box(sample).shape, spacing_of(lesion))
    return 0.0, float(width), float(height), 0.0


def _outline(axes: Axes, mask: np.ndarray, extent: Extent, colour: str = OUTLINE, width: float = 1.2) -> None:
    """Draw the border of a mask [H, W], which may be empty."""
    if mask.any() and not mask.all():
        axes.contour(mask, levels=[0.5], colors=colour, linewidths=width, extent=extent, origin="upper")


def _scale_bar(axes: Axes, extent: Extent) -> None:
    """Draw a bar of 5 mm, or of 20 mm in large blocks, into the lower left corner."""
    length = 5 if extent[1] < 60 else 20
    left, y = 0.06 * extent[1], 0.92 * extent[2]
    axes.plot([left, left + length], [y, y], color="white", linewidth=2)
    axes.text(left, y - 0.03 * extent[2], f"{length} mm", color="white", fontsize=7, va="bottom")
