"""A network and a task that are added by one entry each go through training, maps and evaluation."""

from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score
from torch import nn

from explainct.config.methods import METHODS
from explainct.config.recipe import Recipe
from explainct.data.samples.tasks import TASKS, Task, find_task
from explainct.errors import UserError
from explainct.learning.networks.classifier import load_classifiers
from explainct.learning.networks.registry import NETWORKS
from explainct.learning.train.arrays import TrainingArrays
from explainct.learning.train.classifier import train_seed
from explainct.runtime.device import choose_compute
from explainct.scoring.evaluate.explainers import score_explainers
from explainct.scoring.evaluate.explanation_file import read_explanations, read_seeds
from explainct.scoring.evaluate.predict import predict_and_explain
from explainct.scoring.evaluate.score import score_run
from explainct.scoring.metrics.declarations import (
    CHOSEN_ACCURACY,
    EXPLANATION_METRICS,
    PREDICTION_METRICS,
    prediction_metrics_of_classes,
)

GRID = (8, 16, 16)
Z_MM = [2.0 * k for k in range(8)]
COMPUTE = choose_compute("cpu", 1)
SETTINGS = {
    "network": "resnet18",
    "width": 1 / 32,
    "max_pool": False,
    "lambda": 1.0,
    "epochs": 2,
    "batch_size": 6,
    "learning_rate": 0.01,
    "validate_every": 1,
}
THREE_GRADES = Task(name="grade", column="grade", labels=("neighbour", "benign", "malignant"), explained=(1, 2))


class ToyNetwork(nn.Module):
    """Three layers: two convolutions, and a linear layer on the mean of their features."""

    layers: ClassVar = {"head": ("head",), "second": ("second",), "first": ("first",)}

    def __init__(self, *, dims, outputs, width, max_pool):
        super().__init__()
        self.settings = {"dims": dims, "outputs": outputs, "width": width, "max_pool": max_pool}
        self.first, self.second = nn.Conv3d(1, 3, 3, stride=2, padding=1), nn.Conv3d(3, 5, 3, stride=2, padding=1)
        self.head, self.relu = nn.Linear(5, outputs), nn.ReLU()

    def forward(self, images):
        features = self.relu(self.second(self.relu(self.first(images))))
        return self.head(features.mean((2, 3, 4))), features


class Store:
    """Noise in which lesions are a cube, the brighter the higher their grade."""

    grid = GRID

    def images(self, samples):
        noise = np.stack([np.random.default_rng(n).random(GRID, np.float32) for n in samples["number"]])
        return 0.5 * noise + 0.25 * samples["grade"].to_numpy(np.float32)[:, None, None, None] * self.truth(samples)

    def truth(self, samples):
        truth = np.zeros((len(samples), *GRID), np.uint8)
        truth[:, 2:6, 4:12, 4:12] = samples["label"].to_numpy()[:, None, None, None]
        return truth


@pytest.fixture
def samples():
    """Samples of three grades in three splits: neighbours of grade 0, lesions of grades 1 and 2."""
    rows = [
        {"sample_id": f"s{n:02d}", "lesion_id": f"L{n:02d}", "number": n, "grade": n % 3, "label": int(n % 3 > 0)}
        | {"split": ("train", "validation", "test")[n // 12]}
        | {"k_start": 0, "k_stop": 8, "i_start": 0, "i_stop": 16, "j_start": 0, "j_stop": 16}
        for n in range(36)
    ]
    return pd.DataFrame(rows)


def trained(folder, samples, task, settings):
    """Train DUE with two seeds and return their networks as their files give them."""
    store, parts = Store(), dict(iter(samples.groupby("split")))
    train, held = parts["train"], parts["validation"]
    truth = store.truth(train).astype(np.float32)
    arrays = TrainingArrays(store.images(train)[:, None], task.classes(train), truth, truth)
    files = [folder / f"seed{seed}/model.pt" for seed in (0, 1)]
    for seed, path in enumerate(files):
        train_seed(
            method="due",
            recipe=Recipe(**METHODS["due"].recipe),
            task=task,
            training=arrays,
            validation=(store.images(held)[:, None], task.classes(held)),
            settings=settings,
            seed=seed,
            compute=COMPUTE,
            model_file=path,
            history_file=path.with_name("history.csv"),
            identity={},
        )
        history = pd.read_csv(path.with_name("history.csv"))
        assert history["validation_average_precision"].between(0, 1).all()
        assert (history["explanation_loss"] > 0).all()
    return load_classifiers(files, COMPUTE)


def scores(folder, samples, task, networks):
    """Predict, explain and score the test samples."""
    files = {
        "predictions_file": folder / "predictions.parquet",
        "validation_file": folder / "validation.parquet",
        "explanations_file": folder / "explanations.h5",
    }
    data = {"samples": samples, "store": Store(), "task": task}
    predict_and_explain(**data, abstain=0.2, networks=networks, batch_size=5, compute=COMPUTE, **files)
    assert read_seeds(files["explanations_file"]) == [0, 1]
    assert np.ptp(read_explanations(files["explanations_file"], 0, "true")) > 0
    metrics, lesions = score_run(**data, **files, dims=3, threshold=0.5)
    chosen = {CHOSEN_ACCURACY} if task.outputs == 2 else set()
    assert set(metrics["metric"]) == {*PREDICTION_METRICS, *chosen, *EXPLANATION_METRICS}
    assert metrics["value"].between(0, 1).all()
    assert set(lesions["sample_id"]) == set(samples.query("split == 'test' and label == 1")["sample_id"])
    return pd.read_parquet(files["predictions_file"]), metrics


def test_a_toy_network_is_trained_explained_and_scored(tmp_path, samples, monkeypatch):
    monkeypatch.setitem(NETWORKS, "toy", f"{__name__}:ToyNetwork")
    task = TASKS["lesion"]
    networks = trained(tmp_path, samples, task, SETTINGS | {"network": "toy"})
    assert [type(network).__name__ for network in networks.values()] == ["ToyNetwork"] * 2
    predictions, _ = scores(tmp_path, samples, task, networks)
    alarm = ["distinctiveness", "risk", "alarm"]
    assert predictions.columns.tolist() == ["seed", "sample_id", "label", "probability", "predicted", *alarm]
    assert predictions["risk"].between(0, 1).all()
    assert predictions["distinctiveness"].between(0, 2).all()
    test = samples.query("split == 'test' and label == 1").iloc[:2]
    table = score_explainers(
        samples=test,
        lesions=test[["lesion_id"]].assign(spacing_z=2.0, spacing_y=1.0, spacing_x=1.0, scan_z_mm=[Z_MM] * 2),
        store=Store(),
        network=networks[0],
        task=task,
        explainers=["grad_cam", "grad_cam_closed", "guided_backpropagation"],
        threshold=0.5,
        seed=0,
        batch_size=2,
        compute=COMPUTE,
    ).set_index(["explainer", "metric"])["mean"]
    assert table["grad_cam", "iou"] == pytest.approx(table["grad_cam_closed", "iou"])
    assert {"randomised_head", "randomised_second", "randomised_first"} < set(table["grad_cam"].index)


def test_a_task_of_three_classes_is_trained_and_scored(tmp_path, samples, monkeypatch):
    monkeypatch.setitem(TASKS, "grade", THREE_GRADES)
    task = find_task("grade")
    networks = trained(tmp_path, samples, task, SETTINGS)
    assert all(network.head.out_features == 3 for network in networks.values())
    predictions, metrics = scores(tmp_path, samples, task, networks)
    probabilities = predictions[["probability_0", "probability_1", "probability_2"]]
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    assert (predictions["predicted"] == probabilities.to_numpy().argmax(1)).all()
    assert set(predictions["label"]) == {0, 1, 2}
    accuracy = (predictions["predicted"] == predictions["label"]).groupby(predictions["seed"]).mean()
    found = metrics[metrics["metric"] == "accuracy"].set_index("seed")["value"]
    pd.testing.assert_series_equal(found, accuracy, check_names=False)


def test_an_unknown_task_is_refused_with_the_known_ones():
    with pytest.raises(UserError, match=r"`train.task` is `grade`, but tasks are lesion"):
        find_task("grade")


def test_metrics_of_several_classes_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    label, probabilities = np.arange(60) % 3, rng.dirichlet([1, 1, 1], 60)
    found = prediction_metrics_of_classes(label, probabilities, probabilities.argmax(1))
    assert found["roc_auc"] == pytest.approx(roc_auc_score(label, probabilities, multi_class="ovr"))
    assert found["average_precision"] == pytest.approx(average_precision_score(np.eye(3)[label], probabilities))
    with pytest.raises(ValueError, match=r"lack the classes \[2\]"):
        prediction_metrics_of_classes(label % 2, probabilities, label)
