"""Every setting of the workflow, with its default, its range and its meaning: the one source of both.

`python -m explainct.config.generate` writes `config/config.yaml`, `config/README.md` and
`workflow/schemas/config.schema.json` from this package; a test fails when they differ. The defaults are the demo.
"""

import difflib
import math
from collections.abc import Iterator, Mapping
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, Field, ValidationError, model_validator

from explainct.config.base import Settings
from explainct.config.cluster import Cluster, Export
from explainct.config.counterfactual import Counterfactual
from explainct.config.data import Annotate, Ingest, Samples
from explainct.config.due import AnnotationStudy, Interpolate, Paper, Study, Uncertainty
from explainct.config.gax import Confidence
from explainct.config.informer import Monitoring
from explainct.config.predict import Fill
from explainct.config.training import Evaluate, Train
from explainct.errors import UserError

NOT_DATASETS = ("benchmarks", "predict", "published")
"""Folders under results that are no dataset's."""


class Config(Settings):
    """All settings of one dataset."""

    dataset: str = Field(
        "demo", pattern=r"^[a-z0-9_]+$", description="Name of the dataset; results go to results/<dataset>."
    )
    seed: int = Field(0, ge=0, description="Seed of everything but the classifiers, which have their own.")
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto",
        description="Where torch computes: a GPU if there is one, or by name; jobs ask for none with `cpu`, or "
        "with `auto` where this machine runs them and shows none.",
    )
    on_problem: Literal["stop", "skip"] = Field(
        "skip",
        description="What a bad series or a scan without annotation does: be left out and listed, or stop the run.",
    )
    ingest: Ingest = Field(default_factory=Ingest, description="Which scans are read.")
    annotate: Annotate = Field(default_factory=Annotate, description="How contours become annotated slices.")
    samples: Samples = Field(default_factory=Samples, description="Samples, their grid, and who is in which split.")
    interpolate: Interpolate = Field(default_factory=Interpolate, description="The conditional diffusion interpolator.")
    uncertainty: Uncertainty = Field(
        default_factory=Uncertainty, description="Variance sampling, the neural-process VAE, and weights."
    )
    train: Train = Field(default_factory=Train, description="Training of the classifiers.")
    evaluate: Evaluate = Field(default_factory=Evaluate, description="Scoring of predictions and explanations.")
    paper: Paper = Field(default_factory=Paper, description="The paper's figures.")
    export: Export = Field(default_factory=Export, description="Masks for other programs.")
    cluster: Cluster = Field(default_factory=Cluster, description="How jobs are spread over machines.")
    study: Study = Field(default_factory=Study, description="The study of interpolation on all LIDC contours.")
    annotation_study: AnnotationStudy = Field(
        default_factory=AnnotationStudy, description="The study of how much annotation each method needs."
    )
    monitoring: Monitoring = Field(
        default_factory=Monitoring, description="Alarms on predictions, and the study of them."
    )
    confidence: Confidence = Field(
        default_factory=Confidence, description="The study of whether heatmaps carry information for the classifier."
    )
    fill: Fill = Field(
        default_factory=Fill, description="A user's own annotation: the gaps between outlined slices are filled."
    )

    counterfactual: Counterfactual = Field(
        default_factory=Counterfactual, description="The counterfactual study: whose change lies in the nodule."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        archives = {name for name, folder in self.ingest.archives.items() if folder}
        if self.dataset in NOT_DATASETS:
            raise ValueError(f"`dataset: {self.dataset}` is the name of another folder under results; choose another")
        if not archives and not self.dataset.startswith("demo"):
            raise ValueError(f"dataset `{self.dataset}` needs a folder under `ingest.archives`")
        untrained = [name for name in self.evaluate.explained_methods if name not in self.train.methods]
        if untrained:
            raise ValueError(f"`evaluate.explained_methods` names {', '.join(untrained)}, not among `train.methods`")
        if not archives and self.ingest.demo_patients:
            self._check_demo()
        return self

    def _check_demo(self) -> None:
        """Check that the demo's training split has as many patients as training samples are asked for."""
        patients = self.ingest.demo_patients + 1
        training = round(self.samples.train * patients)
        asked = {"train.samples": self.train.samples}
        if 3 in self.paper.figures:
            asked["paper.samples"] = max(self.paper.samples)
        for name, samples in asked.items():
            if samples > training:
                raise ValueError(
                    f"`{name}` asks for {samples} training samples of different patients, but the demo's "
                    f"{patients} patients give {training}; lower it, or raise `ingest.demo_patients`"
                )


def read_config(values: Mapping[str, Any]) -> dict[str, Any]:
    """Check settings as the user gave them and return all of them, defaults filled in, as plain values.

    Raises:
        UserError: an unknown setting (with the nearest known one), or a value out of its range.
    """
    try:
        return Config.model_validate(values).model_dump(mode="json", by_alias=True)
    except ValidationError as error:
        raise UserError(" ".join(_sentence(problem) for problem in _problems(error))) from None


def _problems(error: ValidationError) -> list[Mapping[str, Any]]:
    """Return what pydantic found; a list with bad items is not called too short as well."""
    found = error.errors()
    inside = {problem["loc"][:-1] for problem in found}
    return [problem for problem in found if problem["type"] != "too_short" or problem["loc"] not in inside]


def _sentence(problem: Mapping[str, Any]) -> str:
    """Say in one sentence what pydantic found."""
    path = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        near = difflib.get_close_matches(path, list(setting_names(Config)), n=1, cutoff=0.4)
        if near and any("." in str(part) for part in problem["loc"]):
            nested = _nested(near[0], problem["input"])
            return f"Setting `{path}` is written flat, but sections are nested: write `{nested}`."
        hint = f"Did you mean `{near[0]}`?" if near else "config/README.md lists all settings."
        return f"Unknown setting `{path}`. {hint}"
    if problem["type"] == "model_type":
        return (
            f"Section `{path}` is {problem['input']!r}, but holds settings by name. Write them below it, each behind "
            "two blanks, or leave the section out."
        )
    message = problem["msg"]
    if problem["type"] == "value_error" and not isinstance(problem["input"], Mapping):
        return f"Setting `{path}` is {list(problem['input'])}: {problem['ctx']['error']}."
    if problem["type"] == "value_error":
        place = f"under `{path}` " if path else ""
        return f"Settings {place}do not fit together: {problem['ctx']['error']}."
    return f"Setting `{path}` is {problem['input']!r}: {message[0].lower()}{message[1:]}."


def _nested(name: str, value: Any) -> str:
    """Return a dotted setting with its value as nested YAML in one line.

    >>> _nested("samples.cue.size", 0.25)
    'samples: {cue: {size: 0.25}}'
    """
    for part in reversed(name.split(".")):
        value = {part: value}
    return yaml.safe_dump(value, default_flow_style=True, width=math.inf).strip()[1:-1]


def setting_names(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Yield the dotted name of every setting of `model`, sections included."""
    for name, field in model.model_fields.items():
        path = prefix + (field.alias or name)
        yield path
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from setting_names(field.annotation, path + ".")
