"""Predictions with a planted cue: which images are seen in which mode, and what lies on the mark."""

import numpy as np
import pandas as pd
import pytest
import torch

from explainct.data.samples.planted_cue import MODES
from explainct.data.samples.tasks import TASKS
from explainct.due.paper.planted_cue_table import cue_table
from explainct.errors import UserError
from explainct.learning.networks.resnet import ExplainableResNet
from explainct.runtime.device import choose_compute
from explainct.scoring.evaluate.planted_cue import predict_in_modes

GRID = (16, 32, 32)


class CuedStore:
    """Noise in which a corner says the mode."""

    def __init__(self, mode):
        self.mode = mode

    def images(self, samples):
        images = np.stack([np.random.default_rng(n).random(GRID, np.float32) for n in samples["number"]])
        if self.mode != "absent":
            images[:, :, :8, :8] = (samples["label"] == (self.mode == "aligned")).to_numpy()[:, None, None, None]
        return images

    def cue_mask(self, samples):
        mask = np.zeros((len(samples), *GRID), bool)
        mask[:, :, :8, :8] = True
        return mask


@pytest.fixture(scope="module")
def samples():
    rows = [{"sample_id": f"s{n}", "split": "train" if n % 5 == 4 else "test", "label": n % 2} for n in range(10)]
    return pd.DataFrame(rows).assign(number=range(10))


def cued(samples, dims, out):
    networks = {}
    for seed in (0, 1):
        torch.manual_seed(seed)
        networks[seed] = ExplainableResNet(dims=dims, width=1 / 32, max_pool=False).eval()
    table = predict_in_modes(
        samples=samples,
        store_of=CuedStore,
        networks=networks,
        task=TASKS["lesion"],
        batch_size=3,
        compute=choose_compute("cpu", 1),
    )
    table.to_parquet(out)
    return table


@pytest.mark.parametrize("dims", [2, 3])
def test_each_mode_has_the_predictions_of_its_images(samples, tmp_path, dims):
    table = cued(samples, dims, tmp_path / "cued.parquet")
    test = samples[samples["split"] == "test"]
    assert len(table) == len(MODES) * 2 * len(test)
    torch.manual_seed(1)
    network = ExplainableResNet(dims=dims, width=1 / 32, max_pool=False).eval()
    for mode in MODES:
        part = table[(table["mode"] == mode) & (table["seed"] == 1)]
        assert part["sample_id"].tolist() == test["sample_id"].tolist()
        with torch.no_grad():
            logits, _ = network(torch.as_tensor(CuedStore(mode).images(test))[:, None])
        np.testing.assert_allclose(part["probability"], logits.softmax(1)[:, 1], rtol=1e-4)
        shares = part.set_index("sample_id")["cue_share"]
        known = test.loc[test["label"] == 1, "sample_id"] if mode != "absent" else []
        assert shares.dropna().index.tolist() == list(known)
        assert shares.dropna().between(0, 1).all()
        np.testing.assert_allclose(part["cue_area"].dropna(), 1 / 16)


def test_the_table_has_the_means_over_seeds(samples, tmp_path):
    table = cued(samples, 3, tmp_path / "cued.parquet")
    files = {"methods": ["due", "gradia"], "cued_files": [tmp_path / "cued.parquet"] * 2}
    paths = {"csv": tmp_path / "cue.csv", "md": tmp_path / "cue.md"}
    cue_table(**files, cohort="made-up cohort", strength=0.9, **paths)
    written = pd.read_csv(paths["csv"])
    rows = written.query("method == 'due' and mode == 'reversed'").set_index("metric")
    part = table[table["mode"] == "reversed"]
    right = (part["label"] == part["predicted"]).groupby(part["seed"]).mean()
    assert rows.loc["accuracy", "mean"] == pytest.approx(right.mean())
    assert rows.loc["accuracy", "n_seeds"] == 2
    assert rows.loc["cue_share", "mean"] == pytest.approx(part["cue_share"].mean(), abs=1e-6)
    assert "cue_share" not in set(written.query("mode == 'absent'")["metric"])
    page = paths["md"].read_text()
    assert "probability 0.9" in page
    assert page.count("| DUE") == 1
    assert page.count("| GRADIA") == 1


def test_an_empty_test_split_is_said_in_words(samples, tmp_path):
    with pytest.raises(UserError, match="no sample to predict"):
        cued(samples[samples["split"] == "train"], 3, tmp_path / "cued.parquet")
