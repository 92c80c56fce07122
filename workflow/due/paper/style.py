"""What all pictures share: fonts, a colour for each method, and files with stable bytes."""

from pathlib import Path

from matplotlib.figure import Figure

from due.files import replacing

# Okabe and Ito's colours, which colour-blind readers tell apart; dashes and markers serve print in grey.
METHOD_STYLES: dict[str, dict[str, str]] = {
    "baseline": {"label": "Baseline", "color": "#0072B2", "linestyle": "--", "marker": "s"},
    "baseline_plus": {"label": "Baseline+", "color": "#009E73", "linestyle": "-.", "marker": "^"},
    "due": {"label": "DUE", "color": "#D55E00", "linestyle": "-", "marker": "o"},
    "due_published": {"label": "DUE, published", "color": "#CC79A7", "linestyle": ":", "marker": "D"},
}

RC = {
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
"""Settings of matplotlib for all pictures."""

DPI = 150


def method_label(method: str) -> str:
    """Return the name of a method for readers."""
    return METHOD_STYLES[method]["label"]


def save_figure(figure: Figure, *paths: str | Path) -> None:
    """Write a picture to each path, in the format of its suffix, without dates: equal pictures give equal bytes."""
    for path in paths:
        is_pdf = Path(path).suffix == ".pdf"
        metadata = {"CreationDate": None, "Producer": None, "Creator": None} if is_pdf else {"Software": None}
        with replacing(path) as part:
            figure.savefig(part, dpi=DPI, metadata=metadata)
