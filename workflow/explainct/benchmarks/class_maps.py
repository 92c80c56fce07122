"""What maps of all classes cost: next to one forward and backward pass, and next to captum."""

import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import torch
from captum.attr import InputXGradient

from explainct.data.samples.attributes import ATTRIBUTES
from explainct.learning.explain.class_maps import map_maker
from explainct.learning.explain.explainers import Logits
from explainct.learning.networks.small_resnet import SmallResNet
from explainct.runtime.device import choose_compute
from explainct.runtime.files import write_csv
from explainct.scoring.metrics.distinctiveness import distinctiveness

REPEATS = 7
SHAPES = {2: (32, 1, 1, 64, 64), 3: (4, 1, 32, 64, 64)}
"""Images of a batch, by the dimensions of the network."""


def benchmark_class_maps(*, out_file: Path, device: str, threads: int) -> None:
    """Time the maps of six classes of a batch, and write a row per map and number of dimensions.

    Args:
        out_file: CSV to write: `case`, `seconds_ours`, `seconds_other`, `speedup` (other over ours) and `compared`,
            what the other is. Times are the least of 7 runs, on a CPU those of the process, which others on the
            machine hardly change.
        device: `auto`, `cpu` or `cuda`.
        threads: threads of the CPU.
    """
    compute = choose_compute(device, threads)
    rows = []
    for dims, shape in SHAPES.items():
        torch.manual_seed(0)
        network = SmallResNet(dims=dims, outputs=len(ATTRIBUTES)).to(compute.device).eval()
        images = torch.rand(shape, device=compute.device)
        step = seconds(lambda network=network, images=images: network(images)[0].sum().backward(), compute.device)
        makers = {name: map_maker(name, network) for name in ("input_x_gradient", "lrp", "grad_cam")}
        ours = {name: seconds(lambda make=make, x=images: make(x), compute.device) for name, make in makers.items()}
        rows += [
            (f"{dims}D {name}, six classes", value, step, "one forward and backward pass")
            for name, value in ours.items()
        ]
        captum = InputXGradient(Logits(network))
        theirs = seconds(lambda captum=captum, x=images: _of_captum(captum, x), compute.device)
        rows.append((f"{dims}D input_x_gradient, six classes", ours["input_x_gradient"], theirs, "captum"))
        maps = makers["input_x_gradient"](images)
        fast, pairs = (
            seconds(lambda f=f, maps=maps: f(maps), compute.device) for f in (distinctiveness, _distinct_by_pairs)
        )
        rows.append((f"{dims}D distinctiveness of six maps", fast, pairs, "all pairs by torch.cosine_similarity"))
    table = pd.DataFrame(rows, columns=["case", "seconds_ours", "seconds_other", "compared"])
    table.insert(3, "speedup", table["seconds_other"] / table["seconds_ours"])
    write_csv(table, out_file)


def seconds(call: Callable[[], object], device: torch.device) -> float:
    """Return the least time of 7 calls in seconds, after one that is not counted: on a CPU, of the process."""
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    times = []
    for _ in range(REPEATS + 1):
        start = clock()
        call()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(clock() - start)
    return min(times[1:])


def _of_captum(explainer: InputXGradient, images: torch.Tensor) -> list[torch.Tensor]:
    images = images.clone().requires_grad_()
    return [explainer.attribute(images, target=number) for number in range(len(ATTRIBUTES))]


def _distinct_by_pairs(maps: torch.Tensor) -> torch.Tensor:
    flat = maps.flatten(2).double()
    return (1 - torch.cosine_similarity(flat[:, :, None], flat[:, None], dim=3)).sum(2)
