"""The training loop that all models share: epochs, history, progress, and resuming after a cut."""

import logging
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
import torch
from tqdm import tqdm

from explainct.runtime import checkpoint
from explainct.seeds import derived_seed

log = logging.getLogger(__name__)


class Stateful(Protocol):
    """Anything whose state is saved with the training: modules, optimisers, schedulers, averages."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state in tensors and plain values."""
        ...

    def load_state_dict(self, state_dict: dict[str, Any], /) -> Any:
        """Take over a state that `state_dict` returned."""
        ...


def fit(
    *,
    parts: Mapping[str, Stateful],
    run_epoch: Callable[[int], Mapping[str, float]],
    epochs: int,
    seed: int,
    resume_from: str | Path,
    settings: Mapping[str, Any],
    after_epoch: Callable[[pd.DataFrame], None] | None = None,
) -> pd.DataFrame:
    """Train for `epochs` epochs, going on from `resume_from` where an earlier run was cut.

    Each epoch starts from a seed of its own, so that a resumed run equals an uncut one bit for bit on the CPU.
    The checkpoint is written after each epoch. The caller saves the finished model and then deletes the checkpoint.

    Args:
        parts: everything with a state that the epochs change.
        run_epoch: runs the epoch of the given number (from 0) and returns what to record, by name.
        epochs: number of epochs in all.
        seed: the run's seed.
        resume_from: where the checkpoint is kept.
        settings: all that the training depends on, in plain values; a checkpoint of others is set aside.
        after_epoch: called with the history so far after each epoch.

    Returns:
        The history: one row an epoch, with the column `epoch` (from 1) and the recorded values.

    Raises:
        UserError: the file at `resume_from` cannot be read.
    """
    resume_from = Path(resume_from)
    identity = checkpoint.fingerprint({**settings, "seed": seed})
    history: list[dict[str, float]] = []
    if earlier := checkpoint.load_matching(resume_from, identity):
        for name, part in parts.items():
            part.load_state_dict(earlier["parts"][name])
        history = earlier["history"]
        log.info("resuming after epoch %d of %d", len(history), epochs)
    start = len(history)
    # A bar is for people; a log gets one line an epoch.
    numbers = tqdm(range(start, epochs), initial=start, total=epochs, unit="epoch", disable=not sys.stderr.isatty())
    for number in numbers:
        torch.manual_seed(derived_seed(seed, "epoch", number))
        record = {"epoch": number + 1, **{name: float(value) for name, value in run_epoch(number).items()}}
        history.append(record)
        values = ", ".join(f"{name} {value:.4g}" for name, value in record.items() if name != "epoch")
        log.info("epoch %d/%d: %s", number + 1, epochs, values)
        states = {name: part.state_dict() for name, part in parts.items()}
        checkpoint.save({"fingerprint": identity, "parts": states, "history": history}, resume_from)
        if after_epoch:
            after_epoch(pd.DataFrame(history))
    return pd.DataFrame(history)
