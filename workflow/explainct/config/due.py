"""Settings of DUE: interpolation, its uncertainty, the paper's figures, and the studies."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator, model_validator
from pydantic_core import PydanticCustomError

from explainct.config.base import Count, Distinct, Fraction, OpenFraction, Positive, Settings


class Interpolate(Settings):
    """The conditional diffusion interpolator."""

    annotation_from: Literal["auto", "training_samples", "training", "all"] = Field(
        "auto",
        description="Whose annotated slices teach interpolator and uncertainty predictor: the classifiers' training "
        "samples, the cohort's training patients, or all patients with contours who are neither validation nor test "
        "patients, those outside the cohort with every slice. `auto`: `all` in the demo, else `training`.",
    )
    size: int = Field(32, ge=16, multiple_of=8, description="Largest patch edge in pixels; larger lesions are shrunk.")
    channels: tuple[Annotated[int, Field(ge=8, multiple_of=8)], ...] = Field(
        (16, 32),
        min_length=1,
        max_length=3,
        description="Channels per level of the U-Net: one to three multiples of 8.",
    )
    steps: Count = Field(
        64,
        description="Noise levels that a draw goes through, where draws estimate the variance; few make it too small.",
    )
    epochs: Count = Field(10, description="Epochs of `steps_per_epoch` steps.")
    steps_per_epoch: Count = Field(40, description="Optimiser steps per epoch.")
    batch_size: Count = Field(32, description="Patches of 32 x 32 pixels per step; of larger ones fewer.")
    learning_rate: Positive = Field(0.003, description="Peak learning rate of AdamW's one-cycle schedule.")
    ema: Fraction = Field(0.98, description="Decay of the averaged weights.")
    max_gap: int = Field(
        5, ge=2, description="Longest distance between kept slices that models are trained for, in annotated slices."
    )
    filling: Literal["direct", "autoregressive"] = Field(
        "direct",
        description="Draw all slices of a gap at once, or one after another (published); where draws estimate the "
        "variance.",
    )


class Uncertainty(Settings):
    """Variance sampling, the neural-process VAE, and weights."""

    gaps: Count = Field(
        64,
        description="Gaps of lesions that teach the predictor, at four planes each, with mean and variance.",
    )
    estimate: Literal["draws", "expectation"] = Field(
        "expectation",
        description="What the predictor learns: mean and variance of draws (published, Algorithm 1), or p and "
        "p (1 - p) of the first step, which draws of many steps tend to.",
    )
    draws: int = Field(64, ge=2, description="Draws per gap (T of Algorithm 1), where draws estimate the variance.")
    latent: Count = Field(32, description="Size of the Gaussian latent.")
    width: int = Field(16, ge=8, multiple_of=8, description="Channels of the neural-process VAE.")
    epochs: Count = Field(12, description="Epochs, each of about as many gaps as there are.")
    batch_size: Count = Field(
        16, description="Gaps of patches of 32 x 32 pixels per step; of larger ones fewer, of smaller ones more."
    )
    learning_rate: Positive = Field(0.003, description="Learning rate of AdamW.")
    beta: Annotated[float, Field(ge=0)] = Field(0.001, description="Weight of the KL term.")
    filled_by: Literal["predictor", "diffusion"] = Field(
        "predictor",
        description="What fills gaps: the neural-process VAE in one pass (published), or the diffusion itself, by "
        "`estimate`.",
    )
    latent_at_inference: Literal["mean", "draw"] = Field(
        "mean", description="What the predictor fills gaps with: the prior's mean, or one random draw (published)."
    )
    mapping: Literal["absolute", "published"] = Field(
        "absolute", description="Weight = 1 - 4 variance, or flipped sigmoid and min-max per gap (published)."
    )


class Paper(Settings):
    """The paper's figures."""

    figures: Distinct[Literal[3, 4, 5, 6]] = Field(
        (4, 5), description="Figures that a whole run draws; any other by its name, as `snakemake figure_3`."
    )
    samples: Distinct[Annotated[int, Field(ge=2)]] = Field(
        (8, 14, 20), min_length=1, description="Numbers of training samples in Figure 3 (published: 20, 50, 100)."
    )
    lambdas: Distinct[Positive] = Field(
        (0.001, 0.01, 0.1, 1.0, 10.0), min_length=1, description="Weights of the explanation loss in Figure 6."
    )


class Study(Settings):
    """The study of interpolation on all LIDC contours, without images."""

    every: Distinct[Annotated[int, Field(ge=2)]] = Field(
        (2, 3, 4), min_length=1, description="Keep every d-th slice of a nodule and hide those between."
    )
    test: OpenFraction = Field(0.2, description="Share of patients that are tested on; the others tune.")
    splits: str | None = Field(
        None, description="CSV file with `patient_id` and `split` (`test` or another word), in place of a draw."
    )
    learned: Distinct[Literal["regression", "diffusion", "diffusion_one_reader", "diffusion_draws", "uncertainty"]] = (
        Field((), description="Learned methods that are trained and compared with the classical ones.")
    )
    check_gaps: Count = Field(40, description="Gaps on which draws are checked, and the predictor compared with them.")
    check_steps: tuple[Count, ...] = Field(
        (4, 8, 16, 32), min_length=1, description="Lengths of the chain that are checked, ascending."
    )
    check_draws: int = Field(64, ge=2, description="Draws of each slice in these checks.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if list(self.check_steps) != sorted(set(self.check_steps)):
            raise ValueError(f"check_steps must ascend, got {list(self.check_steps)}")
        return self


def _number_or_all(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
    """Return what `read` makes of a value; of two possible types it would say for each why it is not that one."""
    try:
        return read(value)
    except ValidationError:
        raise PydanticCustomError("number_or_all", "input should be a whole number of at least 2, or 'all'") from None


SliceCount = Annotated[Annotated[int, Field(ge=2)] | Literal["all"], WrapValidator(_number_or_all)]


class AnnotationStudy(Settings):
    """The study of how much annotation each method needs."""

    slices: Distinct[SliceCount] = Field(
        (2, 3, 5, "all"),
        min_length=1,
        description="Outlined slices of a training lesion, the first and the last among them. The others are compared "
        "with the last of this list.",
    )
    outlines: Distinct[Literal["consensus", "single"]] = Field(
        ("consensus", "single"),
        min_length=1,
        description="Whose outlines train: the readers' consensus, or those of one reader per lesion, drawn by seed. "
        "The others are compared with the first of this list.",
    )
