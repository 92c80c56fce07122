"""Does an explainer look at what the network learned? The parameter-randomisation check.

Adebayo et al., Sanity checks for saliency maps, NeurIPS 2018, section 3: layers are randomised one after the other from
the head downwards. Maps that stay as they were do not explain the trained network.
"""

from copy import deepcopy

import numpy as np
import pandas as pd
import torch
from scipy.stats import spearmanr

from explainct.learning.explain.explainers import explain
from explainct.learning.networks.registry import Classifier
from explainct.seeds import derived_seed


def randomisation_check(
    network: Classifier,
    images: torch.Tensor,
    classes: torch.Tensor,
    name: str,
    seed: int,
    *,
    batch_size: int = 8,
) -> pd.DataFrame:
    """Return how much the maps of an explainer stay alike while the network loses what it learned.

    Randomised layers have the weights, and the statistics of batch normalisation, that an untrained network starts
    with, so after the last step nothing trained is left. `network` itself is not touched.

    Args:
        network: the trained classifier.
        images: float [B, 1, D, H, W] in [0, 1].
        classes: the class to explain of each image, int64 [B].
        name: one of `explainct.learning.explain.explainers.EXPLAINERS`.
        seed: of the untrained weights.
        batch_size: images of a forward pass.

    Returns:
        One row per step of the cascade and image: `layer`, the last one randomised; `sample` in 0 ... B - 1;
        `spearman`, the rank correlation in [-1, 1] of its map's voxels with those of the trained network's map, NaN
        where one of the two is the same everywhere.

    Raises:
        UserError: no explainer is called `name`.
    """
    trained = explain(network, images, classes, name, batch_size=batch_size)
    untrained = _untrained(network, seed)
    randomised = deepcopy(network)
    rows = []
    for layer, modules in network.layers.items():
        for module in modules:
            weights = untrained.get_submodule(module).state_dict()
            randomised.get_submodule(module).load_state_dict(weights)
        maps = explain(randomised, images, classes, name, batch_size=batch_size)
        for sample, (one, other) in enumerate(zip(trained, maps, strict=True)):
            rows.append({"layer": layer, "sample": sample, "spearman": rank_correlation(one, other)})
    return pd.DataFrame(rows)


def rank_correlation(one: torch.Tensor, other: torch.Tensor) -> float:
    """Return Spearman's correlation of the voxels of two maps, NaN where one of them is the same everywhere."""
    first, second = (values.detach().cpu().numpy().ravel() for values in (one, other))
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(spearmanr(first, second).statistic)


def _untrained(network: Classifier, seed: int) -> Classifier:
    """Return a network like `network` before any training, leaving torch's own random numbers as they were."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derived_seed(seed, "explain", "randomisation"))
        return type(network)(**network.settings)
