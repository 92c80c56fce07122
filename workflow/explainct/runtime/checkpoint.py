"""Checkpoints: loaded without pickle, tied to the settings that made them, written whole or not at all."""

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from explainct.errors import UserError
from explainct.runtime.files import replacing


def fingerprint(settings: Mapping[str, Any]) -> str:
    """Return a short hash of everything in `settings` (plain values) that a training depends on."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()[:16]


def save(content: Mapping[str, Any], path: str | Path) -> None:
    """Write tensors and plain values to `path`, whole or not at all."""
    # Through memory: torch hides the reason of a failed write, such as a full disk.
    buffer = io.BytesIO()
    torch.save(dict(content), buffer)
    with replacing(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def load(path: str | Path) -> dict[str, Any]:
    """Read what `save` wrote, on the CPU, refusing anything but tensors and plain values.

    Raises:
        UserError: the file cannot be read as a checkpoint.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise
    except Exception as error:  # torch raises many kinds here, from zip errors to unpickling errors
        raise UserError(f"{path} is not a readable checkpoint of this project. Delete it and repeat.") from error


def load_matching(path: str | Path, expected: str) -> dict[str, Any] | None:
    """Read the checkpoint of an interrupted training, or return None where there is none.

    Raises:
        UserError: the checkpoint was written under another configuration than `expected` (a fingerprint).
    """
    path = Path(path)
    if not path.exists():
        return None
    content = load(path)
    if content.get("fingerprint") != expected:
        raise UserError(
            f"{path} was written by another configuration (its fingerprint is {content.get('fingerprint')}, "
            f"this run's is {expected}). Delete the file to train anew, or restore the earlier settings to go on."
        )
    return content
