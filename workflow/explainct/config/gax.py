"""Settings of AX and GAX: the confidence study."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from explainct.config.base import Count, Distinct, OpenFraction, Positive, Settings
from explainct.config.training import MethodName

MAPS = ("saliency", "input_x_gradient", "deconvolution", "guided_backpropagation", "deep_lift")
"""Keys of `explainct.learning.explain.signed_maps.SIGNED_MAPS`; Grad-CAM has a layer."""
GRAD_CAM = "grad_cam_"
FormName = Literal["normalised", "low_resolution", "additive_adam", "published", "published_without_bias"]
"""Keys of `explainct.gax.generate.FORMS`."""


class Confidence(Settings):
    """The study of whether heatmaps carry information that the classifier can use."""

    methods: Distinct[MethodName] = Field(
        ("baseline", "due"),
        min_length=2,
        description="Methods whose classifiers are studied; the others are compared with the first of this list.",
    )
    seeds: Count = Field(2, description="How many of `train.seeds` are studied, the first ones.")
    neighbours: Count = Field(1, description="Samples without a lesion for each lesion, at most, drawn by seed.")
    maps: Distinct[str] = Field(
        (*MAPS, "grad_cam_first", "grad_cam_last"),
        min_length=1,
        description="Maps that are added to the image: " + ", ".join(MAPS) + ", and Grad-CAM of a layer, `grad_cam_` "
        "and `first` (published), `last`, a step of the network's layers or a module.",
    )
    steps: Distinct[OpenFraction] = Field(
        (0.02,),
        min_length=1,
        description="Root mean squares of steps along a map, as shares of the range of the image; the first one sets "
        "the targets of GAX.",
    )
    target: OpenFraction = Field(
        0.95,
        description="Quantile of the scores of Saliency on correct validation predictions of a class that GAX has to "
        "reach.",
    )
    target_score: Positive | None = Field(
        None, description="Score that GAX has to reach in all classes, in place of the quantile (published: 48)."
    )
    iterations: Count = Field(30, description="Most steps of GAX (published: no limit).")
    form: FormName = Field("normalised", description="Form of GAX that runs on every sample.")
    forms: Distinct[FormName] = Field(
        ("normalised", "low_resolution", "additive_adam", "published"),
        min_length=1,
        description="Forms that are compared: steps of a fixed size along the gradient, the same on a coarse grid, "
        "Adam, and as published with a bias (X-rays) or without one (ImageNet).",
    )
    compared: Count = Field(6, description="Test samples of each class on which forms of GAX are compared.")
    shown: Count = Field(2, description="Those of each class whose maps the page shows, step by step.")
    keep: Distinct[Annotated[int, Field(ge=0)]] = Field(
        (0, 1, 2, 3, 5, 8, 12, 20, 30), description="Steps whose maps the page shows, beside the last one."
    )
    batch_size: Count = Field(8, description="Images at a time.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        unknown = [name for name in self.maps if name not in MAPS and not name.startswith(GRAD_CAM)]
        if unknown:
            raise ValueError(
                f"`maps` names {', '.join(unknown)}, but maps are {', '.join(MAPS)}, and {GRAD_CAM} with a layer"
            )
        return self
