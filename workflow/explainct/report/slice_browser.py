"""A slice browser: one HTML file that shows lesions, annotations, uncertainty and explanations, without a network."""

import base64
import io
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import matplotlib
import numpy as np
from PIL import Image

from explainct.errors import UserError
from explainct.runtime.files import write_text
from explainct.scoring.metrics.calibration import MAX_VARIANCE

log = logging.getLogger(__name__)

Group = Literal["readers", "truth", "interpolated", "variance", "weight", "explanation"]

TEMPLATE = Path(__file__).with_name("slice_browser.html")
SLOT = "@LESIONS@"
"""Where the template takes its data."""

MOST_ROWS = 16384
"""Height of a picture that every browser can still read back, in pixels."""


@dataclass(frozen=True)
class GroupStyle:
    """How the layers of a group are drawn.

    Attributes:
        title: the group in words.
        lines: colours of outlines, one a layer; empty for a group of maps.
        colours: matplotlib's name of a perceptual colormap; empty for a group of outlines.
        top: value of the last colour; the first stands for 0.
    """

    title: str
    lines: tuple[str, ...] = ()
    colours: str = ""
    top: float = 1.0


# Lines have Okabe and Ito's colours, which colour-blind readers tell apart.
GROUPS: dict[Group, GroupStyle] = {
    "readers": GroupStyle("Readers, annotated slices", lines=("#E69F00", "#56B4E9", "#009E73", "#F0E442")),
    "truth": GroupStyle("Truth, all slices", lines=("#CC79A7",)),
    "interpolated": GroupStyle("Interpolated annotation", colours="cividis"),
    "variance": GroupStyle("Variance", colours="magma", top=MAX_VARIANCE),
    "weight": GroupStyle("Weight", colours="viridis"),
    "explanation": GroupStyle("Explanations", colours="inferno"),
}
"""The groups of layers, in the order of the page; maps lie above one another in this order, outlines above all maps."""


@dataclass(frozen=True)
class Layer:
    """Something to lay over the CT image of a lesion.

    Attributes:
        group: what it is, one of `GROUPS`.
        name: its name for readers, unique in the group; a method's label for an explanation.
        volume: values [D, H, W] in [0, 1], variances in [0, 0.25]; masks are outlined where they exceed a half.
    """

    group: Group
    name: str
    volume: np.ndarray


@dataclass(frozen=True)
class BrowserLesion:
    """A lesion on the network's grid, as the browser shows it.

    Attributes:
        lesion_id: public id of the lesion, never a patient's name.
        image: CT image [D, H, W] in [0, 1], as the network gets it: the HU window is kept.
        spacing: distance of grid voxels (y, x) in mm.
        z_mm: position of each plane of the grid in mm [D], ascending.
        annotated: bool [D], the slices that readers annotated and the method may see; only there readers' masks show.
        layers: what lies over the image, each [D, H, W].
        predictions: what each method said, by its label.
    """

    lesion_id: str
    image: np.ndarray
    spacing: tuple[float, float]
    z_mm: np.ndarray
    annotated: np.ndarray
    layers: Sequence[Layer]
    predictions: Mapping[str, str]


def write_browser(lesions: Sequence[BrowserLesion], out: Path, caption: str) -> None:
    """Write one HTML file that shows the lesions slice by slice, offline, in any current web browser.

    A volume is a grey PNG of 8 bits with its slices below one another. A lesion of 32 x 64 x 64 voxels with 12 layers
    takes about 0.4 MB, so 250 lesions fit into 100 MB; the page decodes one lesion at a time.

    Args:
        lesions: the lesions, in the order of the list.
        out: the HTML file.
        caption: what the cohort is, in words.

    Raises:
        UserError: there is no lesion or one twice, or a lesion's arrays do not fit together or leave their range.
    """
    if not lesions:
        raise UserError(f"There is no lesion to show in {out}. Choose at least one lesion.")
    _require_unique([lesion.lesion_id for lesion in lesions], f"the lesions of {out}")
    content = {
        "caption": caption,
        "groups": [_group_content(key, style) for key, style in GROUPS.items()],
        "lesions": [_lesion_content(lesion) for lesion in lesions],
    }
    page = TEMPLATE.read_text(encoding="utf-8").replace(SLOT, script_json(content))
    write_text(page, out)
    log.info("%s: %d lesions, %.1f MB", out, len(lesions), len(page) / 1e6)


def script_json(content: Any) -> str:
    """Return JSON for an HTML `<script>` element: ASCII, and no character that could end or open a tag."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    return text.translate({ord(character): f"\\u{ord(character):04x}" for character in "<>&"})


def sprite(levels: np.ndarray) -> bytes:
    """Return a grey PNG of D x H rows and W columns: the slices of `levels` (uint8 [D, H, W]) below one another."""
    buffer = io.BytesIO()
    Image.fromarray(levels.reshape(-1, levels.shape[2])).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def grey_levels(volume: np.ndarray, *, top: float, what: str) -> np.ndarray:
    """Return `volume` [D, H, W] in [0, `top`] as uint8, 0 to 255.

    Raises:
        UserError: a value lies outside of [0, `top`] by more than rounding, or is no number.
    """
    levels = np.rint(255 / top * np.asarray(volume, np.float64))
    if not ((levels >= 0) & (levels <= 255)).all():
        low, high = float(np.min(volume)), float(np.max(volume))
        raise UserError(
            f"{what} has values from {low:g} to {high:g}; expected are numbers from 0 to {top:g}. Scale it before."
        )
    return levels.astype(np.uint8)


def _group_content(key: Group, style: GroupStyle) -> dict[str, Any]:
    """Return what the page has to know of a group; its colours as 256 RGB triples."""
    triples = matplotlib.colormaps[style.colours](np.arange(256), bytes=True)[:, :3].tobytes() if style.colours else b""
    colours = base64.b64encode(triples).decode()
    return {"key": key, "title": style.title, "lines": style.lines, "colours": colours, "top": style.top}


def _lesion_content(lesion: BrowserLesion) -> dict[str, Any]:
    """Check a lesion and return what the page has to know of it."""
    _require_geometry(lesion)
    _require_unique([f"{layer.group} {layer.name}" for layer in lesion.layers], f"the layers of {lesion.lesion_id}")
    return {
        "id": lesion.lesion_id,
        "shape": lesion.image.shape,
        "spacing": [float(size) for size in lesion.spacing],
        "distances": (lesion.z_mm - lesion.z_mm[0]).round(3).tolist(),
        "annotated": np.flatnonzero(lesion.annotated).tolist(),
        "image": data_uri(grey_levels(lesion.image, top=1.0, what=f"The image of {lesion.lesion_id}")),
        "layers": [
            {"group": layer.group, "name": layer.name, "sprite": data_uri(_layer_levels(layer, lesion))}
            for layer in lesion.layers
        ],
        "predictions": list(lesion.predictions.items()),
    }


def _layer_levels(layer: Layer, lesion: BrowserLesion) -> np.ndarray:
    """Return a layer as uint8 [D, H, W]; readers' masks are empty where the method may not see them."""
    what = f"Layer `{layer.name}` ({layer.group}) of {lesion.lesion_id}"
    if layer.volume.shape != lesion.image.shape:
        raise UserError(
            f"{what} has the shape {layer.volume.shape}, its image {lesion.image.shape}. Bring both to the same grid."
        )
    levels = grey_levels(layer.volume, top=GROUPS[layer.group].top, what=what)
    if layer.group == "readers":
        levels[~lesion.annotated] = 0
    return levels


def data_uri(levels: np.ndarray) -> str:
    """Return `sprite` of `levels` (uint8 [D, H, W]) as text that a page holds in itself."""
    return "data:image/png;base64," + base64.b64encode(sprite(levels)).decode()


def _require_geometry(lesion: BrowserLesion) -> None:
    """Check the image's shape, the voxel size and the annotated slices of a lesion."""
    shape = lesion.image.shape
    if len(shape) != 3 or 0 in shape or shape[0] * shape[1] > MOST_ROWS:
        raise UserError(
            f"The image of {lesion.lesion_id} has the shape {shape}; expected are slices, rows and columns, "
            f"with slices x rows of {MOST_ROWS} at most. Resample it to the grid of the network."
        )
    if len(lesion.spacing) != 2 or not all(0 < size < np.inf for size in lesion.spacing):
        raise UserError(
            f"The spacing of {lesion.lesion_id} is {lesion.spacing}; expected are two sizes above 0 mm (y, x). "
            "Give the distances of its grid voxels."
        )
    if lesion.z_mm.shape != shape[:1] or not np.isfinite(lesion.z_mm).all() or (np.diff(lesion.z_mm) < 0).any():
        raise UserError(
            f"The positions of the slices of {lesion.lesion_id} are {lesion.z_mm.tolist()}; expected are {shape[0]} "
            "ascending numbers in mm. Give the z of each plane of its grid."
        )
    if lesion.annotated.dtype != bool or lesion.annotated.shape != shape[:1]:
        raise UserError(
            f"The annotated slices of {lesion.lesion_id} are {lesion.annotated.dtype} {lesion.annotated.shape}; "
            f"expected is bool {shape[:1]}. Give one value for each slice."
        )


def _require_unique(names: Sequence[str], where: str) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise UserError(f"`{repeated[0]}` occurs more than once in {where}. Give each a name of its own.")
