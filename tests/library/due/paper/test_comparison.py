"""Methods against the reference: who is compared on what, and that pairs are pairs."""

import numpy as np
import pandas as pd
import pytest

from explainct.due.paper.differences_table import comparable_scores, compare_methods
from explainct.scoring.metrics.declarations import MIDDLE_IOU


def scores_of(method, values, metric="iou", seeds=(0, 1)):
    rows = [(method, seed, f"s{n}", metric, value) for seed in seeds for n, value in enumerate(values)]
    return pd.DataFrame(rows, columns=["method", "seed", "sample_id", "metric", "value"])


def test_methods_of_other_dimensions_meet_on_the_middle_slice_alone():
    scores = pd.concat(
        [
            scores_of("due", [0.5, 0.6, 0.7]),
            scores_of("baseline", [0.4, 0.6, 0.7]),
            scores_of("gradia", [0.9, 0.9]),
            scores_of("due", [0.5, np.nan, 0.7], MIDDLE_IOU),
            scores_of("baseline", [0.4, 0.6, 0.7], MIDDLE_IOU),
            scores_of("gradia", [0.9, 0.9], MIDDLE_IOU),
        ]
    )
    kept = comparable_scores(scores, "due")
    assert set(kept.loc[kept["metric"] == "iou", "method"]) == {"due", "baseline"}
    middle = kept[kept["metric"] == MIDDLE_IOU]
    # The second lesion has no middle slice for one method, and the third none for another.
    assert set(middle["sample_id"]) == {"s0"}
    assert set(middle["method"]) == {"due", "baseline", "gradia"}
    assert len(comparable_scores(scores, "gradia").query("metric == 'iou'")["method"].unique()) == 1


def test_differences_are_those_of_the_means(run, tmp_path):
    out = tmp_path / "differences.csv"
    files = run.files
    compare_methods(
        samples_file=run.samples_file,
        predictions_files=[own["predictions.parquet"] for own in files.values()],
        lesions_files=[own["lesions.parquet"] for own in files.values()],
        methods=list(files),
        reference="due",
        seed=0,
        csv=out,
    )
    table = pd.read_csv(out).set_index(["metric", "method"])
    assert set(table.index.get_level_values("method")) == set(files) - {"due"}
    assert (table["reference"] == "due").all()
    assert (table["comparisons"] == len(files) - 1).all()
    means = {
        name: pd.read_parquet(own["lesions.parquet"]).groupby("metric")["value"].mean() for name, own in files.items()
    }
    for metric in ("iou", "mass_inside", MIDDLE_IOU):
        expected = means["baseline"][metric] - means["due"][metric]
        assert table.loc[(metric, "baseline"), "difference"] == pytest.approx(expected, abs=1e-6)
    assert (table["low_corrected"] <= table["low"]).all()
    assert (table["low"] <= table["difference"]).all()
    assert (table["difference"] <= table["high"]).all()
    assert {"roc_auc", "average_precision", "accuracy"} <= set(table.index.get_level_values("metric"))
