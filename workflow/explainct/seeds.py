"""Reproducible randomness: every random stream is named, so that no stream depends on what ran before it."""

import hashlib

import numpy as np
import torch


def derived_seed(seed: int, *names: object) -> int:
    """Return a 63-bit seed for the stream called `names` under the user's `seed`.

    Streams of different names are independent, and adding a stream leaves all others as they were.
    """
    text = "/".join(str(part) for part in (seed, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def numpy_generator(seed: int, *names: object) -> np.random.Generator:
    """Return numpy's generator of the stream called `names`."""
    return np.random.default_rng(derived_seed(seed, *names))


def torch_generator(seed: int, *names: object, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a torch generator of the stream called `names` on `device`."""
    return torch.Generator(device=device).manual_seed(derived_seed(seed, *names))
