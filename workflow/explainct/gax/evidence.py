"""Where maps of lesions lie: those of GAX beside the class activation map and Input x Gradient."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch

from explainct.data.samples.reader import SampleReader
from explainct.data.samples.tasks import Task
from explainct.gax.generate import Generated
from explainct.gax.samples import laid_out, seen_planes
from explainct.learning.explain.cam import class_activation_maps
from explainct.learning.explain.postprocess import postprocess
from explainct.learning.explain.signed_maps import signed_map
from explainct.learning.networks.registry import Classifier
from explainct.runtime.device import Compute
from explainct.scoring.metrics.overlap import mass_over_area


def evidence(
    network: Classifier,
    samples: pd.DataFrame,
    images: torch.Tensor,
    found: Generated,
    task: Task,
    store: SampleReader,
    compute: Compute,
) -> pd.DataFrame:
    """Return mass over area of the maps of the true class, a row per sample; NaN without a lesion on the grid.

    The GAX map and Input x Gradient count by their absolute values, the class activation map by its positive part.

    Args:
        network: the classifier, in evaluation mode.
        samples: rows of `samples.parquet`.
        images: what the network sees of them [N, 1, D, H, W].
        found: their GAX maps.
        task: says the true classes.
        store: gives the annotations.
        compute: says the layout of images.

    Returns:
        Columns `gax_mass`, `cam_mass` and `input_x_gradient_mass`.
    """
    dims = network.settings["dims"]
    classes = torch.from_numpy(task.classes(samples)).to(images.device)
    with torch.no_grad():
        _, features = network(laid_out(images, dims, compute))
        cam = class_activation_maps(features, network.head.weight, classes)
    maps: Mapping[str, torch.Tensor] = {
        "gax": found.maps.abs()[:, 0],
        "cam": postprocess(cam, tuple(images.shape[2:]), "standard"),
        "input_x_gradient": signed_map("input_x_gradient", network)(images, classes).abs()[:, 0],
    }
    truth = store.truth(samples)
    truth = truth[:, seen_planes(truth.shape[1], dims)]
    return pd.DataFrame(
        {f"{name}_mass": _masses(values.detach().cpu().numpy(), truth) for name, values in maps.items()},
        index=samples.index,
    )


def _masses(maps: np.ndarray, truths: np.ndarray) -> list[float]:
    """Return mass over area of maps [N, D, H, W], NaN where the annotation is empty."""
    return [mass_over_area(one, truth) if truth.any() else np.nan for one, truth in zip(maps, truths, strict=True)]
