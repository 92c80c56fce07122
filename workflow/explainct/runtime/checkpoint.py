"""Checkpoints: loaded without pickle, tied to the settings that made them, written whole or not at all."""

import hashlib
import io
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from explainct.errors import UserError
from explainct.runtime.files import replacing

log = logging.getLogger(__name__)


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
    """Read the checkpoint of an interrupted training, or return None where there is none that fits.

    One that other settings, code or data made is set aside as `<name>.set_aside`, so that the training starts anew.

    Args:
        path: where the checkpoint is kept.
        expected: fingerprint of all that the training depends on.

    Raises:
        UserError: the file cannot be read as a checkpoint.
    """
    path = Path(path)
    if not path.exists():
        return None
    content = load(path)
    if content.get("fingerprint") == expected:
        return content
    aside = path.with_name(f"{path.name}.set_aside")
    path.replace(aside)
    log.warning("%s was made by other settings, code or data: set aside as %s, training anew", path, aside.name)
    return None
