"""Tables of filled lesions: what was measured, how sure that is, and which slices to look at."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from explainct.data.ingest.user_scan import Scan
from explainct.predict.choose import FilledLesion
from explainct.predict.measure import SOLID_MM, VOLUME_MM3, Estimate, Measures, measure, size_band
from explainct.predict.self_test import mean_calibration_error, mean_dice
from explainct.seeds import numpy_generator

METHODS = {"ours": "model", "sdf": "signed distances", "itk": "ITK"}


def lesion_rows(filled: Sequence[FilledLesion], files: Sequence[str], scan: Scan, *, seed: int) -> list[dict[str, Any]]:
    """Return a row per lesion, as `lesions.csv` and `lesions.json` have it.

    Args:
        filled: the lesions.
        files: name of the output file of each.
        scan: the scan.
        seed: seed of the draws of intervals.
    """
    rows = []
    for number, (one, file) in enumerate(zip(filled, files, strict=True), start=1):
        measures = measure(
            one.probability,
            one.lesion.annotated,
            first=one.lesion.box.start[0],
            spacing=scan.geometry.spacing.tolist(),
            with_interval=one.method == "ours",
            generator=numpy_generator(seed, "fill", "measure", number),
        )
        rows.append({"number": number, "lesion": one.lesion.outlines.lesion, "file": file, **_row(one, measures, scan)})
    return rows


def _row(one: FilledLesion, measures: Measures, scan: Scan) -> dict[str, Any]:
    """Return what is said of one lesion."""
    x, y, z = _centre(one, scan)
    outlined = len(one.lesion.annotated)
    row = {
        "x_mm": round(x, 1),
        "y_mm": round(y, 1),
        "z_mm": round(z, 1),
        "slice": measures.slice + 1,
        "outlined_slices": outlined,
        "filled_slices": len(one.uncertain_slices()),
        **_spread("long_mm", measures.long_mm, 1),
        **_spread("short_mm", measures.short_mm, 1),
        **_spread("diameter_mm", measures.diameter_mm, 1),
        **_spread("volume_mm3", measures.volume_mm3, 0),
        "diameter_band": size_band(measures.diameter_mm, SOLID_MM, "mm"),
        "volume_band": size_band(measures.volume_mm3, VOLUME_MM3, "mm3"),
        "volume_on_outlined_slices": round(measures.share_outlined, 3),
        "filled_by": METHODS[one.method],
        "hidden_slices": len(one.hidden),
    }
    for method in METHODS:
        row[f"hidden_dice_{method}"] = _rounded(mean_dice(one.hidden, method))
    row["beyond_what_models_saw"] = "; ".join(one.flags)
    return row


def _spread(name: str, estimate: Estimate, digits: int) -> dict[str, float | None]:
    """Return a number with the ends of its interval, rounded."""
    ends = {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
    return {key: None if value is None else round(value, digits) for key, value in ends.items()}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _centre(one: FilledLesion, scan: Scan) -> tuple[float, float, float]:
    """Return the centre of mass of a lesion in mm, LPS."""
    indices = np.argwhere(one.mask.mask).mean(0) + one.lesion.box.start
    affine = scan.geometry.affine
    x, y, _ = affine[:3, :3] @ indices + affine[:3, 3]
    return float(x), float(y), float(np.interp(indices[0], np.arange(scan.shape[0]), scan.z_mm))


def self_test_rows(filled: Sequence[FilledLesion]) -> list[dict[str, Any]]:
    """Return a row per method: mean Dice on all hidden slices, and the calibration error of its probabilities."""
    hidden = [one for lesion in filled for one in lesion.hidden]
    return [
        {
            "method": title,
            "hidden_slices": sum(method in one.answers for one in hidden),
            "dice": _rounded(mean_dice(hidden, method)),
            "calibration_error": _rounded(mean_calibration_error(hidden, method)),
        }
        for method, title in METHODS.items()
        if any(method in one.answers for one in hidden)
    ]


def slices_to_review(filled: Sequence[FilledLesion], scan: Scan) -> pd.DataFrame:
    """Return the filled slices of all lesions, the least certain first: lesion, slice from 1, z in mm, uncertainty."""
    rows = [
        (one.lesion.outlines.lesion, k + 1, round(float(scan.z_mm[k]), 2), round(score, 3))
        for one in filled
        for k, score in one.uncertain_slices()
    ]
    table = pd.DataFrame(rows, columns=["lesion", "slice", "z_mm", "uncertainty"])
    return table.sort_values("uncertainty", ascending=False, kind="stable", ignore_index=True)
