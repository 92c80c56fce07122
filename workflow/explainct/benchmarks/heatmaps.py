"""What GAX costs in batches next to single images, and what maps of AX cost next to a forward and backward pass."""

from pathlib import Path

import pandas as pd
import torch

from explainct.benchmarks.class_maps import seconds
from explainct.gax.generate import FORMS, generate
from explainct.learning.explain.signed_maps import SIGNED_MAPS, signed_map
from explainct.learning.networks.classifier import placed
from explainct.learning.networks.resnet import ExplainableResNet
from explainct.runtime.device import choose_compute
from explainct.runtime.files import write_csv

BATCH, STEPS = 8, 2
GRID = (32, 64, 64)
"""Voxels of an image of the demo."""
NEVER = 1e9
"""A target that no map reaches, so that all images take all steps."""


def benchmark_heatmaps(*, out_file: Path, device: str, threads: int) -> None:
    """Time steps of GAX and maps of AX per image, with the demo's network and grid.

    Args:
        out_file: CSV to write: `case`, `seconds_ours`, `seconds_other`, `speedup` (other over ours) and `compared`,
            what the other is, all per image. Times are the least of 7 runs, on a CPU those of the process, which others
            on the machine hardly change.
        device: `auto`, `cpu` or `cuda`.
        threads: threads of the CPU.
    """
    compute = choose_compute(device, threads)
    torch.manual_seed(0)
    network = placed(ExplainableResNet(dims=3, width=1 / 8, max_pool=False), compute).eval()
    images = torch.rand(BATCH, 1, *GRID, device=compute.device)
    classes = torch.zeros(BATCH, dtype=torch.int64, device=compute.device)

    def of_gax(count: int) -> float:
        targets = torch.full((count,), NEVER, device=compute.device)
        part = (images[:count], classes[:count], targets, FORMS["normalised"])
        return seconds(lambda: generate(network, *part, iterations=STEPS), compute.device) / count

    rows = [(f"GAX, {STEPS} steps, batch of {BATCH}", of_gax(BATCH), of_gax(1), "GAX, batch of 1")]
    step = seconds(lambda: network(images)[0].sum().backward(), compute.device) / BATCH
    for name in (*SIGNED_MAPS, "grad_cam_first", "grad_cam_last"):
        make = signed_map(name, network)
        one = seconds(lambda make=make: make(images, classes), compute.device) / BATCH
        rows.append((f"{name}, batch of {BATCH}", one, step, "one forward and backward pass"))
    table = pd.DataFrame(rows, columns=["case", "seconds_ours", "seconds_other", "compared"])
    table.insert(3, "speedup", table["seconds_other"] / table["seconds_ours"])
    write_csv(table, out_file)
