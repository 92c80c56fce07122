"""What all pictures share: fonts, a colour for each method, and files with stable bytes."""

from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from explainct.config.methods import METHODS
from explainct.runtime.files import replacing


def method_style(method: str) -> dict[str, str]:
    """Return label, colour, line and marker of a method, as matplotlib takes them."""
    style = METHODS[method]
    return {"label": style.label, "color": style.color, "linestyle": style.line, "marker": style.marker}


RC = {name: value for name, value in matplotlib.rcParamsDefault.items() if name != "backend"} | {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "figure.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "pdf.fonttype": 42,
}
"""Settings of matplotlib for all pictures, each of them, so that no `matplotlibrc` of the user reaches one."""

DPI = 150


def method_label(method: str) -> str:
    """Return the name of a method for readers."""
    return method_style(method)["label"]


def save_figure(figure: Figure, *paths: str | Path) -> None:
    """Write a picture to each path, in the format of its suffix, without dates: equal pictures give equal bytes."""
    for path in paths:
        is_pdf = Path(path).suffix == ".pdf"
        metadata = {"CreationDate": None, "Producer": None, "Creator": None} if is_pdf else {"Software": None}
        with replacing(path) as part:
            figure.savefig(part, dpi=DPI, metadata=metadata)
