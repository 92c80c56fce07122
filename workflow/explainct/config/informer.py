"""Settings of INFORMER: the study of alarms on predictions, and the alarm of the pipeline."""

from typing import Literal, Self

from pydantic import Field, model_validator

from explainct.config.base import Count, Distinct, OpenFraction, Positive, Settings

WITHOUT_RELEVANCE = ("resnet18", "densenet121")
"""Networks with operations that are no modules; `explainct.learning.explain.relevance` refuses them, after training."""


class Monitoring(Settings):
    """The study of which predictions should not be trusted, and the alarm of the pipeline's classifiers."""

    abstain: OpenFraction = Field(
        0.2,
        description="Share of validation samples, those of the largest calibrated risk, above whose risk the "
        "pipeline's predictions have an `alarm`.",
    )
    patients: int = Field(0, ge=0, description="Patients of the study, drawn by seed; 0 for all with contours.")
    median: Literal["median_high", "median_low"] = Field(
        "median_high",
        description="The label where two readers in the middle disagree: by the higher or the lower rating. It changes "
        "about one label in seven of subtlety, margin, spiculation and lobulation.",
    )
    planes: Count = Field(
        1, description="Planes of 1 mm of an image; 1 makes the slice of the largest area, and networks are 2D then."
    )
    size: int = Field(64, ge=16, multiple_of=8, description="Rows and columns of 1 mm of an image.")
    folds: int = Field(
        5, ge=3, description="Folds by patient; each tests once, validates once, and trains in the rest."
    )
    network: str = Field(
        "small_resnet",
        description="The classifier: a network of workflow/explainct/learning/networks/registry.py (published: "
        "densenet121, on which `lrp` is refused).",
    )
    width: Positive = Field(1.0, description="Factor of its number of channels.")
    epochs: Count = Field(20, description="Epochs (published: 3, from weights of ImageNet).")
    batch_size: int = Field(32, ge=2, description="Nodules per step (published: 16).")
    learning_rate: Positive = Field(
        0.002, description="Peak learning rate of AdamW's one-cycle schedule (published: 0.0001, constant)."
    )
    maps: Distinct[Literal["input_x_gradient", "lrp", "grad_cam"]] = Field(
        ("input_x_gradient", "lrp", "grad_cam"),
        min_length=1,
        description="Class maps whose distinctiveness is compared (published: input_x_gradient, lrp).",
    )
    tta_passes: int = Field(10, ge=2, description="Passes of test-time augmentation (not published).")
    tta_transforms: Distinct[Literal["rotate", "blur", "crop"]] = Field(
        ("rotate", "blur", "crop"), min_length=1, description="Its changes, in their order (published: all three)."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.planes > 1 and self.planes < 8:
            raise ValueError(f"`planes` is {self.planes}, but a volume needs 8 or more; set it to 1 for a slice")
        if self.network in WITHOUT_RELEVANCE and "lrp" in self.maps:
            raise ValueError(
                f"relevance cannot be propagated through `network: {self.network}`; leave `lrp` out of `maps`, or "
                "choose `network: small_resnet`"
            )
        return self
