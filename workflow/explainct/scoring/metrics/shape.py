"""Whether filled slices look like annotated ones: their pieces, holes and outlines."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from skimage.measure import euler_number, label, perimeter_crofton

from explainct.errors import UserError

EIGHT = 2
"""scikit-image's word for pixels that touch at a side or a corner."""

DIRECTIONS = 4


class Shape(NamedTuple):
    """What a binary slice looks like.

    Attributes:
        area: number of pixels inside.
        components: number of pieces; pixels that touch at a side or a corner are one piece (8-connected).
        holes: number of pieces of the outside that the shape encloses; these touch at sides only (4-connected).
        boundary: length of all outlines in pixels, those of holes too.
    """

    area: int
    components: int
    holes: int
    boundary: float


def shape_statistics(mask: np.ndarray) -> Shape:
    """Return area, pieces, holes and length of outline of a slice; beyond its edge all is outside.

    The outline is measured by Crofton's formula in four directions: within 4 % for discs and 10 % for straight edges of
    any orientation, where the number of pixels' sides would be 27 % too large for a disc. Holes are pieces less Euler's
    number.

    Args:
        mask: bool [h, w].

    Raises:
        UserError: the mask is not bool [h, w].

    >>> ring = np.array([[1, 1, 1, 0], [1, 0, 1, 0], [1, 1, 1, 0]], dtype=bool)
    >>> shape = shape_statistics(ring)
    >>> shape.area, shape.components, shape.holes
    (8, 1, 1)
    """
    if mask.ndim != 2 or mask.dtype != bool:
        raise UserError(f"The mask is {mask.dtype} {mask.shape}; bool [h, w] was expected. Threshold it at 0.5.")
    components = label(mask, connectivity=EIGHT, return_num=True)[1]
    holes = components - euler_number(mask, connectivity=EIGHT)
    return Shape(int(mask.sum()), int(components), int(holes), float(perimeter_crofton(mask, directions=DIRECTIONS)))


def compare_shapes(
    truth: Sequence[np.ndarray], predicted: Sequence[np.ndarray], drawn: Sequence[np.ndarray] | None = None
) -> pd.DataFrame:
    """Return the mean statistics of annotated slices, of filled slices, and of the draws that these are the mean of.

    A mean of draws can be smooth and whole where no draw is, or vanish where all draws are somewhere.

    Args:
        truth: hidden slices of each nodule, bool [M, h, w].
        predicted: the same slices as filled, from 0.5 inside, bool [M, h, w].
        drawn: the same slices as drawn T times, from 0.5 inside, bool [T, M, h, w]; None where nothing is drawn.

    Returns:
        A row per `source` (`truth`, `mean`, `draws`): the number `n` of shapes measured; means of `area` (pixels),
        `components`, `holes` and `boundary` (pixels); `one_piece`, the share of slices in one piece, in [0, 1], of
        which empty ones are none; `area_bias`, the share by which all areas together exceed those of the truth.

    Raises:
        UserError: there are no slices, the truth is empty, or shapes differ or are not bool.
    """
    _check(truth, predicted, drawn)
    sources = {"truth": truth, "mean": predicted}
    if drawn is not None:
        sources["draws"] = drawn
    rows = {name: _mean_statistics(masks) for name, masks in sources.items()}
    table = pd.DataFrame(rows.values()).assign(source=list(rows))
    table["area_bias"] = table["area"] / table["area"].iloc[0] - 1
    return table[["source", *(name for name in table if name != "source")]]


def _mean_statistics(nodules: Sequence[np.ndarray]) -> dict[str, float]:
    """Return the mean statistics of all slices of masks [..., h, w]."""
    shapes = pd.DataFrame(shape_statistics(mask) for masks in nodules for mask in masks.reshape(-1, *masks.shape[-2:]))
    return {"n": len(shapes), **shapes.mean().to_dict(), "one_piece": float((shapes["components"] == 1).mean())}


def _check(truth: Sequence[np.ndarray], predicted: Sequence[np.ndarray], drawn: Sequence[np.ndarray] | None) -> None:
    """Check that all masks are of the same slices, equally often drawn, and that there is something in the truth."""
    shapes = [masks.shape for masks in truth]
    if shapes != [masks.shape for masks in predicted]:
        raise UserError(
            f"The annotated slices of {len(truth)} nodules and the filled ones of {len(predicted)} differ in shape; "
            "equal shapes [M, h, w] were expected. Pass the same slices of both."
        )
    if drawn is not None:
        times = {len(masks) for masks in drawn}
        if shapes != [masks.shape[1:] for masks in drawn] or len(times) != 1 or 0 in times:
            raise UserError(
                f"The slices of {len(drawn)} nodules are drawn {sorted(times)} times or differ in shape from the "
                "annotated ones; [T, M, h, w] with one T above 0 was expected. Pass all draws of the same slices."
            )
    if not any(masks.any() for masks in truth):
        raise UserError(
            f"The annotated slices of {len(truth)} nodules hold no pixel; shapes to compare with were expected. "
            "Pass slices that were annotated."
        )
