"""Files of views as `render_views` writes them: bright nodules are malignant, dim ones benign, on noise."""

import h5py
import numpy as np
import pandas as pd

from explainct.cfalign.labels import label_views
from explainct.data.samples.attributes import ATTRIBUTES, ratings_column

SIZE, VIEWS = 32, 2
WINDOW = (-1400.0, 200.0)
CUE = {"contrast": 1.0, "size": 0.25, "seed": 0}


def nodules(count=60, malignant=lambda n: n % 3 == 0):
    rng = np.random.default_rng(0)
    rows = []
    for n in range(count):
        about = {"lesion_id": f"n{n:03d}", "patient_id": f"p{n // 2:03d}", "readers": 3, "extent_mm": 9.0, "slices": 4}
        ratings = {ratings_column(name): rng.integers(3, 6, 3).tolist() for name in ATTRIBUTES}
        rows.append(about | ratings | {ratings_column("malignancy"): [5 if malignant(n) else 2] * 3})
        rows[-1] |= {"reason": "", "row": VIEWS * n}
    return pd.DataFrame(rows)


def write_views(folder, table):
    """Write the table of nodules and their views, and return their paths."""
    rng = np.random.default_rng(1)
    count = VIEWS * len(table)
    masks = np.zeros((count, 1, SIZE, SIZE), np.uint8)
    for mask in masks:
        i, j = rng.integers(10, 15, 2)
        mask[0, i : i + 7, j : j + 8] = 1
    bright = np.repeat([ratings[0] > 3 for ratings in table[ratings_column("malignancy")]], VIEWS)
    hu = rng.normal(-900, 60, masks.shape) + masks * np.where(bright, 900, 300)[:, None, None, None]
    with h5py.File(folder / "views.h5", "w") as file:
        file["image"], file["mask"] = hu.astype(np.int16), masks
    table.to_parquet(folder / "nodules.parquet")
    return {"nodules_file": folder / "nodules.parquet", "views_file": folder / "views.h5"}


def label(folder, nodules_file, **changes):
    """Label views, and return the path of their table."""
    arguments = {"views": VIEWS, "median": "median_high", "train": 0.5, "validation": 0.25, "cohort": "toys", "seed": 0}
    files = {name: folder / f"{name}.csv" for name in ("counts_file", "flow_file")}
    label_views(nodules_file=nodules_file, table_file=folder / "table.parquet", **files, **(arguments | changes))
    return folder / "table.parquet"
