"""Measure what supervision costs: the time of a training step of each method next to a plain one."""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import pandas as pd
import torch
from torch.nn.functional import cross_entropy

from explainct.benchmarks.due_published_step import PublishedWeights, published_step
from explainct.config.methods import METHODS
from explainct.data.samples.tasks import TASKS
from explainct.learning.networks.classifier import map_shape, placed
from explainct.learning.networks.resnet import ExplainableResNet
from explainct.learning.train.step import Batch, build_supervision, training_step
from explainct.runtime.device import Compute, choose_compute
from explainct.runtime.files import write_csv
from explainct.seeds import derived_seed, torch_generator

PLAIN, PUBLISHED = "plain", "published_loop"
REPEATS = (5, 40)
"""Timed steps per case, at least and at most."""
ENOUGH_SECONDS = 300.0
"""Time after which the least number of steps is enough."""
CASES = ("baseline", "baseline_plus", "due", "gradia_3d", "haics_3d", "res_g_3d", "res_l_3d")


def benchmark_supervision(
    *,
    grid: Sequence[int],
    settings: Mapping[str, Any],
    predictor: Mapping[str, int],
    device: str,
    threads: int,
    out_file: Path,
    repeats: tuple[int, int] = REPEATS,
) -> None:
    """Time training steps, interleaved in one process, and write medians as a CSV table.

    The rows of methods compare a step of the method (`seconds_ours`) with a step of the same network on cross-entropy
    alone (`seconds_other`); all are of three dimensions, where a step is longest. The row `published_loop` compares the
    step of `due` with the published way of doing it (`seconds_other`), in the same number formats.
    `speedup` is other / ours. Data are random; times do not depend on them.

    Args:
        grid: voxels of the network's input (D, H, W).
        settings: the settings `width`, `max_pool`, `batch_size`, `learning_rate` and `lambda` of the section `train`.
        predictor: `size` of the uncertainty predictor's patches, `width` and `latent`, for the published way.
        device: where to compute, see `choose_compute`.
        threads: CPU threads.
        out_file: the CSV file to write, with columns `case`, `seconds_ours`, `seconds_other`, `speedup`, `steps`.
        repeats: timed steps per case, after one untimed: at most, and at least where they take over five minutes.
    """
    compute, grid = choose_compute(device, threads), tuple(grid)
    torch.manual_seed(derived_seed(0, "benchmark"))
    network = ExplainableResNet(width=settings["width"], max_pool=settings["max_pool"])
    network = placed(network, compute).train()
    batch = _random_batch(settings["batch_size"], grid, compute)
    weights = PublishedWeights(batch[2], **predictor)
    steps = {PLAIN: _plain_step, PUBLISHED: partial(published_step, weights=weights)}
    task = TASKS["lesion"]
    cells = map_shape("resnet18", grid, dims=3, outputs=task.outputs, settings=settings)
    for name in CASES:
        supervision = build_supervision(METHODS[name], task, cells, grid, compute)
        steps[name] = partial(training_step, task=task, supervision=supervision, lambda_=settings["lambda"])
    times = _time(steps, network, batch, settings["learning_rate"], repeats, compute)
    seconds = {name: median(values) for name, values in times.items()}
    pairs = [(name, seconds[name], seconds[PLAIN]) for name in CASES]
    pairs.append((PUBLISHED, seconds["due"], seconds[PUBLISHED]))
    table = pd.DataFrame(pairs, columns=["case", "seconds_ours", "seconds_other"])
    write_csv(table.assign(speedup=table.seconds_other / table.seconds_ours, steps=len(times[PLAIN])), out_file)


def _random_batch(size: int, grid: tuple[int, int, int], compute: Compute) -> Batch:
    """Return a batch of `size` samples, lesions and neighbours by turns."""
    generator = torch_generator(0, "benchmark")
    images, target, weights = torch.rand(3, size, *grid, generator=generator)  # [B, D, H, W] each
    labels = (torch.arange(size) + 1).remainder(2)
    present = labels[:, None, None, None]  # [B, 1, 1, 1]
    target, weights = present * (target > 0.9).float(), present * weights
    images, target, weights = (values.to(compute.device) for values in (images[:, None], target, weights))
    return images, labels, target, weights


def _time(
    steps: Mapping[str, Callable],
    network: ExplainableResNet,
    batch: Batch,
    learning_rate: float,
    repeats: tuple[int, int],
    compute: Compute,
) -> dict[str, list[float]]:
    """Return the seconds of each step, again and again; they take turns, so that a busy machine disturbs all alike."""
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    ready = {}
    for name, step in steps.items():
        own = deepcopy(network)
        ready[name] = partial(step, own, torch.optim.Adam(own.parameters(), lr=learning_rate), batch, compute=compute)
    least, most = repeats
    begin = _now(compute)
    for number in range(most + 1):
        if number > least and _now(compute) - begin > ENOUGH_SECONDS:
            break
        for name, step in ready.items():
            start = _now(compute)
            step()
            seconds[name].append(_now(compute) - start)
    return {name: values[1:] for name, values in seconds.items()}


def _now(compute: Compute) -> float:
    """Return the clock in seconds once the device has finished its work."""
    if compute.device.type == "cuda":
        torch.cuda.synchronize()
    return perf_counter()


def _plain_step(
    network: ExplainableResNet, optimizer: torch.optim.Optimizer, batch: Batch, *, compute: Compute
) -> None:
    """Take a step on cross-entropy alone."""
    labels = batch[1].to(compute.device, non_blocking=True)
    with compute.autocast():
        logits, _ = network(batch[0])
        loss = cross_entropy(logits, labels)
    _descend(optimizer, loss)


def _descend(optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
