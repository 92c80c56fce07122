"""Choose who is tested on in the interpolation study."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from explainct.errors import UserError
from explainct.seeds import numpy_generator


def held_out_patients(patients: Sequence[str], *, test: float, splits_file: Path | None, seed: int) -> set[str]:
    """Return the patients that are tested on, drawn by seed or named in a file."""
    ids = sorted(set(patients))
    if splits_file is None:
        chosen = set(numpy_generator(seed, "study").permutation(ids)[: round(test * len(ids))].tolist())
    else:
        splits = pd.read_csv(splits_file)
        if not {"patient_id", "split"} <= set(splits):
            raise UserError(f"{splits_file} has the columns {list(splits)}; `patient_id` and `split` were expected.")
        chosen = set(splits.loc[splits["split"] == "test", "patient_id"]) & set(ids)
    if not 0 < len(chosen) < len(ids):
        raise UserError(
            f"{len(chosen)} of {len(ids)} patients are tested on; some must be, and some must be left to tune on. "
            "Correct `study.test` or the file `study.splits`."
        )
    return chosen
