"""The table that compares the predictor with draws."""

import pandas as pd
import pytest

from explainct.benchmarks import uncertainty as benchmark
from explainct.benchmarks.uncertainty import benchmark_uncertainty
from explainct.due.interpolation_study.train_models import some_gaps, split_nodules

COLUMNS = [
    "variance",
    "draws",
    "slices",
    "seconds_per_slice",
    "times_faster",
    "spearman_draws",
    "error_auroc",
    "brier",
]


@pytest.fixture
def table(trained, study, settings, monkeypatch, tmp_path):
    asked = []

    def remember(nodules, **options):
        asked.extend(nodules)
        return some_gaps(nodules, **options)

    monkeypatch.setattr(benchmark, "some_gaps", remember)
    benchmark_uncertainty(
        interpolator_file=trained.model("diffusion"),
        predictor_file=trained.model("uncertainty"),
        every=study["every"],
        check_gaps=study["check_gaps"],
        check_draws=study["check_draws"],
        size=settings["size"],
        steps=settings["steps"],
        latent="mean",
        **trained.common,
        out_file=tmp_path / "table.csv",
    )
    common = trained.common
    split = split_nodules(**{name: common[name] for name in ("test", "splits_file", "seed", "database")})
    tested = {one.lesion_id for one in split[1]}
    assert {one.lesion_id for one in asked} == tested
    return pd.read_csv(tmp_path / "table.csv")


def test_the_table_has_a_row_per_way_to_a_variance(table, study):
    assert list(table.columns) == COLUMNS
    assert table["variance"].tolist() == ["draws", "expectation", "predictor"]
    assert table["draws"].tolist() == [study["check_draws"], 0, 0]
    assert table["slices"].nunique() == 1
    assert table["slices"].iloc[0] == study["check_gaps"] * (max(study["every"]) - 1)
    draws = table.set_index("variance").loc["draws"]
    assert draws["times_faster"] == 1
    assert draws["spearman_draws"] == pytest.approx(1)
    product = table["times_faster"] * table["seconds_per_slice"]
    assert product.to_numpy() == pytest.approx(draws["seconds_per_slice"], rel=1e-4)
    assert table[["error_auroc", "brier"]].stack().between(0, 1).all()
    assert table["spearman_draws"].between(-1, 1).all()
