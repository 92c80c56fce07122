"""Training of a compared method: with every strength of the planted cue and every seed."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from explainct.cfalign.autoencoder import load_autoencoder
from explainct.cfalign.networks import save_network
from explainct.cfalign.spaces import Grid, Latent, Space
from explainct.cfalign.training import Training
from explainct.cfalign.view_sets import read_views
from explainct.runtime.device import choose_compute
from explainct.runtime.files import write_csv

log = logging.getLogger(__name__)

CHECKPOINT = "last.pt"


def train_compared(
    *,
    table_file: Path,
    views_file: Path,
    autoencoder_files: Sequence[Path],
    model_files: Sequence[Path],
    history_files: Sequence[Path],
    recipe: Mapping[str, Any],
    strengths: Sequence[float],
    seeds: Sequence[int],
    settings: Mapping[str, Any],
    cue: Mapping[str, Any],
    window: tuple[float, float],
    device: str,
    threads: int,
    code: str,
) -> None:
    """Train a method with every strength of the planted cue and every seed; a cut job goes on where it stopped.

    Args:
        table_file: the table of `explainct.cfalign.labels.label_views`.
        views_file: the HDF5 file of views.
        autoencoder_files: autoencoders, one a strength; not read by a method that looks for no change in their space.
        model_files: the networks to write, one a strength and seed, seeds within strengths.
        history_files: tables to write beside them.
        recipe: of `explainct.config.compared.Compared`.
        strengths: strengths of the cue; 0 plants none.
        seeds: seeds of the trainings.
        settings: `epochs`, `batch_size`, `learning_rate`, `aligned`, `margin`, `cell`, `bound`, and those of
            `explainct.cfalign.alignment_step.alignment_step`.
        cue: how the cue looks: see `ViewSet.with_cue`.
        window: HU that become 0 and 1.
        device: `auto`, `cpu` or `cuda`.
        threads: threads of the CPU.
        code: hash of the code; a checkpoint of other code is set aside.

    Raises:
        UserError: the loss is no longer finite, or the network has no implicit gradient.
    """
    compute = choose_compute(device, threads)
    views = read_views(table_file, views_file, "train", window)
    runs = [(strength, seed) for strength in strengths for seed in seeds]
    for (strength, seed), model_file, history_file in zip(runs, model_files, history_files, strict=True):
        space: Space = Grid(settings["cell"])
        if recipe["space"] == "latent":
            autoencoder_file = autoencoder_files[list(strengths).index(strength)]
            space = Latent(load_autoencoder(autoencoder_file, compute.device))
        log.info("strength %g, seed %d: %d views", strength, seed, len(views))
        training = Training(
            views.with_cue(cue, strength=strength, mode="aligned"),
            recipe=recipe,
            space=space,
            settings=settings,
            seed=seed,
            device=compute.device,
        )
        identity = {"code": code, "strength": strength, "cue": dict(cue), "window": list(window)}
        # The state of the images: their file is made anew where it depends on other settings.
        identity |= {"views": [str(views_file), views_file.stat().st_size, views_file.stat().st_mtime_ns]}
        history = training.run(model_file.with_name(CHECKPOINT), identity)
        write_csv(history, history_file)
        save_network(recipe["network"], training.network, model_file)
    for path in model_files:
        path.with_name(CHECKPOINT).unlink()
