"""Settings of CF-Align: the counterfactual study."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from explainct.config.base import Count, Distinct, Fraction, OpenFraction, Positive, Settings
from explainct.config.compared import COMPARED

ComparedName = Literal[*COMPARED]
"""Names of the table of compared methods."""


class Solver(Settings):
    """How counterfactuals are solved."""

    iterations: Count = Field(description="Steps of L-BFGS at most, in each try.")
    retries: int = Field(ge=0, description="Tries more, each with 0.3 of lambda, for samples that do not flip.")
    tolerance: Positive = Field(description="Residual, |gradient| / (lambda |z|), at which a sample is finished.")
    gate: Positive = Field(description="Residual from which on a sample does not count as stationary.")


class Autoencoder(Settings):
    """The autoencoder in whose latent space the published form looks for counterfactuals."""

    channels: Count = Field(16, description="Channels of the code (16 in the later repository).")
    epochs: Count = Field(6, description="Epochs; each sees all training views.")
    batch_size: int = Field(32, ge=2, description="Views per step.")
    learning_rate: Positive = Field(0.003, description="Peak learning rate of Adam's one-cycle schedule.")


class Counterfactual(Settings):
    """The study of whether the change that flips a prediction lies in the nodule."""

    patients: int = Field(0, ge=0, description="Patients of the study, drawn by seed; 0 for all with contours.")
    median: Literal["median_high", "median_low"] = Field(
        "median_high",
        description="The label where two readers in the middle disagree: by the higher rating (as the later "
        "repository) or the lower one.",
    )
    size: int = Field(
        64, ge=32, multiple_of=8, description="Rows and columns of 1 mm of an image (published: the whole slice)."
    )
    views: Count = Field(3, description="Views of a nodule, on slices of its middle third.")
    train: OpenFraction = Field(0.6, description="Share of patients who train (published: 0.6).")
    validation: OpenFraction = Field(0.2, description="Share of patients on whom settings are chosen (published: 0.2).")
    window: tuple[float, float] = Field(
        (-1400.0, 200.0), description="HU mapped to 0 and to 1 (published: centre -600, width 1600)."
    )
    methods: Distinct[ComparedName] = Field(
        tuple(COMPARED), min_length=1, description="Methods that are compared; docs/counterfactual.md describes them."
    )
    strengths: Distinct[Fraction] = Field(
        (0.0, 0.9, 1.0),
        min_length=1,
        description="Probabilities that the planted cue of a training image agrees with its label; 0 plants none. Test "
        "images have the cue aligned always, absent, and reversed always.",
    )
    seeds: Distinct[Annotated[int, Field(ge=0)]] = Field(
        (0, 1, 2), min_length=1, description="Trainings of each method (published: 3)."
    )
    cue_contrast: float = Field(1.0, gt=0, le=1, description="Share of the cue's mark in its pixels.")
    cue_size: float = Field(0.125, gt=0, le=0.5, description="Edge of the mark as a share of the image's.")
    epochs: int = Field(
        12, ge=3, description="Epochs, in each of which a nodule shows one of its views (published: 300)."
    )
    batch_size: int = Field(32, ge=2, description="Nodules per step (published: 128).")
    learning_rate: Positive = Field(
        0.004, description="Peak learning rate of Adam's one-cycle schedule (published: 0.001, constant)."
    )
    margin: int = Field(4, ge=0, description="Pixels by which the mask grows before a change counts as outside.")
    cell: int = Field(
        8, ge=1, description="Pixels of a cell of the coarse grid of changes, a divisor of `size`; 1 is image space."
    )
    aligned: Count = Field(8, description="Images of a batch whose counterfactuals are aligned.")
    bound: Positive = Field(
        2.0,
        description="Largest norm of a bounded penalty's gradient, over that of the cross-entropy's; with 1 instead of "
        "2 one of two trainings of `cfalign` used the planted cue after all.",
    )
    solver: Solver = Field(
        default_factory=lambda: Solver(iterations=12, retries=1, tolerance=0.03, gate=0.1),
        description="How counterfactuals are solved in training.",
    )
    cg_steps: Count = Field(5, description="Steps of conjugate gradients at most.")
    cg_tolerance: Positive = Field(0.03, description="Relative residual at which they stop.")
    cg_gate: Positive = Field(0.3, description="Relative residual from which on a sample is left out.")
    chunk: Count = Field(8, description="Samples whose implicit gradient is computed at a time, which bounds memory.")
    evaluated: Count = Field(96, description="Test views whose counterfactuals and maps are scored, for each network.")
    evaluation: Solver = Field(
        default_factory=lambda: Solver(iterations=40, retries=5, tolerance=0.008, gate=0.01),
        description="How their counterfactuals are solved.",
    )
    reports: Count = Field(6, description="Test nodules of which a structured report is written.")
    report_command: str = Field(
        "",
        description="A local command that reads a report as JSON and writes its text, such as that of a language "
        "model; empty for the template.",
    )
    autoencoder: Autoencoder = Field(default_factory=Autoencoder, description="The autoencoder of the published form.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.train + self.validation >= 1:
            raise ValueError(f"train + validation must stay below 1, got {self.train} + {self.validation}")
        if self.window[0] >= self.window[1]:
            raise ValueError(f"window must rise, got {list(self.window)}")
        if self.size % self.cell:
            raise ValueError(f"`cell` is {self.cell}, which does not divide `size` {self.size}; set it to a divisor")
        return self
