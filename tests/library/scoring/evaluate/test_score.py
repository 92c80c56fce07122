"""From classifiers to scores: predictions, explanations and their means, on a tiny cohort."""

import h5py
import numpy as np
import pandas as pd
import pytest
import torch

from explainct.data.samples.tasks import TASKS
from explainct.errors import UserError
from explainct.learning.explain.cam import class_activation_maps
from explainct.learning.explain.postprocess import postprocess
from explainct.learning.networks.resnet import ExplainableResNet
from explainct.runtime.device import choose_compute
from explainct.scoring.evaluate.explanation_file import (
    read_explanations,
    read_sample_ids,
    read_seeds,
    write_explanations,
)
from explainct.scoring.evaluate.predict import predict_and_explain, with_alarms
from explainct.scoring.evaluate.score import score_run
from explainct.scoring.metrics.declarations import CHOSEN_ACCURACY, METRICS, PREDICTION_METRICS
from explainct.scoring.metrics.overlap import threshold_metrics

GRID = (16, 32, 32)
SEEDS = (3, 11)
ALARM = ("distinctiveness", "risk", "alarm")


class RandomStore:
    """Gives noise with a bright cube, different for each sample; lesions have an annotation."""

    grid = GRID

    def __init__(self):
        self.largest_batch = 0

    def images(self, samples):
        self.largest_batch = max(self.largest_batch, len(samples))
        return np.stack([np.random.default_rng(row.number).random(GRID, np.float32) for _, row in samples.iterrows()])

    def truth(self, samples):
        truth = np.zeros((len(samples), *GRID), np.uint8)
        for number, (_, row) in enumerate(samples.iterrows()):
            truth[number, 2:12, row.number + 4 : row.number + 20, 5:25] = row.label
        return truth


@pytest.fixture(scope="module")
def samples():
    splits = ["test", "test", "test", "train"] * 3 + ["validation"] * 4
    rows = [
        {"sample_id": f"s{number:02d}", "split": split, "label": int(number % 3 == 0), "number": number}
        for number, split in enumerate(splits)
    ]
    return pd.DataFrame(rows).sample(frac=1, random_state=0)


@pytest.fixture(scope="module")
def explained(samples, tmp_path_factory):
    folder, store = tmp_path_factory.mktemp("explained"), RandomStore()
    networks = {}
    for seed in SEEDS:
        torch.manual_seed(seed)
        networks[seed] = ExplainableResNet(width=1 / 32, max_pool=False).eval()
    arguments = {
        "samples": samples,
        "store": store,
        "networks": networks,
        "task": TASKS["lesion"],
        "abstain": 0.25,
        "batch_size": 4,
        "compute": choose_compute("cpu", 2),
        "predictions_file": folder / "predictions.parquet",
        "validation_file": folder / "validation.parquet",
        "explanations_file": folder / "explanations.h5",
    }
    predict_and_explain(**arguments)
    return arguments


@pytest.fixture
def evaluation(explained, samples, tmp_path):
    ids, rng = read_sample_ids(explained["explanations_file"]), np.random.default_rng(0)
    maps = {seed: {name: rng.normal(0.3, 1, (len(ids), 2, 3, 3)) for name in ("predicted", "true")} for seed in SEEDS}
    write_explanations(tmp_path / "explanations.h5", ids, maps)
    return {
        "predictions_file": explained["predictions_file"],
        "validation_file": explained["validation_file"],
        "explanations_file": tmp_path / "explanations.h5",
        "samples": samples,
        "store": RandomStore(),
        "task": TASKS["lesion"],
        "dims": 3,
        "threshold": 0.5,
    }


def test_alarms_are_tuned_on_the_validation_samples_of_each_seed(explained):
    test, validation = (pd.read_parquet(explained[name]) for name in ("predictions_file", "validation_file"))
    assert test["risk"].between(0, 1).all()
    for seed in SEEDS:
        held, part = (table[table["seed"] == seed] for table in (validation, test))
        assert held["alarm"].mean() <= 0.25
        limit = held.loc[~held["alarm"], "risk"].max()
        assert (part.loc[part["alarm"], "risk"] > limit).all()
    with_other_labels = test.assign(label=1 - test["label"])
    again = with_alarms(with_other_labels, validation, TASKS["lesion"], abstain=0.25)
    pd.testing.assert_series_equal(again["risk"], test["risk"])


@pytest.mark.parametrize(("split", "file"), [("test", "predictions_file"), ("validation", "validation_file")])
def test_predictions_cover_the_split_of_every_seed(explained, samples, split, file):
    table = pd.read_parquet(explained[file])
    assert table.columns.tolist() == ["seed", "sample_id", "label", "probability", "predicted", *ALARM]
    expected = samples.query("split == @split").sort_values("sample_id")
    for seed in SEEDS:
        part = table[table["seed"] == seed]
        assert part["sample_id"].tolist() == expected["sample_id"].tolist()
        assert part["label"].tolist() == expected["label"].tolist()
    assert table["seed"].is_monotonic_increasing
    assert table["probability"].between(0, 1).all()
    assert ((table["probability"] > 0.5) == (table["predicted"] == 1)).all()


def test_maps_equal_those_of_single_samples(explained, samples):
    path = explained["explanations_file"]
    assert read_seeds(path) == sorted(SEEDS)
    ids = read_sample_ids(path)
    assert ids == sorted(samples.query("split == 'test' and label == 1")["sample_id"])
    predictions = pd.read_parquet(explained["predictions_file"])
    for seed in SEEDS:
        torch.manual_seed(seed)
        network = ExplainableResNet(width=1 / 32, max_pool=False).eval()
        predicted = predictions.query("seed == @seed").set_index("sample_id")["predicted"]
        for number, name in enumerate(ids):
            image = explained["store"].images(samples[samples["sample_id"] == name])
            with torch.no_grad():
                _, features = network(torch.as_tensor(image)[:, None])
            for explained_class, label in (("predicted", predicted[name]), ("true", 1)):
                expected = class_activation_maps(features, network.head.weight, torch.tensor([label]))
                found = read_explanations(path, seed, explained_class)[number]
                np.testing.assert_allclose(found, expected[0].detach(), rtol=1e-4, atol=1e-6)
                assert found.shape == (2, 2, 2)
                assert np.ptp(found) > 0


def test_images_are_read_in_batches(explained):
    assert explained["store"].largest_batch == 4


def test_equal_runs_give_equal_bytes(explained, tmp_path):
    again = {
        name: tmp_path / explained[name].name for name in ("predictions_file", "validation_file", "explanations_file")
    }
    predict_and_explain(**{**explained, **again})
    for name, path in again.items():
        assert path.read_bytes() == explained[name].read_bytes()


def test_a_test_split_without_lesions_is_said_in_words(explained, samples):
    with pytest.raises(UserError, match="no lesion"):
        predict_and_explain(**{**explained, "samples": samples.query("label == 0")})


def test_missing_maps_are_said_in_words(explained):
    with pytest.raises(UserError, match="seed99"):
        read_explanations(explained["explanations_file"], 99, "true")


def test_scores_are_means_over_the_test_lesions(evaluation, samples):
    table, _ = score_run(**evaluation)
    path = evaluation["explanations_file"]
    lesions = samples.set_index("sample_id", drop=False).loc[read_sample_ids(path)]
    truths = evaluation["store"].truth(lesions)
    for explained_class in ("predicted", "true"):
        raw = torch.as_tensor(read_explanations(path, SEEDS[1], explained_class))
        maps = postprocess(raw, GRID, preset="due").numpy()
        for name, threshold in (("iou", 0.3), ("published_f1", 0.0), ("hit_rate", 0.5)):
            pairs = zip(maps, truths, strict=True)
            expected = np.mean([threshold_metrics(*pair, [threshold])[name][0] for pair in pairs])
            found = table.query(
                "seed == @SEEDS[1] and metric == @name and threshold == @threshold"
                " and explained_class == @explained_class"
            )["value"]
            assert expected > 0
            assert found.tolist() == [pytest.approx(expected)]


def test_a_threshold_of_the_validation_samples_judges_the_test_samples(evaluation, tmp_path):
    test, validation = (
        pd.DataFrame({"seed": 3, "label": labels, "probability": probabilities, "predicted": 0})
        for labels, probabilities in (([0, 1, 1, 0], [0.1, 0.25, 0.31, 0.4]), ([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4]))
    )
    files = {"predictions_file": tmp_path / "predictions.parquet", "validation_file": tmp_path / "validation.parquet"}
    for table, path in zip((test, validation), files.values(), strict=True):
        table.to_parquet(path)
    table, _ = score_run(**{**evaluation, **files})
    # The best threshold is 0.25; strictly above it lie 0.31, rightly, and 0.4, wrongly.
    assert table.query("metric == @CHOSEN_ACCURACY")["value"].tolist() == [0.5]
    assert table.query("metric == 'accuracy'")["value"].tolist() == [0.5]


def test_scores_have_the_promised_rows(evaluation):
    table, _ = score_run(**evaluation)
    assert table.columns.tolist() == ["seed", "metric", "explained_class", "threshold", "value"]
    assert not table.duplicated(["seed", "metric", "explained_class", "threshold"]).any()
    prediction = table[table["explained_class"] == ""]
    assert set(prediction["metric"]) == {*PREDICTION_METRICS, CHOSEN_ACCURACY}
    main = table[(table["explained_class"] == "predicted") & ~(table["threshold"] != 0.5) | table["threshold"].isna()]
    assert set(main["metric"]) == set(METRICS)
    curve = table.query("seed == 3 and explained_class == 'true' and metric == 'dice'")
    assert curve["threshold"].tolist() == [step / 10 for step in range(10)]
    assert table["value"].between(0, 1).all()


def test_scores_of_single_lesions_have_the_reported_means(evaluation):
    table, single = score_run(**evaluation)
    assert single.columns.tolist() == ["seed", "sample_id", "metric", "value"]
    assert not single.duplicated(["seed", "sample_id", "metric"]).any()
    table = table.query("explained_class == 'predicted'")
    table = table[table["threshold"].isna() | (table["threshold"] == 0.5)].set_index(["seed", "metric"])["value"]
    means = single.groupby(["seed", "metric"])["value"].mean()
    pd.testing.assert_series_equal(means.sort_index(), table.sort_index())


def test_a_method_of_two_dimensions_is_scored_on_the_middle_slice(evaluation, tmp_path):
    path = evaluation["explanations_file"]
    flat = {
        seed: {name: read_explanations(path, seed, name)[:, :1] for name in ("predicted", "true")} for seed in SEEDS
    }
    write_explanations(tmp_path / "flat.h5", read_sample_ids(path), flat)
    table, _ = score_run(**{**evaluation, "dims": 2, "explanations_file": tmp_path / "flat.h5"})
    table = table.query("seed == 3 and explained_class == 'true' and threshold == 0.5")
    scores = table.set_index("metric")["value"]
    samples = evaluation["samples"].set_index("sample_id", drop=False).loc[read_sample_ids(path)]
    truths = evaluation["store"].truth(samples)[:, 8:9]
    maps = postprocess(torch.as_tensor(flat[3]["true"]).float(), (1, *GRID[1:]), preset="due").numpy()
    expected = [threshold_metrics(*pair, [0.5])["iou"][0] for pair in zip(maps, truths, strict=True)]
    assert scores["iou"] == pytest.approx(np.mean(expected))
    assert scores["iou_middle_slice"] == pytest.approx(scores["iou"])


def test_the_middle_slice_of_a_volume_is_scored_too(evaluation):
    table, _ = score_run(**evaluation)
    table = table.query("seed == 3 and explained_class == 'true' and threshold == 0.5")
    path = evaluation["explanations_file"]
    samples = evaluation["samples"].set_index("sample_id", drop=False).loc[read_sample_ids(path)]
    truths = evaluation["store"].truth(samples)
    maps = postprocess(torch.as_tensor(read_explanations(path, 3, "true")), GRID, preset="due").numpy()
    expected = [
        threshold_metrics(one[8:9], truth[8:9], [0.5])["iou"][0] for one, truth in zip(maps, truths, strict=True)
    ]
    assert table.set_index("metric")["value"]["iou_middle_slice"] == pytest.approx(np.mean(expected))


def test_a_main_threshold_of_its_own_is_added(evaluation):
    table, _ = score_run(**{**evaluation, "threshold": 0.45})
    table = table.query("seed == 3 and explained_class == 'predicted'")
    assert len(table.query("metric == 'iou'")) == 11
    assert table.query("metric == 'hit_rate'")["threshold"].tolist() == [0.45]


def test_lesions_whose_annotation_falls_between_grid_voxels_are_left_out(evaluation):
    class Vanishing(RandomStore):
        def truth(self, samples):
            truth = super().truth(samples)
            truth[samples["sample_id"].to_numpy() == "s00"] = 0
            return truth

    whole, _ = score_run(**evaluation)
    part, _ = score_run(**{**evaluation, "store": Vanishing()})
    assert len(part) == len(whole)
    assert not np.allclose(part["value"], whole["value"])


def test_maps_of_other_lesions_are_refused(evaluation, tmp_path):
    maps = {0: dict.fromkeys(("predicted", "true"), np.zeros((1, 1, 2, 2)))}
    write_explanations(tmp_path / "other.h5", ["elsewhere"], maps)
    with pytest.raises(UserError, match="explains 1 lesions"):
        score_run(**{**evaluation, "explanations_file": tmp_path / "other.h5"})


def test_a_test_split_of_one_class_is_said_in_words(evaluation, tmp_path):
    table = pd.read_parquet(evaluation["predictions_file"]).query("label == 1")
    table.to_parquet(tmp_path / "lesions.parquet")
    with pytest.raises(UserError, match="more patients"):
        score_run(**{**evaluation, "predictions_file": tmp_path / "lesions.parquet"})


def test_explanations_survive_the_file(tmp_path):
    rng = np.random.default_rng(0)
    maps = {seed: {name: rng.random((2, 1, 2, 2), np.float32) for name in ("predicted", "true")} for seed in (10, 2)}
    write_explanations(tmp_path / "e.h5", ["a", "b"], maps)
    assert read_sample_ids(tmp_path / "e.h5") == ["a", "b"]
    assert read_seeds(tmp_path / "e.h5") == [2, 10]
    np.testing.assert_array_equal(read_explanations(tmp_path / "e.h5", 10, "true"), maps[10]["true"])
    with h5py.File(tmp_path / "e.h5") as file:
        assert file["seed2/predicted"].dtype == np.float32
