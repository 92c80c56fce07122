"""The browser's lesions: what is put into a lesion, and that planes and millimetres are right."""

import json
import re

import h5py
import numpy as np
import pandas as pd
import pytest

from explainct.due.paper.browser_lesions import browser_lesions, explanation_on_grid
from explainct.report.slice_browser import write_browser
from explainct.scoring.evaluate.explanation_file import write_explanations


def test_a_flat_map_lies_on_the_middle_slice(tmp_path):
    raw = np.arange(4.0).reshape(1, 1, 2, 2)
    write_explanations(tmp_path / "e.h5", ["a-p"], {0: {"predicted": raw, "true": raw}})
    sample = pd.Series({"sample_id": "a-p"})
    volume = explanation_on_grid(tmp_path / "e.h5", "gradia", sample, (8, 6, 6))
    assert volume.shape == (8, 6, 6)
    assert np.flatnonzero(volume.any((1, 2))).tolist() == [4]
    assert volume[4].max() == pytest.approx(1, abs=1e-5)


def test_the_page_holds_every_layer_of_the_chosen_lesions(run, tmp_path):
    tested = run.samples.query("split == 'test' and label == 1")["lesion_id"].tolist()[:2]
    with h5py.File(tmp_path / "filled.h5", "w") as file:
        for lesion_id in tested:
            group = file.create_group(lesion_id)
            for name in ("interpolated", "variance", "weight"):
                group[name] = np.full(run.store.grid, 0.25, np.float16)
            group["annotated"] = np.arange(run.store.grid[0]) % 4 == 0
    shown = browser_lesions(
        run.samples,
        run.lesions,
        run.store,
        tmp_path / "filled.h5",
        {name: own["predictions.parquet"] for name, own in run.files.items()},
        {name: own["explanations.h5"] for name, own in run.files.items()},
    )
    write_browser(shown, tmp_path / "browser.html", "made-up cohort")
    page = (tmp_path / "browser.html").read_text()
    assert "made-up cohort" in page
    lesions = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)[1])[
        "lesions"
    ]
    assert [lesion["id"] for lesion in lesions] == sorted(tested)
    for lesion in lesions:
        groups = [layer["group"] for layer in lesion["layers"]]
        assert {"readers", "truth", "interpolated", "variance", "weight"} <= set(groups)
        assert groups.count("explanation") == len(run.files)
        assert len(lesion["predictions"]) == len(run.files)
        assert lesion["annotated"] == list(range(0, run.store.grid[0], 4))
