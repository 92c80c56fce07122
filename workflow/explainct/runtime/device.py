"""Which device trains, and how: chosen once, by name, and said in the log."""

import logging
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch

from explainct.errors import UserError
from explainct.runtime.gpu_slots import take_gpu

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Compute:
    """A device with the number formats that suit it.

    Attributes:
        device: where tensors live.
        precision: `float32`, or `bfloat16` for the forward pass under autocast.
        memory_format: layout of 5D tensors; channels last is the faster one on GPUs, and for narrow 3D networks on
            CPUs too (by 1.4 in a training step at the demo's size).
    """

    device: torch.device
    precision: torch.dtype
    memory_format: torch.memory_format = torch.channels_last_3d

    def autocast(self) -> AbstractContextManager:
        """Return the context in which forward passes run."""
        return torch.autocast(self.device.type, self.precision, enabled=self.precision != torch.float32)


def choose_compute(device: str = "auto", threads: int | None = None) -> Compute:
    """Choose the device called `device`: `auto` (a GPU if there is one), `cpu` or `cuda`.

    Of several GPUs it is one that no other job computes on; it stays this process's until its end. On a GPU forward
    passes run in bfloat16; on a CPU in float32, where the same seed gives the same bits. `threads` limits torch's
    threads on the CPU.

    Raises:
        UserError: `cuda` is asked for and torch sees no GPU.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError(
            "Setting `device: cuda` asks for a GPU, but torch sees none on this machine. "
            "Set `device: auto` (or `cpu`), or install a CUDA build of torch."
        )
    if threads:
        torch.set_num_threads(threads)
    if device == "cpu" or not torch.cuda.is_available():
        log.info("device: cpu, %d threads, float32", torch.get_num_threads())
        return Compute(torch.device("cpu"), torch.float32)
    number = take_gpu(torch.cuda.device_count())
    torch.cuda.set_device(number)
    log.info("device: GPU %d, %s, bfloat16", number, torch.cuda.get_device_name(number))
    return Compute(torch.device("cuda", number), torch.bfloat16)
