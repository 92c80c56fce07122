"""What a step of training costs with the alignment of counterfactuals, next to a plain one."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch.nn.functional import cross_entropy

from explainct.cfalign.alignment_step import alignment_step
from explainct.cfalign.counterfactual import Problem, other_class
from explainct.cfalign.networks import SmoothCNN
from explainct.cfalign.spaces import Grid
from explainct.runtime.device import choose_compute
from explainct.runtime.files import write_csv

REPEATS = 5
BATCH, SIZE = 32, 64
PUBLISHED_STEPS, PUBLISHED_RATE = 200, 0.01
"""Steps of Adam and their rate, by which the code published later looks for a counterfactual."""
FITTED_STEPS = 60
"""Plain steps before the clock runs: counterfactuals of an untrained network are those of noise."""


def benchmark_alignment(*, out_file: Path, settings: Mapping[str, Any], device: str, threads: int) -> None:
    """Time steps on a batch of 32 random images with a bright square, whose brightness is the class.

    Args:
        out_file: CSV to write: `case`, `seconds_ours`, `seconds_other`, `speedup` (other over ours) and `compared`,
            what the other is. Times are the least of 5 runs, on a CPU those of the process.
        settings: `cell`, and those of `explainct.cfalign.alignment_step.alignment_step`.
        device: `auto`, `cpu` or `cuda`.
        threads: threads of the CPU.
    """
    compute = choose_compute(device, threads)
    torch.manual_seed(0)
    labels = torch.arange(BATCH, device=compute.device) % 2
    inside = torch.zeros(BATCH, 1, SIZE, SIZE, device=compute.device)
    inside[:, :, 24:40, 24:40] = 1
    images = 0.5 * torch.rand(BATCH, 1, SIZE, SIZE, device=compute.device) + 0.4 * inside * labels.view(-1, 1, 1, 1)
    network = SmoothCNN().to(compute.device)
    optimizer, parameters = torch.optim.Adam(network.parameters(), lr=1e-3), list(network.parameters())

    def plain() -> None:
        optimizer.zero_grad()
        cross_entropy(network(images), labels).backward()
        optimizer.step()

    for _ in range(FITTED_STEPS):
        plain()
    state = {name: value.clone() for name, value in network.state_dict().items()}
    base = seconds(plain, compute.device)
    rows = []
    for count in (4, 8, BATCH):
        network.load_state_dict(state)

        def aligned(count: int = count) -> None:
            plain()
            alignment_step(
                network,
                Grid(settings["cell"]),
                images[:count],
                inside[:count],
                parameters,
                measure="share",
                settings=settings,
            )

        rows.append((f"aligned step, {count} of {BATCH}", seconds(aligned, compute.device), base, "plain step"))
    network.load_state_dict(state)
    space = Grid(settings["cell"])
    problem = Problem(network, space, images[:8], other_class(network, images[:8]))
    adam = seconds(lambda: published_search(problem), compute.device)
    rows.append((f"{PUBLISHED_STEPS} steps of Adam, no gradient through them, 8 images", adam, base, "plain step"))
    table = pd.DataFrame(rows, columns=["case", "seconds_ours", "seconds_other", "compared"])
    table.insert(3, "speedup", table["seconds_other"] / table["seconds_ours"])
    write_csv(table, out_file)


def published_search(problem: Problem) -> torch.Tensor:
    """Return where 200 steps of Adam end that minimise the cross-entropy and a tenth of the distance [B, P]."""
    z = (problem.start() + 1e-3).requires_grad_()
    optimizer = torch.optim.Adam([z], lr=PUBLISHED_RATE)
    for _ in range(PUBLISHED_STEPS):
        optimizer.zero_grad()
        loss = cross_entropy(problem.logits(z), problem.targets, reduction="sum") + 0.1 * z.norm()
        (z.grad,) = torch.autograd.grad(loss, z)
        optimizer.step()
    return z.detach()


def seconds(call: Callable[[], object], device: torch.device) -> float:
    """Return the least time of 5 calls in seconds, after one that is not counted: on a CPU, of the process."""
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    times = []
    for _ in range(REPEATS + 1):
        start = clock()
        call()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(clock() - start)
    return min(times[1:])
