"""The free disk that a download needs: for what is missing, not for what is there."""

from collections.abc import Mapping
from pathlib import Path

from explainct.runtime.files import require_space

MARGIN = 1.05


def require_space_for(folder: Path, sizes: Mapping[Path, int]) -> None:
    """Check that what is missing fits on the disk of `folder`, with 5 % to spare.

    Args:
        folder: the archive's folder.
        sizes: bytes that each folder in it will hold when complete.

    Raises:
        UserError: less space is free than needed.
    """
    missing = sum(max(0, size - _present_bytes(part)) for part, size in sizes.items())
    require_space(folder, int(missing * MARGIN))


def _present_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
