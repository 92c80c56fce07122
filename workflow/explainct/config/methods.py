"""The methods that are compared, as data: what each one sees, what it asks of an explanation, and how it is drawn.

Settings, plots and training follow from this table, which imports no torch.
"""

from dataclasses import dataclass, fields, replace
from typing import Any

from explainct.config.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Method(Recipe):
    """A recipe with a name, and how plots show it.

    Attributes:
        name: the method's name in settings and paths.
        label: its name for readers.
        color: colour of its lines and bars; forms of one method share colour and marker.
        marker: marker of its points, as matplotlib names it.
        line: style of its lines, as matplotlib names it.
    """

    name: str
    label: str
    color: str
    marker: str
    line: str = "-"

    @property
    def recipe(self) -> dict[str, Any]:
        """Return the recipe alone, as plain values: the arguments of `Recipe`."""
        return {field.name: getattr(self, field.name) for field in fields(Recipe)}


def _published(method: Method, **changes: Any) -> Method:
    """Return a method as its authors coded it: with the loss of that name, and other `changes`."""
    name = f"{method.name}_published"
    return replace(
        method, name=name, label=f"{method.label}, published", line=":", loss=name, detach_head=True, **changes
    )


# Okabe and Ito's colours and one of Tol's, which colour-blind readers tell apart; dashes and markers serve print in
# grey.
_BASELINES = (
    Method(name="baseline", label="Baseline", color="#0072B2", marker="s"),
    Method(
        name="baseline_plus",
        label="Baseline+",
        color="#009E73",
        marker="^",
        annotation="nearest",
        weights="uniform",
        loss="weighted_cross_entropy",
    ),
    Method(
        name="annotated_alone",
        label="Annotated slices alone",
        color="#882255",
        marker="d",
        annotation="nearest",
        weights="known",
        loss="weighted_cross_entropy",
    ),
)

_DUE = Method(
    name="due",
    label="DUE",
    color="#D55E00",
    marker="o",
    annotation="interpolated",
    weights="uncertainty",
    loss="weighted_cross_entropy",
)

_DUE_PUBLISHED = _published(_DUE, weights="published_times", mask="published", intensity="slice_minmax")

# What differs from `due` in its ablations.
_ABLATIONS = tuple(
    replace(
        _DUE,
        name=f"due_{name}",
        label=f"DUE, {words}",
        marker=marker,
        line=line,
        annotation=annotation or _DUE.annotation,
        weights=weights or _DUE.weights,
    )
    for name, words, marker, line, annotation, weights in (
        ("uniform", "uniform weights", "1", "--", None, "uniform"),
        ("minmax", "min-max weights", "2", "-.", None, "published"),
        ("readers", "readers' weights", "4", "-.", None, "readers"),
        ("sdf", "signed distance", "+", ":", "signed_distance", None),
    )
)

# Methods of 2D papers, which see the middle slice and compare maps and annotations on the cells of the feature map.
_FLAT = tuple(
    Method(
        name=name,
        label=label,
        color=color,
        marker=marker,
        sees="middle_slice",
        annotation="nearest",
        weights="uniform",
        loss=name,
    )
    for name, label, color, marker in (
        ("gradia", "GRADIA", "#56B4E9", "v"),
        ("haics", "HAICS", "#E69F00", "P"),
        ("res_g", "RES-G", "#CC79A7", "D"),
        ("res_l", "RES-L", "#000000", "X"),
        ("res_l_deep", "RES-L, deep", "#666666", "*"),
    )
)

_SOLID = tuple(
    replace(flat, name=f"{flat.name}_3d", label=f"{flat.label} 3D", line="--", sees="volume", weights="annotated")
    for flat in _FLAT
)

METHODS: dict[str, Method] = {
    method.name: method
    for method in (*_BASELINES, _DUE, _DUE_PUBLISHED, *_ABLATIONS, *_FLAT, *_SOLID, *map(_published, _FLAT))
}
"""All methods by name: those of DUE, section 5.1, and some of them as their authors coded them."""
