"""Settings of training and of scoring."""

from typing import Annotated, Literal, get_args

from pydantic import Field

from explainct.config.base import Count, Distinct, Fraction, Positive, Settings
from explainct.config.methods import METHODS

MethodName = Literal[*METHODS]
"""Names of the table of methods."""

ExplainerName = Literal[
    "grad_cam",
    "grad_cam_closed",
    "grad_cam_plus_plus",
    "hires_cam",
    "input_x_gradient",
    "integrated_gradients",
    "guided_backpropagation",
    "occlusion",
]
"""Keys of `explainct.learning.explain.explainers.EXPLAINERS`."""


class Train(Settings):
    """Training of the classifiers."""

    methods: Distinct[MethodName] = Field(
        ("baseline", "baseline_plus", "due", "gradia", "haics", "res_g", "res_l"),
        min_length=1,
        description="Methods to train and compare; docs/methods.md describes them.",
    )
    task: str = Field("lesion", description="What is predicted: a task of workflow/explainct/data/samples/tasks.py.")
    network: str = Field(
        "resnet18", description="The classifier: a network of workflow/explainct/learning/networks/registry.py."
    )
    samples: int = Field(20, ge=2, description="Balanced training samples, one per patient (published: 20, 50, 100).")
    lambda_: Annotated[float, Field(ge=0)] = Field(
        1.0, alias="lambda", description="Weight of the explanation loss; the loss of `due` contains a factor of 10."
    )
    seeds: Distinct[Annotated[int, Field(ge=0)]] = Field(
        (0, 1, 2, 3, 4), min_length=1, description="Independent runs (published: 5)."
    )
    epochs: Count = Field(10, description="Epochs (published: 50).")
    batch_size: int = Field(5, ge=2, description="Samples per step (published: 16).")
    learning_rate: Positive = Field(0.001, description="Learning rate of Adam (published: 0.001).")
    width: float = Field(
        0.125,
        ge=1 / 64,
        description="Width of the 3D ResNet-18 (published: 1, 33.16 M parameters).",
    )
    max_pool: bool = Field(False, description="Max-pool after the stem (published: true); false suits a smaller grid.")
    validate_every: Count = Field(5, description="Epochs between validations.")
    threads: Count = Field(
        1,
        description="CPU threads of a job that uses torch; jobs run side by side where there is no GPU.",
    )
    seeds_per_job: Literal["all", "one"] = Field(
        "all", description="Train all seeds of a method in one job, or each in its own, where GPUs are plenty."
    )


class Evaluate(Settings):
    """Scoring of predictions and explanations."""

    threshold: Fraction = Field(0.5, description="Explanation values above it count as attention.")
    explainers: Distinct[ExplainerName] = Field(
        get_args(ExplainerName), min_length=1, description="Explainers that `explainers.csv` compares."
    )
    explained: Count = Field(6, description="Test lesions that they explain.")
    explained_methods: Distinct[MethodName] = Field(
        (), description="Methods of which a whole run compares the explainers."
    )
    browse: Count = Field(8, description="Test lesions that the slice browser shows.")
