"""The test lesions that the slice browser shows, with all that is known of them."""

from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import torch

from explainct.config.methods import METHODS
from explainct.data.samples.blocks import lesion_box
from explainct.data.samples.reader import SampleReader
from explainct.data.samples.resample import grid_spacing, spacing_of
from explainct.learning.explain.postprocess import postprocess
from explainct.report.plot_style import method_label
from explainct.report.slice_browser import BrowserLesion, Layer, write_browser
from explainct.scoring.evaluate.explanation_file import read_explanations, read_sample_ids, read_seeds
from explainct.scoring.evaluate.score import seen_grid

FILLED = ("interpolated", "variance", "weight")


def browse_lesions(
    *,
    samples: pd.DataFrame,
    lesions: pd.DataFrame,
    store: SampleReader,
    filled_file: Path,
    predictions_files: Mapping[str, Path],
    explanations_files: Mapping[str, Path],
    cohort: str,
    out: Path,
) -> None:
    """Write the slice browser of the lesions in `filled_file`; maps and predictions are those of the first seed.

    Args:
        samples: rows of `samples.parquet`.
        lesions: rows of `lesions.parquet`, for the voxel sizes.
        store: gives images, annotations and readers' masks on the grid.
        filled_file: their filled annotations, as `explainct.due.uncertainty.voxel_weights` writes them; test lesions.
        predictions_files: `predictions.parquet` of each method.
        explanations_files: `explanations.h5` of each method.
        cohort: the cohort in words, for the caption.
        out: the HTML file to write.
    """
    spacings = lesions.set_index("lesion_id")
    shown = samples[samples["label"] == 1].set_index("lesion_id", drop=False)
    shown_lesions = []
    with h5py.File(filled_file) as file:
        for lesion_id in sorted(file):
            sample, group = shown.loc[lesion_id], file[lesion_id]
            one = sample.to_frame().T
            readers = [Layer("readers", f"Reader {n}", mask) for n, mask in enumerate(store.readers(sample), 1)]
            filled = [Layer(name, name.capitalize(), group[name][:].astype(np.float32)) for name in FILLED]
            maps = [
                Layer("explanation", method_label(method), explanation_on_grid(path, method, sample, store.grid))
                for method, path in explanations_files.items()
            ]
            said = {method_label(name): _said(path, sample.sample_id) for name, path in predictions_files.items()}
            shown_lesions.append(
                BrowserLesion(
                    lesion_id=lesion_id,
                    image=store.images(one)[0],
                    spacing=grid_spacing(lesion_box(sample), spacing_of(spacings.loc[lesion_id]), store.grid),
                    annotated=group["annotated"][:].astype(bool),
                    layers=[*readers, Layer("truth", "Consensus", store.truth(one)[0]), *filled, *maps],
                    predictions=said,
                )
            )
    write_browser(
        shown_lesions, out, f"Test lesions of the {cohort}. Maps and predictions are those of the first seed."
    )


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
