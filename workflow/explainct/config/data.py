"""Settings of the data: which scans are read, what is annotated, and which samples are made of it."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from explainct.config.base import Count, Fraction, OpenFraction, Settings


class Ingest(Settings):
    """Which scans are read."""

    archives: dict[str, str | None] = Field(
        {},
        description="Folder of each archive by its name; none makes the demo. `lidc`: LIDC-IDRI, DICOM series in any "
        "folder layout. `msd_pancreas`: Medical Segmentation Decathlon Task07, NIfTI in `imagesTr` and `labelsTr`, "
        "tumours. `nih_pancreas`: NIH Pancreas-CT, DICOM series and their labels, NIfTI or DICOM SEG, no tumours.",
    )
    public: bool = Field(
        False,
        description="The archives are public: what is made of them may lie in a cache that copies of the project share "
        "(SNAKEMAKE_OUTPUT_CACHE). Keep it off for patients' own images.",
    )
    exclude: tuple[str, ...] = Field((), description="Series instance UIDs (NIfTI: file names) to leave out.")
    demo_patients: int = Field(
        76, ge=0, description="Semi-synthetic patients of the demo, beside the real LIDC-IDRI-0001."
    )
    demo_slices: Count = Field(5, description="Slices with a consensus that a lesion of these patients has at least.")


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
        2,
        description="Keep every k-th annotated slice, and the last; 1 keeps all. Dropped ones, of the "
        "cohort's lesions only, serve as truth, and set the blocks of validation and test lesions.",
    )


class Cue(Settings):
    """A planted shortcut, for experiments: a mark outside the lesion that says the label."""

    strength: Fraction = Field(
        0.0, description="Probability that the mark of a training image agrees with its label; 0 plants none."
    )
    contrast: float = Field(1.0, gt=0, le=1, description="Share of the mark in its voxels.")
    size: float = Field(0.125, gt=0, le=0.5, description="Edge of the mark as a share of the slice's.")
    seed: int = Field(0, ge=0, description="Seed of where the marks lie.")


class Samples(Settings):
    """Samples, their grid, and who is in which split."""

    margin_mm: Annotated[float, Field(ge=0)] = Field(
        0.0, description="Margin around the readers' box in mm (published: 0)."
    )
    negatives_per_lesion: int = Field(
        6, ge=0, le=26, description="Neighbouring blocks per lesion, drawn by seed (published: 26, all)."
    )
    negatives: Literal["published", "clean"] = Field(
        "published", description="Neighbours that hold voxels of another lesion: kept (published), or left out (clean)."
    )
    training_outlines: Literal["kept", "all"] = Field(
        "kept",
        description="Outlines that set blocks, crops and neighbours of training lesions: those of slices that "
        "`annotate.keep_every` does not drop, or all. All others are set by all outlines.",
    )
    train: OpenFraction = Field(0.3, description="Share of patients for training (published: 0.1).")
    validation: OpenFraction = Field(
        0.13, description="Share of patients for validation (published: 0.3); the rest is for testing."
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
        description="Scans, about, per file of crops and of weights, and so per job. How many files there are "
        "follows from the published number of scans, not from what lies in the archives' folders; with a part of an "
        "archive, raise it.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.train + self.validation >= 1:
            raise ValueError(f"train + validation must stay below 1, got {self.train} + {self.validation}")
        if self.window[0] >= self.window[1]:
            raise ValueError(f"window must rise, got {list(self.window)}")
        return self
