"""Classifiers: built by name, their place and the shape of their maps, and their files."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import torch

from explainct.errors import UserError
from explainct.learning.networks.registry import Classifier, network_entry
from explainct.runtime import checkpoint
from explainct.runtime.device import Compute

SETTINGS = ("width", "max_pool")
"""The settings `train` that networks are built with."""


def build_network(name: str, *, dims: int, outputs: int, settings: Mapping[str, Any]) -> Classifier:
    """Build the network called `name`, with torch's current random numbers as its weights.

    Args:
        name: name in `explainct.learning.networks.registry.NETWORKS`.
        dims: 3, or 2 for the middle slice alone.
        outputs: number of logits.
        settings: the settings `train`, of which `SETTINGS` are used.

    Raises:
        UserError: there is no such network.
    """
    own = {key: settings[key] for key in SETTINGS}
    return resolve_name(network_entry(name))(dims=dims, outputs=outputs, **own)


def map_shape(
    name: str, grid: tuple[int, int, int], *, dims: int, outputs: int, settings: Mapping[str, Any]
) -> tuple[int, int, int]:
    """Return the cells (d, h, w) of a network's class activation maps, without computing any.

    Args:
        name: name of the network.
        grid: voxels of the input (D, H, W).
        dims: 3 or 2.
        outputs: number of logits.
        settings: the settings `train`.
    """
    with torch.device("meta"):
        network = build_network(name, dims=dims, outputs=outputs, settings=settings).eval()
        _, features = network(torch.empty(1, 1, *grid))
    return tuple(features.shape[2:])


def placed(network: Classifier, compute: Compute) -> Classifier:
    """Return a network on the device; one of three dimensions in the layout of `compute`, which has none for slices."""
    if network.settings["dims"] == 2:
        return network.to(compute.device)
    return network.to(compute.device, memory_format=compute.memory_format)


def save_classifier(name: str, network: Classifier, path: str | Path) -> None:
    """Write the weights of the network called `name` to `path`, with all that is needed to rebuild it."""
    weights = {key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}
    checkpoint.save({"network": name, "settings": dict(network.settings), "weights": weights}, path)


def load_classifier(path: str | Path, compute: Compute) -> Classifier:
    """Read what `save_classifier` wrote, ready to predict on the device of `compute`.

    Raises:
        UserError: the file is not a classifier of this project, or its network is not known.
    """
    content = checkpoint.load(path)
    if not {"network", "settings", "weights"} <= content.keys():
        raise UserError(
            f"{path} holds {', '.join(sorted(content)) or 'nothing'}, not a classifier (network, settings, weights). "
            "Give the path of a `model.pt` that the training of a classifier wrote."
        )
    built_with = content["settings"]
    network = build_network(
        content["network"], dims=built_with["dims"], outputs=built_with["outputs"], settings=built_with
    )
    network.load_state_dict(content["weights"])
    return placed(network, compute).eval()


def load_classifiers(paths: Iterable[Path], compute: Compute) -> dict[int, Classifier]:
    """Read the classifiers of a run's seeds, by seed in rising order, from files `.../seed{seed}/model.pt`."""
    return {seed: load_classifier(path, compute) for seed, path in sorted((seed_of(path), path) for path in paths)}


def seed_of(path: Path) -> int:
    """Return the seed of a file of one training, which its folder is named after.

    >>> seed_of(Path("n20_lambda1/seed3/model.pt"))
    3
    """
    return int(path.parent.name.removeprefix("seed"))
