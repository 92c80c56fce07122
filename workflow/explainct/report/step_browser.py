"""A page that shows maps as they are optimised, step by step and slice by slice, in one HTML file without a network."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from explainct.errors import UserError
from explainct.report.slice_browser import data_uri, grey_levels, script_json
from explainct.runtime.files import write_text

log = logging.getLogger(__name__)

TEMPLATE = Path(__file__).with_name("step_browser.html")
SLOT = "@SAMPLES@"
"""Where the template takes its data."""
MIDDLE = 128
"""Level of a value of 0; 1 is that of the lowest value and 255 that of the highest."""


@dataclass(frozen=True)
class Evolution:
    """Maps of one image as they were optimised.

    Attributes:
        steps: how many steps each map took [T], ascending.
        scores: the score of each map [T].
        maps: the maps [T, D, H, W] of either sign.
    """

    steps: np.ndarray
    scores: np.ndarray
    maps: np.ndarray


@dataclass(frozen=True)
class ShownSample:
    """An image with its maps.

    Attributes:
        sample_id: public id of the sample, never a patient's name.
        said: the sample in words.
        target: the score that the maps were to reach.
        image: the image [D, H, W] in [0, 1]; D is 1 for a slice.
        evolutions: maps by the name of how they were optimised.
    """

    sample_id: str
    said: str
    target: float
    image: np.ndarray
    evolutions: Mapping[str, Evolution]


def write_step_browser(samples: Sequence[ShownSample], out: Path, caption: str) -> None:
    """Write one HTML file with a slider over steps, and one over slices where there are several.

    A map is a grey PNG of 8 bits with its slices below one another, scaled by the largest absolute value of all steps.

    Args:
        samples: the samples, in the order of the list.
        out: the HTML file.
        caption: what the cohort is, in words.

    Raises:
        UserError: there is no sample, an image leaves [0, 1], or maps do not fit their image or are not finite.
    """
    if not samples:
        raise UserError(f"There is no sample to show in {out}. Raise `confidence.shown`.")
    content = {"caption": caption, "samples": [_sample_content(sample) for sample in samples]}
    page = TEMPLATE.read_text(encoding="utf-8").replace(SLOT, script_json(content))
    write_text(page, out)
    log.info("%s: %d samples, %.1f MB", out, len(samples), len(page) / 1e6)


def _sample_content(sample: ShownSample) -> dict[str, Any]:
    """Check a sample and return what the page has to know of it."""
    return {
        "id": sample.sample_id,
        "said": sample.said,
        "target": sample.target,
        "shape": sample.image.shape,
        "image": data_uri(grey_levels(sample.image, top=1.0, what=f"The image of {sample.sample_id}")),
        "evolutions": [_evolution_content(name, part, sample) for name, part in sample.evolutions.items()],
    }


def _evolution_content(name: str, evolution: Evolution, sample: ShownSample) -> dict[str, Any]:
    """Return the maps of one way of optimising, with the value of the highest level."""
    steps, maps = evolution.steps, evolution.maps
    if maps.shape != (len(steps), *sample.image.shape) or len(evolution.scores) != len(steps) or not len(steps):
        raise UserError(
            f"The maps `{name}` of {sample.sample_id} have the shape {maps.shape} for {len(steps)} steps and "
            f"{len(evolution.scores)} scores; expected are maps of {sample.image.shape}, one a step."
        )
    if not np.isfinite(maps).all() or not np.isfinite(evolution.scores).all():
        raise UserError(
            f"The maps `{name}` of {sample.sample_id} have values that are not finite. Leave the sample out."
        )
    limit = float(np.abs(maps).max()) or 1.0
    levels = np.rint(MIDDLE + (MIDDLE - 1) * maps / limit).astype(np.uint8)
    return {
        "name": name,
        "steps": [int(step) for step in steps],
        "scores": [round(float(score), 4) for score in evolution.scores],
        "largest": [round(float(np.abs(one).max()), 6) for one in maps],
        "limit": limit,
        "maps": [data_uri(one) for one in levels],
    }
