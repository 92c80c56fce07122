"""Every setting of the workflow, with its default, its range and its meaning: the one source of both.

`python -m due.config` writes `config/config.yaml`, `config/README.md` and `workflow/schemas/config.schema.json` from
this module; a test fails when they differ. The defaults are the demo.
"""

import difflib
import json
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from due.errors import DueError

Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]


MethodName = Literal[
    "baseline",
    "baseline_plus",
    "due",
    "due_published",
    "due_uniform",
    "due_minmax",
    "due_diffusion",
    "due_readers",
    "due_sdf",
    "gradia",
    "gradia_3d",
    "gradia_published",
    "haics",
    "haics_3d",
    "haics_published",
    "res_g",
    "res_g_3d",
    "res_g_published",
    "res_l",
    "res_l_3d",
    "res_l_published",
    "res_l_deep",
    "res_l_deep_3d",
    "res_l_deep_published",
]
"""Keys of `due.supervise.registry.METHODS`; written out, since importing that takes torch, and so seconds."""


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
"""Keys of `due.explain.attributions.EXPLAINERS`."""


class Settings(BaseModel):
    """A group of settings: unknown keys are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Archives(Settings):
    """Folders of the archives."""

    lidc: str | None = Field(None, description="LIDC-IDRI: DICOM series, in any folder layout.")
    msd_pancreas: str | None = Field(
        None, description="Medical Segmentation Decathlon Task07: NIfTI in `imagesTr` and `labelsTr`; tumours."
    )
    nih_pancreas: str | None = Field(
        None, description="NIH Pancreas-CT: DICOM series and their labels, NIfTI or DICOM SEG; no tumours."
    )


class Ingest(Settings):
    """Which scans are read."""

    archives: Archives = Field(default_factory=Archives, description="Folders of the archives; none makes the demo.")
    public: bool = Field(
        False,
        description="The archives are public: what is made of them may lie in a cache that copies of the project share "
        "(SNAKEMAKE_OUTPUT_CACHE). Keep it off for patients' own images.",
    )
    exclude: tuple[str, ...] = Field((), description="Series instance UIDs (NIfTI: file names) to leave out.")
    demo_patients: int = Field(
        48, ge=0, description="Semi-synthetic patients of the demo, beside the real LIDC-IDRI-0001."
    )


class Annotate(Settings):
    """How readers' contours become annotated slices."""

    consensus: float = Field(
        0.5, gt=0, le=1, description="Share of readers who must include a voxel (0.5: the paper's)."
    )
    scans: Literal["first", "all"] = Field(
        "first", description="Scans of a patient: the first in LIDC's numbering (published), or all."
    )
    inseparable: Literal["keep", "drop"] = Field(
        "keep", description="LIDC lesions with more than four annotations, which are several in one (published: keep)."
    )
    keep_every: Count = Field(
        2, description="Keep every k-th annotated slice, and the last; 1 keeps all. Dropped ones serve as truth only."
    )


class Cue(Settings):
    """A planted shortcut, for experiments: a mark outside the lesion that says the label."""

    strength: Fraction = Field(
        0.0, description="Probability that the mark of a training image agrees with its label; 0 plants none."
    )
    contrast: float = Field(1.0, gt=0, le=1, description="Share of the mark in its voxels.")
    size: float = Field(0.125, gt=0, le=0.5, description="Edge of the mark as a share of the slice's.")
    seed: int = Field(0, ge=0, description="Seed of where the marks lie.")


class Cases(Settings):
    """Samples, their grid, and who is in which split."""

    margin_mm: Annotated[float, Field(ge=0)] = Field(
        0.0, description="Margin around the readers' box in mm (published: 0)."
    )
    negatives_per_lesion: int = Field(
        6, ge=0, le=26, description="Neighbouring blocks per lesion, drawn by seed (published: 26, all)."
    )
    train: Fraction = Field(0.46, description="Share of patients for training (published: 0.1).")
    validation: Fraction = Field(
        0.14, description="Share of patients for validation (published: 0.3); the rest is for testing."
    )
    grid: tuple[Count, Count, Count] = Field(
        (32, 64, 64), description="Network input in voxels: depth, height, width (published: 64, 128, 128)."
    )
    intensity: Literal["window", "slice_minmax"] = Field(
        "window", description="HU window, or min-max of each slice (published)."
    )
    window: tuple[float, float] = Field((-1350.0, 150.0), description="HU mapped to 0 and to 1.")
    cue: Cue = Field(
        default_factory=Cue,
        description="A planted shortcut, for experiments: a mark outside the lesion that says the label.",
    )
    always_test: tuple[str, ...] = Field(
        ("LIDC-IDRI-0001",), description="Patients that are always tested on, never trained on."
    )
    scans_per_shard: Count = Field(
        64,
        description="Scans, about, per file of crops, variance and weights, and so per job: as many as the archives' "
        "folders have patients, at most those of their manifests.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.train + self.validation >= 1:
            raise ValueError(f"train + validation must stay below 1, got {self.train} + {self.validation}")
        if self.window[0] >= self.window[1]:
            raise ValueError(f"window must rise, got {list(self.window)}")
        return self


class Interpolate(Settings):
    """The conditional diffusion interpolator."""

    size: int = Field(32, ge=16, multiple_of=8, description="Largest frame edge in pixels; larger lesions are shrunk.")
    channels: tuple[Count, ...] = Field((16, 32), description="Channels per level of the U-Net, multiples of 8.")
    steps: Count = Field(8, description="Noise levels that a draw goes through.")
    epochs: Count = Field(10, description="Epochs of `steps_per_epoch` steps.")
    steps_per_epoch: Count = Field(40, description="Optimiser steps per epoch.")
    batch_size: Count = Field(32, description="Frames of 32 x 32 pixels per step; of larger ones fewer.")
    learning_rate: Positive = Field(0.003, description="Peak learning rate of AdamW's one-cycle schedule.")
    ema: Fraction = Field(0.98, description="Decay of the averaged weights.")
    max_gap: int = Field(5, ge=2, description="Longest distance between kept slices in training, in slices.")
    filling: Literal["direct", "autoregressive"] = Field(
        "direct", description="Fill all slices of a gap at once, or one after another (published)."
    )
    draws: Count = Field(8, description="Draws averaged into an interpolated annotation, where draws estimate it.")


class Uncertainty(Settings):
    """Variance sampling, the neural-process VAE, and weights."""

    gaps: Count = Field(64, description="Gaps of training patients whose variance is sampled.")
    estimate: Literal["draws", "expectation"] = Field(
        "expectation",
        description="Mean and variance: of draws (published, Algorithm 1), or what those of many draws tend to.",
    )
    draws: int = Field(8, ge=2, description="Draws per gap (T of Algorithm 1).")
    latent: Count = Field(32, description="Size of the Gaussian latent.")
    width: int = Field(16, ge=8, multiple_of=8, description="Channels of the neural-process VAE.")
    epochs: Count = Field(12, description="Epochs over the sampled gaps.")
    batch_size: Count = Field(16, description="Gaps of frames of 32 x 32 pixels per step; of larger ones fewer.")
    learning_rate: Positive = Field(0.003, description="Learning rate of AdamW.")
    beta: Annotated[float, Field(ge=0)] = Field(0.001, description="Weight of the KL term.")
    latent_at_inference: Literal["mean", "draw"] = Field(
        "mean", description="Use the prior's mean, or one random draw (published)."
    )
    mapping: Literal["absolute", "published"] = Field(
        "absolute", description="Weight = 1 - 4 variance, or flipped sigmoid and min-max per gap (published)."
    )


class Train(Settings):
    """Training of the classifiers."""

    methods: tuple[MethodName, ...] = Field(
        ("baseline", "baseline_plus", "due", "gradia", "haics", "res_g", "res_l"),
        min_length=1,
        description="Methods to train and compare; docs/methods.md describes them.",
    )
    samples: int = Field(20, ge=2, description="Balanced training samples, one per patient (published: 20, 50, 100).")
    lambda_: Annotated[float, Field(ge=0)] = Field(1.0, alias="lambda", description="Weight of the explanation loss.")
    seeds: tuple[int, ...] = Field((0, 1, 2), min_length=1, description="Independent runs (published: 5).")
    epochs: Count = Field(10, description="Epochs (published: 50).")
    batch_size: int = Field(5, ge=2, description="Samples per step (published: 16).")
    learning_rate: Positive = Field(0.001, description="Learning rate of Adam (published: 0.001).")
    width: Positive = Field(0.125, description="Width of the 3D ResNet-18 (published: 1, 33.16 M parameters).")
    max_pool: bool = Field(False, description="Max-pool after the stem (published: true); false suits a smaller grid.")
    validate_every: Count = Field(5, description="Epochs between validations.")
    threads: Count = Field(2, description="CPU threads of a job that uses torch.")
    seeds_per_job: Literal["all", "one"] = Field(
        "all", description="Train all seeds of a method in one job, or each in its own, where GPUs are plenty."
    )


class Evaluate(Settings):
    """Scoring of predictions and explanations."""

    threshold: Fraction = Field(0.5, description="Explanation values above it count as attention.")
    explainers: tuple[ExplainerName, ...] = Field(
        get_args(ExplainerName), min_length=1, description="Explainers that `explainers.csv` compares."
    )
    explained: Count = Field(6, description="Test lesions that they explain.")
    explained_methods: tuple[MethodName, ...] = Field(
        (), description="Methods of which a whole run compares the explainers."
    )
    browse: Count = Field(8, description="Test lesions that the slice browser shows.")


class Paper(Settings):
    """The paper's figures."""

    figures: tuple[Literal[3, 4, 5, 6], ...] = Field(
        (4, 5), description="Figures that a whole run draws; any other by its name, as `snakemake figure_3`."
    )
    samples: tuple[Annotated[int, Field(ge=2)], ...] = Field(
        (8, 14, 20), min_length=1, description="Numbers of training samples in Figure 3 (published: 20, 50, 100)."
    )
    lambdas: tuple[Positive, ...] = Field(
        (0.001, 0.01, 0.1, 1.0, 10.0), min_length=1, description="Weights of the explanation loss in Figure 6."
    )


class Study(Settings):
    """The study of interpolation on all LIDC contours, without images."""

    every: tuple[Annotated[int, Field(ge=2)], ...] = Field(
        (2, 3, 4), min_length=1, description="Keep every d-th slice of a nodule and hide those between."
    )
    test: Fraction = Field(0.2, description="Share of patients that are tested on; the others tune.")
    splits: str | None = Field(
        None, description="CSV file with `patient_id` and `split` (`test` or another word), in place of a draw."
    )
    learned: tuple[
        Literal["regression", "diffusion", "diffusion_one_reader", "diffusion_draws", "uncertainty"], ...
    ] = Field((), description="Learned methods that are trained and compared with the classical ones.")
    check_gaps: Count = Field(40, description="Gaps on which draws are checked, and the predictor compared with them.")
    check_steps: tuple[Count, ...] = Field(
        (4, 8, 16, 32), min_length=1, description="Lengths of the chain that are checked, ascending."
    )
    check_draws: int = Field(64, ge=2, description="Draws of each slice in these checks.")


class Export(Settings):
    """Masks for other programs."""

    lesions: tuple[str, ...] = Field((), description="Ids of the lesions that `export_masks` writes; none for all.")


class Cluster(Settings):
    """How jobs are spread over machines; docs/cluster.md."""

    resources: str = Field(
        "config/resources.csv",
        description="Table of what a job of each rule asks for: GPUs, memory (MB), run time (minutes) and disk (MB). "
        "Memory and run time grow with each attempt.",
    )
    cpu_partition: str = Field("", description="SLURM partition of jobs without a GPU; empty: the site's default.")
    gpu_partition: str = Field("", description="SLURM partition of jobs with a GPU; empty: the site's default.")
    gres: str = Field("", description="How jobs ask SLURM for a GPU, such as gpu:a100:1; empty: `--gpus=1`.")


class Config(Settings):
    """All settings of one dataset."""

    dataset: str = Field(
        "demo", pattern=r"^[a-z0-9_]+$", description="Name of the dataset; results go to results/<dataset>."
    )
    seed: int = Field(0, ge=0, description="Seed of everything but the classifiers, which have their own.")
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="Where torch computes: a GPU if there is one, or by name; `cpu` asks for no GPU at all."
    )
    on_problem: Literal["stop", "skip"] = Field(
        "skip",
        description="What a bad series or a scan without annotation does: be left out and listed, or stop the run.",
    )
    ingest: Ingest = Field(default_factory=Ingest, description="Which scans are read.")
    annotate: Annotate = Field(default_factory=Annotate, description="How contours become annotated slices.")
    cases: Cases = Field(default_factory=Cases, description="Samples, their grid, and who is in which split.")
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

    @model_validator(mode="after")
    def _check(self) -> Self:
        archives = {name for name, folder in self.ingest.archives if folder is not None}
        if not archives and not self.dataset.startswith("demo"):
            raise ValueError(f"dataset `{self.dataset}` needs a folder under `ingest.archives`")
        if "lidc" in archives and len(archives) > 1:
            raise ValueError("`ingest.archives.lidc` is a dataset of its own, without the pancreas archives")
        return self


def read_config(values: Mapping[str, Any]) -> dict[str, Any]:
    """Check settings as the user gave them and return all of them, defaults filled in, as plain values.

    Raises:
        DueError: an unknown setting (with the nearest known one), or a value out of its range.
    """
    try:
        return Config.model_validate(values).model_dump(mode="json", by_alias=True)
    except ValidationError as error:
        raise DueError(" ".join(_sentence(problem) for problem in error.errors())) from None


def _sentence(problem: Mapping[str, Any]) -> str:
    """Say in one sentence what pydantic found."""
    path = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        near = difflib.get_close_matches(path, list(setting_names(Config)), n=1, cutoff=0.4)
        hint = f"Did you mean `{near[0]}`?" if near else "config/README.md lists all settings."
        return f"Unknown setting `{path}`. {hint}"
    message = problem["msg"]
    if problem["type"] == "value_error":
        place = f"under `{path}` " if path else ""
        return f"Settings {place}do not fit together: {problem['ctx']['error']}."
    return f"Setting `{path}` is {problem['input']!r}: {message[0].lower()}{message[1:]}."


def setting_names(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Yield the dotted name of every setting of `model`, sections included."""
    for name, field in model.model_fields.items():
        path = prefix + (field.alias or name)
        yield path
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from setting_names(field.annotation, path + ".")


def default_yaml() -> str:
    """Return the default settings as YAML, each with its description as a comment."""
    head = "# yaml-language-server: $schema=../workflow/schemas/config.schema.json\n"
    head += "# The demo, and the default of every setting. Generated by `python -m due.config`; see README.md here.\n\n"
    return head + "\n".join(_yaml_lines(Config())) + "\n"


def _yaml_lines(settings: BaseModel, indent: str = "") -> Iterator[str]:
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        key = field.alias or name
        if isinstance(value, BaseModel):
            yield f"\n{indent}# {field.description}\n{indent}{key}:"
            yield from _yaml_lines(value, indent + "  ")
            continue
        plain = json.loads(json.dumps(value))
        text = yaml.safe_dump(plain, default_flow_style=True, width=1000).replace("\n...", "").strip()
        comment = textwrap.wrap(field.description or "", 110 - len(indent))
        yield "\n".join(f"{indent}# {line}" for line in comment)
        yield f"{indent}{key}: {text}"


def schema_json() -> str:
    """Return the JSON schema of the settings."""
    return json.dumps(Config.model_json_schema(by_alias=True), indent=2) + "\n"


README = """# Settings

`config.yaml` holds every setting with its default, which makes the demo. Change it, or keep a file of your own with
only what differs and give it to Snakemake, or set single values:

```
snakemake --cores 2 --configfile mine.yaml
snakemake --cores 2 --config seed=1 train='{{"seeds": [0, 1, 2, 3, 4]}}'
```

An unknown setting or a value out of range stops the run before it starts. This page, `config.yaml` and the JSON schema
are generated from `workflow/due/config.py` by `make settings`.

| setting | default | meaning |
|---|---|---|
{rows}
"""


def readme() -> str:
    """Return the page that lists all settings."""
    return README.format(rows="\n".join(_readme_rows(Config())))


def _readme_rows(settings: BaseModel, prefix: str = "") -> Iterator[str]:
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        path = prefix + (field.alias or name)
        if isinstance(value, BaseModel):
            yield from _readme_rows(value, f"{path}.")
        else:
            yield f"| `{path}` | `{json.dumps(value)}` | {field.description} |"


def generated() -> dict[str, str]:
    """Return the text of each file that follows from this module, by its path in the project."""
    return {
        "config/config.yaml": default_yaml(),
        "config/README.md": readme(),
        "workflow/schemas/config.schema.json": schema_json(),
    }


if __name__ == "__main__":
    for path, text in generated().items():
        (Path(__file__).parents[2] / path).write_text(text, encoding="utf-8")
