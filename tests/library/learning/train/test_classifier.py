"""Training of a whole classifier: learning, files, reproducibility, and going on after `kill -9`."""

import os
import signal
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import average_precision_score

import explainct
from explainct.config.methods import METHODS
from explainct.config.recipe import Recipe
from explainct.data.samples.tasks import TASKS
from explainct.errors import UserError
from explainct.learning.networks.classifier import load_classifier
from explainct.learning.networks.resnet import ExplainableResNet
from explainct.learning.train import classifier, training
from explainct.learning.train.arrays import TrainingArrays
from explainct.learning.train.classifier import train_seed, train_seeds
from explainct.learning.train.training import Best, validation_score
from explainct.runtime.device import choose_compute

GRID = (16, 16, 16)
SETTINGS = {
    "network": "resnet18",
    "lambda": 1.0,
    "epochs": 3,
    "batch_size": 4,
    "learning_rate": 0.003,
    "width": 1 / 32,
    "max_pool": False,
    "validate_every": 2,
}

KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from explainct.config.methods import METHODS
from explainct.config.recipe import Recipe
from explainct.data.samples.tasks import TASKS
from explainct.learning.train import classifier, training
from explainct.learning.train.arrays import TrainingArrays
from explainct.runtime.device import choose_compute

data = dict(np.load(sys.argv[1]))
validation = data.pop("val_images"), data.pop("val_labels")
step, calls = training.training_step, 0

def killing_step(*args, **kwargs):
    global calls
    calls += 1
    if calls == 4:  # the second of the second epoch's two steps
        os.kill(os.getpid(), signal.SIGKILL)
    return step(*args, **kwargs)

training.training_step = killing_step
settings = {settings}
folder = Path(sys.argv[2])
classifier.train_seed(
    method="due", recipe=Recipe(**METHODS["due"].recipe), task=TASKS["lesion"], training=TrainingArrays(**data),
    validation=validation, settings=settings, seed=5, compute=choose_compute("cpu", 1),
    model_file=folder / "model.pt", history_file=folder / "history.csv", identity={{"code": "c"}},
)
"""


def make_arrays(count, seed):
    """Lesions are bright balls in the upper half of noise, annotated as such."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count, dtype=np.int64) % 2
    ball = np.sum((np.indices(GRID) - np.reshape((4, 8, 8), (3, 1, 1, 1))) ** 2, 0) < 25
    target = (labels[:, None, None, None] * ball).astype(np.float32)
    images = 0.4 * rng.random((count, *GRID), np.float32) + 0.5 * target
    weights = labels[:, None, None, None] * rng.random(target.shape, np.float32)
    return TrainingArrays(images[:, None], labels, target, weights.astype(np.float32))


TRAINING, VALIDATION = make_arrays(9, 0), make_arrays(7, 1)


def recipe_of(method):
    return Recipe(**METHODS[method].recipe)


def train(folder, *, method="due", seed=5, identity=None, arrays=TRAINING, **changes):
    train_seed(
        method=method,
        recipe=recipe_of(method),
        task=TASKS["lesion"],
        training=arrays,
        validation=(VALIDATION.images, VALIDATION.labels),
        settings=SETTINGS | changes,
        seed=seed,
        compute=choose_compute("cpu"),
        model_file=folder / "model.pt",
        history_file=folder / "history.csv",
        identity=identity or {"code": "c"},
    )
    return load_classifier(folder / "model.pt", choose_compute("cpu"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    train(folder)
    return folder


def equal_weights(one, two):
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True))


def test_files_of_a_run(trained):
    assert sorted(path.name for path in trained.iterdir()) == ["history.csv", "last.pt", "model.pt"]
    history = pd.read_csv(trained / "history.csv")
    assert tuple(history.columns) == classifier.COLUMNS
    assert history.epoch.tolist() == [1, 2, 3]
    assert history.validation_average_precision.notna().tolist() == [False, True, True]
    np.testing.assert_allclose(history.loss, history.prediction_loss + history.explanation_loss, rtol=1e-4)


def test_kept_model_is_the_best_validated_one(trained):
    network = load_classifier(trained / "model.pt", choose_compute("cpu"))
    data = VALIDATION.images, VALIDATION.labels
    score = validation_score(network, *data, task=TASKS["lesion"], batch_size=3, compute=choose_compute("cpu"))
    history = pd.read_csv(trained / "history.csv")
    assert score == pytest.approx(history.validation_average_precision.max(), rel=1e-5)


def test_the_kept_statistics_are_those_of_the_training_images(trained):
    network = load_classifier(trained / "model.pt", choose_compute("cpu"))
    with torch.no_grad():
        hidden = network.trunk.conv1(torch.from_numpy(TRAINING.images))  # [9, C, d, h, w], in three batches of 3
    torch.testing.assert_close(network.trunk.bn1.running_mean, hidden.mean((0, 2, 3, 4)), rtol=1e-4, atol=1e-5)
    variance = torch.stack([part.transpose(0, 1).flatten(1).var(1) for part in hidden.split(3)]).mean(0)
    torch.testing.assert_close(network.trunk.bn1.running_var, variance, rtol=1e-4, atol=1e-5)


def test_validation_score_is_the_average_precision_of_the_lesion_probability():
    torch.manual_seed(0)
    network = ExplainableResNet(width=1 / 32, max_pool=False)
    args = (VALIDATION.images, VALIDATION.labels)
    score = validation_score(network, *args, task=TASKS["lesion"], batch_size=2, compute=choose_compute("cpu"))
    with torch.no_grad():
        logits, _ = network(torch.from_numpy(VALIDATION.images))
    assert score == pytest.approx(average_precision_score(VALIDATION.labels, logits[:, 1] - logits[:, 0]))
    assert 0 < score < 1


def test_same_seed_gives_same_bytes_and_another_seed_another_model(trained, tmp_path):
    train(tmp_path / "same")
    for name in ("model.pt", "history.csv"):
        assert (tmp_path / "same" / name).read_bytes() == (trained / name).read_bytes(), name
    other = train(tmp_path / "other", seed=6)
    assert not equal_weights(other, load_classifier(trained / "model.pt", choose_compute("cpu")))


def test_a_killed_training_goes_on_to_the_same_bits(trained, tmp_path):
    data = {field.name: getattr(TRAINING, field.name) for field in fields(TRAINING)}
    assert data.pop("mask") is None
    np.savez(tmp_path / "data.npz", **data, val_images=VALIDATION.images, val_labels=VALIDATION.labels)
    folder = tmp_path / "run"
    killed = subprocess.run(
        [sys.executable, "-c", KILLED.format(settings=SETTINGS), tmp_path / "data.npz", folder],
        env=os.environ | {"PYTHONPATH": str(Path(explainct.__file__).parents[1])},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert len(pd.read_csv(folder / "history.csv")) == 1
    assert not (folder / "model.pt").exists()
    resumed = train(folder)
    whole = load_classifier(trained / "model.pt", choose_compute("cpu"))
    assert equal_weights(resumed, whole)
    assert (folder / "history.csv").read_bytes() == (trained / "history.csv").read_bytes()


def test_the_best_model_survives_a_cut_after_it(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "validation_score", lambda *args, **kwargs: 0.9)
    with monkeypatch.context() as patch:
        patch.setattr(classifier, "_write_history", fail_after(epochs=2))
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path, validate_every=1)
    monkeypatch.setattr(training, "validation_score", lambda *args, **kwargs: 0.1)
    train(tmp_path, validate_every=1)
    first = train(tmp_path / "first", epochs=1)
    assert equal_weights(load_classifier(tmp_path / "model.pt", choose_compute("cpu")), first)


def fail_after(epochs):
    def write(history, path):
        if len(history) == epochs:
            raise KeyboardInterrupt

    return write


@pytest.mark.parametrize(
    "change", [{"learning_rate": 0.1}, {"method": "baseline"}, {"seed": 1}, {"identity": {"code": "d"}}]
)
def test_a_checkpoint_of_another_run_is_set_aside(trained, tmp_path, change, caplog):
    (tmp_path / "last.pt").write_bytes((trained / "last.pt").read_bytes())
    train(tmp_path, **change)
    assert "last.pt was made by other settings, code or data" in caplog.text
    assert (tmp_path / "last.pt.set_aside").read_bytes() == (trained / "last.pt").read_bytes()
    assert len(pd.read_csv(tmp_path / "history.csv")) == 3


def test_a_checkpoint_of_other_samples_is_set_aside(trained, tmp_path, caplog):
    (tmp_path / "last.pt").write_bytes((trained / "last.pt").read_bytes())
    train(tmp_path, arrays=make_arrays(9, 3))
    assert "last.pt was made by other settings, code or data" in caplog.text


def test_settings_that_do_not_matter_do_not_part_a_run_from_its_checkpoint(trained, tmp_path):
    (tmp_path / "last.pt").write_bytes((trained / "last.pt").read_bytes())
    resumed = train(tmp_path, threads=7, seeds=[5, 6])
    assert equal_weights(resumed, load_classifier(trained / "model.pt", choose_compute("cpu")))


def two_marks():
    """Lesions have two bright balls, of which one is annotated; half of the weight lies on the balls."""
    grid, rng = (16, 32, 32), np.random.default_rng(0)
    labels = np.arange(8, dtype=np.int64) % 2
    is_lesion = labels[:, None, None, None]
    annotated, other = (
        np.sum((np.indices(grid) - np.reshape(centre, (3, 1, 1, 1))) ** 2, 0) < 49
        for centre in ((8, 8, 8), (8, 24, 24))
    )
    images = 0.4 * rng.random((8, *grid)) + 0.5 * is_lesion * (annotated | other)
    arrays = (images[:, None], is_lesion * annotated, is_lesion * (0.1 + annotated + other))
    images, target, weights = (array.astype(np.float32) for array in arrays)
    return TrainingArrays(images, labels, target, weights)


def test_supervision_pulls_explanations_to_the_annotation(tmp_path):
    def learned(name, strength):
        settings = {"epochs": 10, "learning_rate": 0.01, "batch_size": 8, "lambda": strength}
        train(tmp_path / name, arrays=two_marks(), **settings)
        return pd.read_csv(tmp_path / name / "history.csv")

    supervised, left_alone = learned("supervised", 1.0), learned("left_alone", 1e-6)
    # Left alone, the same classifier looks at both balls. Wrong signs or lost gradients give no less.
    assert supervised.explanation_loss.iloc[-1] < 0.75 * left_alone.explanation_loss.iloc[-1]
    assert supervised.prediction_loss.iloc[-1] < 0.5 * supervised.prediction_loss.iloc[0]


def test_baseline_records_no_explanation_loss(tmp_path):
    train(tmp_path, method="baseline", epochs=1)
    history = pd.read_csv(tmp_path / "history.csv")
    assert history.explanation_loss.isna().all()
    assert (history.loss == history.prediction_loss).all()


def test_a_method_with_a_mask_is_trained_by_it(tmp_path):
    mask = (TRAINING.target > 0).astype(np.float32)
    masked = replace(TRAINING, mask=mask)
    one = train(tmp_path / "one", method="due_published", arrays=masked, epochs=1)
    history = pd.read_csv(tmp_path / "one/history.csv")
    assert history.explanation_loss.item() > 0
    smaller = replace(TRAINING, mask=mask * (np.arange(mask.shape[1]) > 3).astype(np.float32)[:, None, None])
    assert not equal_weights(one, train(tmp_path / "two", method="due_published", arrays=smaller, epochs=1))


def test_validation_of_one_class_is_refused(tmp_path):
    with pytest.raises(UserError, match="0 lesions among 7 samples"):
        train_seed(
            method="due",
            recipe=recipe_of("due"),
            task=TASKS["lesion"],
            training=TRAINING,
            validation=(VALIDATION.images, np.zeros(7, np.int64)),
            settings=SETTINGS,
            seed=0,
            compute=choose_compute("cpu"),
            model_file=tmp_path / "model.pt",
            history_file=tmp_path / "history.csv",
            identity={},
        )


def test_divergence_is_reported_before_it_is_saved(tmp_path):
    bad = replace(TRAINING, images=np.full_like(TRAINING.images, np.nan))
    with pytest.raises(
        UserError, match=r"due diverged: the loss of epoch 1 is nan.*`train.learning_rate` \(now 0.003\)"
    ):
        train(tmp_path, arrays=bad)
    assert not (tmp_path / "last.pt").exists()


def test_best_keeps_the_earliest_of_equals():
    best, layer = Best(), torch.nn.Linear(1, 1)
    for value, score in ((1.0, 0.5), (2.0, 0.7), (3.0, 0.7), (4.0, 0.6)):
        torch.nn.init.constant_(layer.weight, value)
        best.offer(score, layer)
    assert best.score == 0.7
    assert best.weights["weight"].item() == 2.0


class Store:
    def images(self, samples):
        return np.stack([VALIDATION.images[row % 7, 0] for row in samples.row])


@pytest.fixture
def samples():
    """Twelve patients with a lesion and a neighbour each: eight train, four validate."""
    rows = []
    for patient in range(12):
        for label, end in ((0, "n00"), (1, "p")):
            split = "train" if patient < 8 else "validation"
            lesion = f"P{patient:02d}-s1-n0"
            rows.append((f"{lesion}-{end}", lesion, f"P{patient:02d}", split, label, 2 * patient + label))
    return pd.DataFrame(rows, columns=["sample_id", "lesion_id", "patient_id", "split", "label", "row"])


def run_seeds(folder, samples, seeds=(0, 1), **changes):
    train_seeds(
        **{"n": 4, "method": "baseline", "settings": SETTINGS | {"epochs": 1}} | changes,
        recipe=recipe_of("baseline"),
        task=TASKS["lesion"],
        samples=samples,
        store=Store(),
        weight_files=[],
        compute=choose_compute("cpu"),
        model_files=[folder / f"seed{seed}/model.pt" for seed in seeds],
        history_files=[folder / f"seed{seed}/history.csv" for seed in seeds],
        code="c",
    )


def test_all_seeds_are_trained_and_checkpoints_deleted(tmp_path, samples, caplog):
    caplog.set_level("INFO")
    run_seeds(tmp_path, samples)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["seed0", "seed1"]
    for folder in tmp_path.iterdir():
        assert sorted(path.name for path in folder.iterdir()) == ["history.csv", "model.pt"]
    plan = next(line for line in caplog.messages if line.startswith("training"))
    assert plan == (
        "training baseline on 4 samples, lambda 1, seeds 0, 1: 1 epochs of 1 steps, 0.03 million parameters, on cpu"
    )


def test_a_job_cut_in_its_second_seed_repeats_nothing_of_the_first(tmp_path, samples, monkeypatch):
    real, steps = training.training_step, []

    def counting_step(*args, **kwargs):
        steps.append(1)
        if len(steps) == 2:
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    monkeypatch.setattr(training, "training_step", counting_step)
    with pytest.raises(KeyboardInterrupt):
        run_seeds(tmp_path, samples)
    assert (tmp_path / "seed0/last.pt").exists()
    run_seeds(tmp_path, samples)
    assert len(steps) == 3
    assert not list(tmp_path.glob("*/last.pt"))


def test_too_few_patients_are_reported_before_training(tmp_path, samples):
    with pytest.raises(UserError, match="9 training samples need 4 training patients with a lesion and 5 others"):
        run_seeds(tmp_path, samples, n=9)
    assert not list(tmp_path.glob("seed*"))
