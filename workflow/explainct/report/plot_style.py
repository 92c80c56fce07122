"""What all pictures share: fonts, a colour for each method, and files with stable bytes."""

from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from explainct.runtime.files import replacing

# Okabe and Ito's colours, which colour-blind readers tell apart; dashes and markers serve print in grey.
_STYLES: dict[str, tuple[str, str, str]] = {
    "baseline": ("Baseline", "#0072B2", "s"),
    "baseline_plus": ("Baseline+", "#009E73", "^"),
    "due": ("DUE", "#D55E00", "o"),
    "gradia": ("GRADIA", "#56B4E9", "v"),
    "haics": ("HAICS", "#E69F00", "P"),
    "res_g": ("RES-G", "#CC79A7", "D"),
    "res_l": ("RES-L", "#000000", "X"),
    "res_l_deep": ("RES-L, deep", "#666666", "*"),
}
_STYLES |= {
    f"due_{name}": (f"DUE, {words}", "#D55E00", marker)
    for name, words, marker in (
        ("uniform", "uniform weights", "1"),
        ("minmax", "min-max weights", "2"),
        ("diffusion", "diffusion's variance", "3"),
        ("readers", "readers' weights", "4"),
        ("sdf", "signed distance", "+"),
    )
}
_FORMS: dict[str, tuple[str, str]] = {"": ("", "-"), "_3d": (" 3D", "--"), "_published": (", published", ":")}
"""What is added to a method's label, and its line, by the end of its name."""


def method_style(method: str) -> dict[str, str]:
    """Return label, colour, line and marker of a method; forms of one method share colour and marker."""
    end = next((end for end in _FORMS if end and method.endswith(end)), "")
    label, color, marker = _STYLES[method.removesuffix(end)]
    added, line = _FORMS[end]
    return {"label": label + added, "color": color, "linestyle": line, "marker": marker}


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
