"""The views of a split in memory: images, masks, boxes and labels, with or without the planted cue."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from explainct.data.samples.nodules import read_images
from explainct.data.samples.planted_cue import plant_cue
from explainct.data.samples.tasks import TASKS
from explainct.data.samples.views import boxes_of, dilated, read_masks

BOX_MARGIN = 2
"""Pixels by which the oracle's box is larger than the nodule's on each side."""


@dataclass(frozen=True)
class ViewSet:
    """Views with all that training and scoring read of them.

    Attributes:
        table: a row a view: `view_id`, `lesion_id`, `patient_id`, `label` and others [N].
        images: float32 [N, 1, H, W] in [0, 1].
        masks: 1 inside the nodule, uint8 [N, 1, H, W].
        boxes: 1 inside the nodule's box, uint8 [N, 1, H, W].
    """

    table: pd.DataFrame
    images: np.ndarray
    masks: np.ndarray
    boxes: np.ndarray

    @property
    def labels(self) -> np.ndarray:
        """Return 1 for malignant and 0 for benign, int64 [N]."""
        return TASKS["malignancy"].classes(self.table)

    @property
    def attributes(self) -> np.ndarray:
        """Return 0 or 1 for each attribute, float32 [N, A]."""
        return TASKS["attributes"].classes(self.table)

    def __len__(self) -> int:
        return len(self.table)

    def rows(self, rows: np.ndarray) -> Self:
        """Return some of the views."""
        return type(self)(self.table.iloc[rows], self.images[rows], self.masks[rows], self.boxes[rows])

    def with_cue(self, cue: Mapping[str, Any], *, strength: float, mode: str) -> Self:
        """Return the views with the planted cue, which agrees with the label with probability `strength`.

        Args:
            cue: `contrast`, `size` and `seed` of `explainct.data.samples.planted_cue.plant_cue`.
            strength: probability of agreement; 0 stands for no cue.
            mode: `aligned`, `absent` or `reversed`.
        """
        if strength == 0:
            return self
        images = plant_cue(
            self.images,
            self.masks,
            self.labels,
            sample_ids=self.table["view_id"].tolist(),
            strength=strength,
            mode=mode,
            **cue,
        )
        return replace(self, images=images)

    def seen_by(self, images: str) -> Self:
        """Return the views as a method sees them: `lesion` blackens all but the box, others see whole images."""
        if images != "lesion":
            return self
        return replace(self, images=self.images * dilated(self.boxes, BOX_MARGIN))


def read_views(
    table_file: Path, views_file: Path, split: str, window: tuple[float, float], *, most: int | None = None
) -> ViewSet:
    """Read the views of a split.

    Args:
        table_file: the table of `explainct.cfalign.labels.label_views`.
        views_file: the HDF5 file of views.
        split: `train`, `validation` or `test`.
        window: HU that become 0 and 1.
        most: no more views than that, one a nodule before a second one.

    Raises:
        UserError: a mask is empty or covers its whole image.
    """
    table = pd.read_parquet(table_file)
    table = table[table["split"] == split]
    if most is not None and most < len(table):
        order = table.groupby("lesion_id").cumcount().to_numpy()
        table = table.iloc[np.sort(np.argsort(order, kind="stable")[:most])]
    table = table.sort_values("row").reset_index(drop=True)
    rows = table["row"].to_numpy()
    masks = read_masks(views_file, rows)
    return ViewSet(table, read_images(views_file, rows, window)[:, 0], masks, boxes_of(masks))
