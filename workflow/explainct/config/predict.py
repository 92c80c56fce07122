"""Settings of what is done with a user's own scans."""

from typing import Literal, Self

from pydantic import Field, model_validator

from explainct.config.base import Distinct, Settings


class Fill(Settings):
    """A user's own annotation: outlines on a few slices in, on all slices between them out; docs/fill.md."""

    scan: str = Field("", description="Folder of one DICOM CT series, or a NIfTI file.")
    annotation: str = Field(
        "",
        description="RTSTRUCT, DICOM SEG, NIfTI, NRRD or CSV file with outlines on some slices, or a folder of them.",
    )
    sheet: str = Field(
        "", description="Sample sheet of a cohort, in place of `scan`, `annotation`, `roi` and `slices`: docs/fill.md."
    )
    name: str = Field(
        "scan",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$",
        description="Results go to results/predict/<name>, with a folder for each row of a sheet.",
    )
    roi: str = Field("", description="Regular expression of the names of lesions to fill; empty for all.")
    ignore_label: int | None = Field(
        None, description="Value of a label map that marks slices without annotation, such as nnU-Net's ignore label."
    )
    slices: Distinct[int] = Field(
        (),
        description="The annotated slices, counted from 1 at the lowest z: one without an outline is empty. None: "
        "those with an outline, or with a frame in a DICOM SEG.",
    )
    snap: bool = Field(
        False, description="Take contours that lie more than 0.2 of a step off the slices to the nearest slice."
    )
    model: Literal["predictor", "diffusion", "sdf"] = Field(
        "predictor",
        description="What fills: the shipped uncertainty predictor or diffusion model (models/README.md), or `sdf`, "
        "signed distances, which need no model and know no uncertainty.",
    )
    identity: Literal["none", "copy"] = Field(
        "none",
        description="What filled DICOM files say of the patient: nothing, or all that the annotation said. All other "
        "files say nothing.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        alone = [name for name in ("scan", "annotation", "roi", "slices") if getattr(self, name)]
        if self.sheet and alone:
            raise ValueError(f"`sheet` is given with {', '.join(f'`{name}`' for name in alone)}; its rows say these")
        if bool(self.scan) != bool(self.annotation):
            given, missing = ("scan", "annotation") if self.scan else ("annotation", "scan")
            raise ValueError(f"`{given}` is given without `{missing}`; give both")
        if any(number < 1 for number in self.slices):
            raise ValueError(f"slices count from 1, got {list(self.slices)}")
        return self
