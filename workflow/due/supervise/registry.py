"""The methods that are compared: what each one asks of an explanation."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch

from due.supervise.published import published_loss
from due.supervise.weighted_l1 import weighted_l1

Loss = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Method:
    """How a classifier is trained.

    Attributes:
        name: the method's name in settings and paths.
        target: which annotation explanations are pulled to: none, the annotated slice nearest to each plane, or the
            interpolated one.
        weights: none, the same for all voxels, or by the uncertainty of the interpolation.
        loss: explanations, target and weights, each [B, D, H, W], to a scalar; None trains on labels alone.
        detach_head: keep the explanation loss from training the classification layer, as published.
    """

    name: str
    target: Literal["none", "nearest", "interpolated"]
    weights: Literal["none", "uniform", "uncertainty"]
    loss: Loss | None
    detach_head: bool = False

    @property
    def supervised(self) -> bool:
        """Tell whether explanations are supervised."""
        return self.loss is not None


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method("baseline", target="none", weights="none", loss=None),
        Method("baseline_plus", target="nearest", weights="uniform", loss=weighted_l1),
        Method("due", target="interpolated", weights="uncertainty", loss=weighted_l1),
        Method("due_published", target="interpolated", weights="uncertainty", loss=published_loss, detach_head=True),
    )
}
"""All methods by name: the 3D ones of DUE, section 5.1, and DUE as its authors coded it."""
