"""From ratings and images to labels, trained classifiers, scores and pictures, in two and three dimensions."""

import h5py
import numpy as np
import pandas as pd
import pytest
import torch

from explainct.data.samples.attributes import ATTRIBUTES, ratings_column
from explainct.data.samples.tasks import TASKS
from explainct.errors import UserError
from explainct.informer import scores as scores_module
from explainct.informer.figures import class_maps_figure
from explainct.informer.labels import label_nodules
from explainct.informer.method_alarms import alarm_scores, method_alarms
from explainct.informer.scores import TRANSFORMS, score_images, score_monitored
from explainct.informer.train import train_monitored
from explainct.learning.networks.small_resnet import SmallResNet
from explainct.learning.train import multilabel
from explainct.learning.train.augmentation import augmented, blurred, rotated, shifted
from explainct.learning.train.multilabel import mean_auc, train_multilabel
from explainct.runtime import checkpoint
from explainct.runtime.device import choose_compute

FOLDS, SIZE = 3, 16
SETTINGS = {"network": "small_resnet", "width": 0.25, "max_pool": True, "epochs": 2, "batch_size": 8}
SETTINGS |= {"learning_rate": 0.01}
READING = {"window": (-1000, 0), "device": "cpu", "threads": 1}


def nodules(count=48):
    rng = np.random.default_rng(0)
    rows = [
        {"lesion_id": f"n{n}", "patient_id": f"p{n // 2}", "readers": 3, "reason": "", "row": n}
        | {
            ratings_column(name): rng.integers(3 if name == "calcification" else 1, 7, 3).tolist()
            for name in ATTRIBUTES
        }
        for n in range(count)
    ]
    return pd.DataFrame(rows)


def labelled(folder, table):
    table.to_parquet(folder / "nodules.parquet")
    label_nodules(
        nodules_file=folder / "nodules.parquet",
        labels_file=folder / "labels.parquet",
        counts_file=folder / "counts.csv",
        flow_file=folder / "flow.csv",
        png=folder / "labels.png",
        pdf=folder / "labels.pdf",
        median="median_high",
        folds=FOLDS,
        cohort="semi-synthetic cohort",
        seed=0,
    )
    return pd.read_parquet(folder / "labels.parquet"), pd.read_csv(folder / "flow.csv", keep_default_na=False)


@pytest.fixture(scope="module", params=[1, 8], ids=["2D", "3D"])
def trained(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("monitored")
    labels, _ = labelled(folder, nodules())
    images = np.random.default_rng(1).integers(-1000, 0, (48, request.param, SIZE, SIZE)).astype(np.int16)
    with h5py.File(folder / "images.h5", "w") as file:
        file["image"] = images
    files = {
        "model_files": [folder / f"fold{fold}/model.pt" for fold in range(FOLDS)],
        "history_files": [folder / f"fold{fold}/history.csv" for fold in range(FOLDS)],
    }
    data = {"labels_file": folder / "labels.parquet", "images_file": folder / "images.h5"}
    settings = SETTINGS | {"dims": 2 if request.param == 1 else 3}
    train_monitored(**data, **files, settings=settings, seed=0, code="c", **READING)
    return folder, labels, data, files


def test_labels_have_a_fold_and_a_missing_rating_leaves_a_nodule_out(tmp_path):
    table = nodules()
    table.at[5, ratings_column("texture")] = [0, 0, 0]
    table.loc[7, ["reason", "row"]] = "It is larger than 44 mm.", -1
    labels, flow = labelled(tmp_path, table)
    assert len(labels) == 46
    assert set(labels["group"]) == set(range(FOLDS))
    assert not {"n5", "n7"} & set(labels["lesion_id"])
    lost = flow.query("unit == 'nodules' and event == 'lost'").set_index("reason")["count"]
    assert lost.to_dict() == {"No reader rated its texture.": 1, "It is larger than 44 mm.": 1}
    assert flow.query("unit == 'nodules' and event == 'kept'")["count"].item() == 46
    assert (tmp_path / "labels.png").stat().st_size > 1000


def test_no_nodule_is_an_error(tmp_path):
    with pytest.raises(UserError, match="48 nodules and none that can be used"):
        labelled(tmp_path, nodules().assign(reason="It is larger than 44 mm."))


def test_each_fold_is_trained_and_leaves_no_checkpoint(trained):
    _, _, _, files = trained
    for model_file, history_file in zip(files["model_files"], files["history_files"], strict=True):
        history = pd.read_csv(history_file)
        assert history.columns.tolist() == ["epoch", "loss", "validation_auc"]
        assert len(history) == 2
        assert history["validation_auc"].between(0, 1).all()
        assert checkpoint.load(model_file)["settings"]["outputs"] == 6
        assert not model_file.with_name("last.pt").exists()


def test_validation_and_test_nodules_are_scored_with_every_map(trained):
    folder, labels, data, files = trained
    arguments = {"maps": ["input_x_gradient", "lrp", "grad_cam"], "passes": 3, "transforms": list(TRANSFORMS)}
    outputs = []
    for name in ("a.parquet", "b.parquet"):
        score_monitored(
            **data,
            model_files=files["model_files"],
            scores_file=folder / name,
            **arguments,
            batch_size=7,
            seed=0,
            **READING,
        )
        outputs.append(pd.read_parquet(folder / name))
    scores = outputs[0]
    pd.testing.assert_frame_equal(*outputs)
    assert len(scores) == 2 * 6 * len(labels)
    test = scores[scores["part"] == "test"]
    assert not test.duplicated(["lesion_id", "attribute"]).any()
    truth = labels.set_index("lesion_id")
    assert all(truth.loc[row.lesion_id, row.attribute] == row.label for row in test.iloc[::17].itertuples())
    for name in arguments["maps"]:
        assert scores[f"d_{name}"].between(0, 10).all()
    assert (scores["tta_deviation"] > 0).any()
    assert scores["tta_entropy"].between(0, 1).all()


def test_class_maps_are_drawn(trained):
    folder, _, data, files = trained
    pictures = {"png": folder / "maps.png", "pdf": folder / "maps.pdf"}
    class_maps_figure(
        **data, model_file=files["model_files"][0], maps=["lrp", "grad_cam"], cohort="x", **pictures, **READING
    )
    assert pictures["png"].stat().st_size > 1000


def test_scores_do_not_depend_on_the_batch(trained):
    images = torch.rand(5, 1, 8, SIZE, SIZE, generator=torch.Generator().manual_seed(0)).numpy()
    torch.manual_seed(0)
    network = SmallResNet(dims=3, outputs=6, width=0.25).eval()
    common = {"maps": ["lrp", "input_x_gradient"], "passes": 2, "transforms": [], "compute": choose_compute("cpu")}
    one, all_ = (score_images(network, images, batch_size=size, **common) for size in (1, 5))
    for name in ("logit", "d_lrp", "d_input_x_gradient"):
        np.testing.assert_allclose(one[name], all_[name], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(one["tta_deviation"], 0, atol=1e-5)


def test_unknown_transforms_and_logits_that_are_no_numbers_are_refused():
    network = SmallResNet(dims=2, outputs=6, width=0.25).eval()
    images = np.zeros((2, 1, 1, SIZE, SIZE), np.float32)
    common = {"maps": [], "passes": 2, "batch_size": 2, "compute": choose_compute("cpu")}
    with pytest.raises(UserError, match=r"names mirror, but transforms are rotate, blur, crop"):
        score_images(network, images, transforms=["mirror"], **common)
    torch.nn.init.constant_(network.head.bias, float("nan"))
    with pytest.raises(UserError, match="12 of 12 logits"):
        score_images(network, images, transforms=["blur"], **common)


def samples(count, seed):
    rng = np.random.default_rng(seed)
    labels = np.tile(np.arange(count)[:, None] % 2, (1, 6)).astype(np.float32)
    return (0.5 * rng.random((count, 1, 1, SIZE, SIZE)) + 0.4 * labels[:, :1, None, None, None]).astype(
        np.float32
    ), labels


def train(folder, **changes):
    arguments = {"settings": SETTINGS | {"dims": 2, "epochs": 3}, "seed": 1, "identity": {}} | changes
    train_multilabel(
        task=TASKS["attributes"],
        training=samples(24, 0),
        validation=samples(12, 1),
        compute=choose_compute("cpu", 1),
        model_file=folder / "model.pt",
        history_file=folder / "history.csv",
        **arguments,
    )
    return checkpoint.load(folder / "model.pt")["weights"], pd.read_csv(folder / "history.csv")


def test_a_cut_training_goes_on_as_if_it_had_not_been_cut(tmp_path, monkeypatch):
    whole, history = train(tmp_path / "whole")
    assert history["loss"].iloc[-1] < history["loss"].iloc[0]
    calls = []

    def cut(labels, logits):
        calls.append(0)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return mean_auc(labels, logits)

    with monkeypatch.context() as patched:
        patched.setattr(multilabel, "mean_auc", cut)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "cut")
    again, history_again = train(tmp_path / "cut")
    pd.testing.assert_frame_equal(history, history_again)
    assert all(torch.equal(whole[name], again[name]) for name in whole)


def test_a_training_that_diverges_says_so(tmp_path):
    with pytest.raises(UserError, match=r"small_resnet diverged.*`monitoring.learning_rate`"):
        train(tmp_path, settings=SETTINGS | {"dims": 2, "learning_rate": 1e30})


def test_changes_of_images_keep_shape_and_range():
    images = torch.rand(6, 1, 4, SIZE, SIZE)
    torch.manual_seed(0)
    for change in (augmented, *TRANSFORMS.values()):
        changed = change(images)
        assert changed.shape == images.shape
        assert changed.min() >= 0
        assert changed.max() <= 1 + 1e-6
    assert torch.equal(shifted(images, 0), images)
    assert torch.equal(blurred(images, 1), images)
    torch.testing.assert_close(rotated(images, 0.0), images, rtol=1e-4, atol=1e-5)
    constant = torch.full_like(images, 0.3)
    for change in TRANSFORMS.values():
        torch.testing.assert_close(change(constant), constant)
    assert scores_module._pixels(torch.empty(1, 1, 1, 320, 320), 10) == 10


def predictions(seeds=2, count=200):
    rng = np.random.default_rng(0)
    risk = rng.random((seeds, count))
    label = rng.integers(0, 2, (seeds, count))
    wrong = rng.random((seeds, count)) < risk
    return pd.DataFrame(
        {
            "seed": np.repeat(np.arange(seeds), count),
            "label": label.ravel(),
            "predicted": np.where(wrong, 1 - label, label).ravel(),
            "risk": risk.ravel(),
            "alarm": (risk > 0.8).ravel(),
            "distinctiveness": rng.random(seeds * count),
        }
    )


def test_alarms_of_methods_are_scored_and_drawn(tmp_path):
    table = predictions()
    scores = alarm_scores(table).mean()
    assert scores["error_without_alarm"] < scores["error_rate"] < scores["error_with_alarm"]
    assert scores["error_at_80"] < scores["error_rate"]
    assert scores["risk_auroc"] > 0.75
    assert scores["distinctiveness_auroc"] == pytest.approx(0.5, abs=0.1)
    right = alarm_scores(table.assign(predicted=table["label"], alarm=False))
    assert right[["risk_auroc", "error_with_alarm"]].isna().all(axis=None)
    table.to_parquet(tmp_path / "p.parquet")
    outputs = {name: tmp_path / f"alarms.{name}" for name in ("csv", "png", "pdf")}
    method_alarms(predictions_files=[tmp_path / "p.parquet"] * 2, methods=["due", "baseline"], cohort="x", **outputs)
    assert pd.read_csv(outputs["csv"])["method"].tolist() == ["due", "baseline"]
