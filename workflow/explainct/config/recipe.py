"""How a classifier is trained, as data: what a training needs to know of its method, and no more."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a classifier is trained: all of a method that numbers depend on.

    Attributes:
        sees: the whole block, or its middle slice alone.
        annotation: which annotation explanations are pulled to: none, the annotated slice nearest to each plane, or one
            interpolated by what `uncertainty.filled_by` names, or by signed distances.
        weights: none, the same for all voxels, 1 on annotated planes alone, 1 on all planes but those of gaps (known),
            or by the uncertainty of the interpolation: as the settings map it, with the published mapping, with that at
            the published query times, or by the readers' disagreement.
        mask: a second annotation that the loss asks for: none, or the mask as the published code resizes it.
        intensity: how images map HU to [0, 1] where it is not the setting `samples.intensity` that says it.
        loss: name of the explanation loss in `explainct.learning.losses.registry`; None trains on labels alone.
        detach_head: keep the explanation loss from training the classification layer, as published.
    """

    sees: Literal["volume", "middle_slice"] = "volume"
    annotation: Literal["none", "nearest", "interpolated", "signed_distance"] = "none"
    weights: Literal[
        "none", "uniform", "annotated", "known", "uncertainty", "published", "published_times", "readers"
    ] = "none"
    mask: Literal["none", "published"] = "none"
    intensity: Literal["window", "slice_minmax"] | None = None
    loss: str | None = None
    detach_head: bool = False

    @property
    def dims(self) -> int:
        """Return the dimensions of the network: 3 for the block, 2 for its middle slice."""
        return 3 if self.sees == "volume" else 2

    @property
    def reading(self) -> dict[str, str]:
        """Return what takes the place of the settings `samples` when this method's images are read."""
        return {} if self.intensity is None else {"intensity": self.intensity}

    @property
    def supervised(self) -> bool:
        """Tell whether explanations are supervised."""
        return self.loss is not None
