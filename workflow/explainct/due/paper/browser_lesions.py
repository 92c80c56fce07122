"""The test lesions that the slice browser shows, with all that is known of them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import torch

from explainct.config.methods import METHODS
from explainct.data.ingest.scan_space import plane_z
from explainct.data.samples.blocks import lesion_box
from explainct.data.samples.reader import SampleReader
from explainct.data.samples.resample import block_z, grid_spacing
from explainct.learning.explain.postprocess import postprocess
from explainct.report.plot_style import method_label
from explainct.report.slice_browser import BrowserLesion, Layer, write_browser
from explainct.scoring.evaluate.explanation_file import read_explanations, read_sample_ids, read_seeds
from explainct.scoring.evaluate.score import seen_grid

FILLED = ("interpolated", "variance", "weight")


def browse_lesions(
    *,
    lesions_file: Path,
    slices_file: Path,
    samples_file: Path,
    crops_file: Path,
    filled_file: Path,
    predictions_files: Sequence[Path],
    explanations_files: Sequence[Path],
    methods: Sequence[str],
    reading: dict[str, Any],
    cohort: str,
    html: Path,
) -> None:
    """Write the slice browser of the lesions in `filled_file`; maps and predictions are those of the first seed.

    Args:
        lesions_file: the table `annotate/lesions.parquet`.
        slices_file: the file `annotate/slices.h5`.
        samples_file: the table `samples.parquet`.
        crops_file: the table `samples/shards.csv`, which lists the files of crops.
        filled_file: filled annotations of test lesions, as `explainct.due.uncertainty.voxel_weights` writes them.
        predictions_files: `predictions.parquet` of each method.
        explanations_files: `explanations.h5` of each method.
        methods: the methods, in the same order.
        reading: the settings that a `SampleReader` reads.
        cohort: the cohort in words, for the caption.
        html: the page to write.
    """
    reader = SampleReader.from_files(
        lesions_file=lesions_file, slices_file=slices_file, crops_file=crops_file, reading=reading
    )
    shown = browser_lesions(
        pd.read_parquet(samples_file),
        pd.read_parquet(lesions_file),
        reader,
        filled_file,
        dict(zip(methods, predictions_files, strict=True)),
        dict(zip(methods, explanations_files, strict=True)),
    )
    write_browser(shown, html, f"Test lesions of the {cohort}. Maps and predictions are those of the first seed.")


def browser_lesions(
    samples: pd.DataFrame,
    lesions: pd.DataFrame,
    reader: SampleReader,
    filled_file: Path,
    predictions_files: Mapping[str, Path],
    explanations_files: Mapping[str, Path],
) -> list[BrowserLesion]:
    """Return the lesions in `filled_file` with all that is known of them, sorted by their ids.

    Args:
        samples: rows of `samples.parquet`.
        lesions: rows of `lesions.parquet`, for the voxel sizes and the z of slices.
        reader: gives images, annotations and readers' masks on the grid.
        filled_file: filled annotations of test lesions.
        predictions_files: `predictions.parquet` of each method.
        explanations_files: `explanations.h5` of each method.
    """
    by_id = lesions.set_index("lesion_id")
    known = samples[samples["label"] == 1].set_index("lesion_id", drop=False)
    shown = []
    with h5py.File(filled_file) as file:
        for lesion_id in sorted(file):
            sample, group, lesion = known.loc[lesion_id], file[lesion_id], by_id.loc[lesion_id]
            block = lesion_box(sample)
            one = sample.to_frame().T
            readers = [Layer("readers", f"Reader {n}", mask) for n, mask in enumerate(reader.readers(sample), 1)]
            filled = [Layer(name, name.capitalize(), group[name][:].astype(np.float32)) for name in FILLED]
            maps = [
                Layer("explanation", method_label(method), explanation_on_grid(path, method, sample, reader.grid))
                for method, path in explanations_files.items()
            ]
            shown.append(
                BrowserLesion(
                    lesion_id=lesion_id,
                    image=reader.images(one)[0],
                    spacing=grid_spacing(lesion, block, reader.grid)[1:],
                    z_mm=plane_z(block_z(lesion, block), reader.grid[0]),
                    annotated=group["annotated"][:].astype(bool),
                    layers=[*readers, Layer("truth", "Consensus", reader.truth(one)[0]), *filled, *maps],
                    predictions={
                        method_label(method): _said(path, sample.sample_id)
                        for method, path in predictions_files.items()
                    },
                )
            )
    return shown


def explanation_on_grid(path: Path, method: str, sample: pd.Series, grid: tuple[int, int, int]) -> np.ndarray:
    """Return the map of the predicted class of the first seed, float32 [D, H, W] in [0, 1].

    The map of a method of two dimensions lies on the middle slice, and all else is 0.

    Args:
        path: `explanations.h5` of the method.
        method: its name.
        sample: a test lesion's row of `samples.parquet`.
        grid: voxels of the grid (D, H, W).
    """
    raw = read_explanations(path, read_seeds(path)[0], "predicted")[read_sample_ids(path).index(sample.sample_id)]
    seen, planes = seen_grid(grid, METHODS[method].dims)
    volume = np.zeros(grid, np.float32)
    volume[planes] = postprocess(torch.as_tensor(raw)[None], seen, preset="due")[0].numpy()
    return volume


def _said(path: Path, sample_id: str) -> str:
    """Return in words what the first seed predicted."""
    table = pd.read_parquet(path)
    row = table[(table["sample_id"] == sample_id) & (table["seed"] == table["seed"].min())].iloc[0]
    return f"{'lesion' if row.predicted == 1 else 'no lesion'}, {row.probability:.2f}"
