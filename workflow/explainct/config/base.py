"""Define what every section of the settings is made of: a strict model, and the types of numbers and lists."""

from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(ge=0, le=1)]
OpenFraction = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]

Item = TypeVar("Item")


def _without_repetition(values: tuple[Item, ...]) -> tuple[Item, ...]:
    """Return `values` if each occurs once; a repeated one would be two jobs with the same files.

    Raises:
        ValueError: a value occurs twice.
    """
    repeated = sorted({str(value) for value in values if values.count(value) > 1})
    if repeated:
        raise ValueError(f"{', '.join(repeated)} stands there more than once, write each value once")
    return values


Distinct = Annotated[
    tuple[Item, ...], AfterValidator(_without_repetition), Field(json_schema_extra={"uniqueItems": True})
]
"""A list in which each value occurs once."""


class Settings(BaseModel):
    """Hold a group of settings: unknown keys and numbers that are not finite are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False)
