"""Checks of the lists of numbers that the study is computed from, and their rounding."""

from typing import Any

import numpy as np

from explainct.errors import UserError

DECIMALS = 7
"""Uncertainties that agree to this many decimals are equal: further ones are rounding errors of single precision."""

MM_DECIMALS = 3
"""Distances are compared to a micrometre, since positions are written with few decimals."""


def rounded(values: np.ndarray, decimals: int) -> np.ndarray:
    """Round in double precision; half precision would overflow."""
    return np.round(np.asarray(values, dtype=np.float64), decimals)


def check_lists(**lists: Any) -> None:
    """Check that lists have one length above 0, and that numbers are finite."""
    arrays = {name: np.asarray(values) for name, values in lists.items()}
    shapes = {name: values.shape for name, values in arrays.items()}
    if len(set(shapes.values())) > 1 or any(values.ndim != 1 or values.size == 0 for values in arrays.values()):
        seen = ", ".join(f"`{name}` {shape}" for name, shape in shapes.items())
        raise UserError(
            f"The shapes are {seen}; equal lengths [N] above 0 were expected. Pass one value of each per row."
        )
    for name, values in arrays.items():
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise UserError(
                f"`{name}` holds {np.sum(~np.isfinite(values))} values that are not finite; numbers were expected. "
                "Leave those rows out."
            )


def check_range(name: str, values: np.ndarray, highest: float) -> None:
    """Check that values lie in [0, highest], up to rounding errors."""
    low, high = (np.min(values), np.max(values)) if np.size(values) else (0.0, 0.0)
    if not (low >= -(10.0**-DECIMALS) and high <= highest + 10.0**-DECIMALS):
        raise UserError(
            f"`{name}` lies between {low:.4g} and {high:.4g}; values from 0 to {highest:g} were expected. "
            "Pass it as the method gives it, without rescaling."
        )
