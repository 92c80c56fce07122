"""The confidence study from classifiers to its page, in two and three dimensions, on a toy cohort with wrong labels."""

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from confident import GRID, Store, classifier, cohort

from explainct.data.samples.reader import SampleReader
from explainct.data.samples.tasks import TASKS
from explainct.errors import UserError
from explainct.gax.browse import browse_heatmaps
from explainct.gax.evaluation import detector_table
from explainct.gax.figures import evidence_figure, gax_curves, score_boxplot, score_histogram
from explainct.gax.forms import compare_forms
from explainct.gax.heatmap_scores import score_heatmaps, score_samples
from explainct.gax.heatmaps import generate_heatmaps
from explainct.gax.names import step_name
from explainct.gax.samples import choose_samples
from explainct.gax.study import compare_heatmaps
from explainct.gax.targets import class_targets
from explainct.learning.networks.classifier import save_classifier
from explainct.runtime.device import choose_compute

STEP = 0.02
MAPS = ["saliency", "deconvolution", "grad_cam_last"]
FORMS = ["normalised", "additive_adam", "published"]
COMMON = {"task": "lesion", "batch_size": 7, "reading": {}, "device": "cpu", "threads": 1}
MODELS = [("baseline", 0), ("due", 0)]


@pytest.fixture(scope="module", params=[2, 3], ids=["2D", "3D"])
def study(request, tmp_path_factory):
    """The folder of a study whose classifiers are scored and whose maps are generated."""
    folder = tmp_path_factory.mktemp("study")
    cohort().to_parquet(folder / "samples.parquet")
    data = dict.fromkeys(("lesions_file", "slices_file", "crops_file"), folder / "none")
    data["samples_file"] = folder / "samples.parquet"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SampleReader, "from_files", classmethod(lambda cls, **_: Store()))
        for place, (method, seed) in enumerate(MODELS):
            files = {"model_file": folder / f"{method}.pt", "scores_file": folder / f"{method}_scores.parquet"}
            save_classifier("small_resnet", classifier(request.param, place), files["model_file"])
            names = {"method": method, "seed": seed}
            score_heatmaps(**data, **files, **names, maps=MAPS, steps=[STEP], neighbours=1, study_seed=0, **COMMON)
            heatmaps = {"heatmaps_file": folder / f"{method}_heatmaps.parquet", "form": "normalised"}
            generate_heatmaps(
                **data, **files, **names, **heatmaps, iterations=30, target=0.95, target_score=None, **COMMON
            )
        compare_forms(
            **data,
            model_file=folder / "baseline.pt",
            scores_file=folder / "baseline_scores.parquet",
            forms_file=folder / "forms.parquet",
            curves_file=folder / "curves.parquet",
            maps_file=folder / "maps.h5",
            forms=FORMS,
            compared=3,
            shown=1,
            keep=(0, 1, 4),
            iterations=8,
            target=0.95,
            target_score=None,
            **COMMON,
        )
    return folder


def scores_of(folder):
    return pd.concat([pd.read_parquet(folder / f"{method}_scores.parquet") for method, _ in MODELS])


def test_every_lesion_and_some_neighbours_are_studied():
    chosen = choose_samples(cohort(), TASKS["lesion"], split="test", neighbours=1, seed=0)
    assert chosen["label"].value_counts().to_dict() == {1: 10, 0: 10}
    assert chosen["sample_id"].is_monotonic_increasing
    again = choose_samples(cohort().sample(frac=1, random_state=0), TASKS["lesion"], split="test", neighbours=1, seed=0)
    assert chosen["sample_id"].tolist() == again["sample_id"].tolist()
    with pytest.raises(UserError, match="The train split has 0 samples and no lesion"):
        choose_samples(cohort(), TASKS["lesion"], split="train", neighbours=1, seed=0)


def test_scores_for_the_true_class_are_those_for_the_predicted_one_up_to_the_sign(study):
    scores = scores_of(study)
    test = scores[scores["split"] == "test"]
    assert set(test["map"]) == {*MAPS, "adversarial"}
    assert set(test["augmentation"]) == {"add", "multiply", step_name(STEP)}
    assert set(scores.loc[scores["split"] == "validation", "map"]) == {"saliency"}
    sign = np.where(test["correct"], 1, -1)
    for name in ("co", "shuffled"):
        np.testing.assert_allclose(test[f"{name}_true"], sign * test[f"{name}_predicted"], rtol=1e-4, atol=1e-4)
    assert 0 < (~test["correct"]).sum() < len(test) / 2
    assert test["margin"].between(0, 1).all()


def test_the_labelled_score_of_saliency_separates_by_construction_and_the_gap_follows_the_sign(study):
    scores = scores_of(study)
    table = detector_table(scores, seed=0).set_index(["map", "augmentation", "kind"])
    assert table.loc[("saliency", step_name(STEP), "co_true"), "auroc"] >= 0.99
    assert table.loc[("adversarial", step_name(STEP), "co_true"), "auroc"] >= 0.99
    assert table.loc[("saliency", step_name(STEP), "co_predicted"), "auroc"] < 0.99
    part = scores[(scores["map"] == "saliency") & (scores["augmentation"] == step_name(STEP))]
    part = part[part["split"] == "test"]
    assert part.loc[part["correct"], "co_true"].min() > 0 > part.loc[~part["correct"], "co_true"].max()
    assert part["co_predicted"].min() > 0


def test_scores_do_not_depend_on_the_batch(study):
    network = classifier(3)
    samples = choose_samples(cohort(), TASKS["lesion"], split="test", neighbours=1, seed=0).iloc[:5]
    common = {"task": TASKS["lesion"], "maps": ["saliency", "adversarial"], "augmentations": ["add"], "seed": 0}
    tables = [
        score_samples(network, samples, Store(), **common, batch_size=size, compute=choose_compute("cpu", 1))
        for size in (1, 5)
    ]
    one, other = (table.sort_values(["map", "sample_id"], ignore_index=True) for table in tables)
    for kind in ("co_true", "shuffled_predicted"):
        np.testing.assert_allclose(one[kind], other[kind], rtol=1e-2, atol=1e-2)


def test_gax_reaches_the_target_of_its_class(study):
    for method, _ in MODELS:
        table = pd.read_parquet(study / f"{method}_heatmaps.parquet")
        right = table[table["correct"]]
        assert right["reached"].mean() >= 0.9
        assert (right.loc[right["reached"], "score"] >= right.loc[right["reached"], "target"] - 1e-3).all()
        assert set(table.loc[~table["correct"], "label"]) <= {1}
        lesions = table[table["label"] == 1]
        masses = ["gax_mass", "cam_mass", "input_x_gradient_mass"]
        assert (lesions["gax_mass"] > 0).mean() > 0.8
        assert (lesions[masses] >= 0).all(axis=None)
        assert table.loc[table["label"] == 0, masses].isna().all(axis=None)


def test_a_class_without_a_correct_validation_prediction_takes_the_target_of_all():
    table = pd.DataFrame(
        {"split": "validation", "map": "saliency", "correct": True, "predicted": 1, "co_true": [1, 2, 3]}
    )
    targets = class_targets(table, TASKS["lesion"], 0.5)
    assert targets["target"].tolist() == [2, 2]
    assert targets["samples"].tolist() == [0, 3]
    with pytest.raises(UserError, match="No validation sample of the confidence study is predicted correctly"):
        class_targets(table.assign(correct=False), TASKS["lesion"], 0.5)


def test_forms_have_curves_and_maps_of_kept_steps(study):
    forms, curves = pd.read_parquet(study / "forms.parquet"), pd.read_parquet(study / "curves.parquet")
    assert forms.groupby("form", sort=False)["sample_id"].nunique().to_dict() == dict.fromkeys(FORMS, 6)
    ends = curves.groupby(["form", "sample_id"])["score"].last()
    np.testing.assert_allclose(
        forms.set_index(["form", "sample_id"])["score"].loc[ends.index], ends, rtol=1e-4, atol=1e-4
    )
    with h5py.File(study / "maps.h5") as file:
        assert len(file) == 2
        for name, group in file.items():
            row = forms.set_index(["form", "sample_id"]).loc[("normalised", name)]
            part = group["normalised"]
            kept = [step for step in (0, 1, 4) if step <= row["iterations"]]
            assert part["iteration"][:].tolist() == sorted({*kept, row["iterations"]})
            assert part["map"].shape == (len(part["iteration"]), *group["image"].shape)
            assert part["score"][-1] == pytest.approx(row["score"], abs=1e-4)


def outputs(folder):
    names = ["classifiers", "distributions", "detectors", "reached", "forms_table", "evidence", "differences"]
    return {f"{name}_file": folder / f"{name}.csv" for name in names} | {
        "md": folder / "study.md",
        "html": folder / "study.html",
    }


def test_the_study_says_what_its_numbers_mean(study, tmp_path):
    arguments = {
        "scores_files": [study / f"{method}_scores.parquet" for method, _ in MODELS],
        "heatmaps_files": [study / f"{method}_heatmaps.parquet" for method, _ in MODELS],
        "forms_file": study / "forms.parquet",
        "methods": ["baseline", "due"],
        "steps": [STEP],
        "cohort": "semi-synthetic cohort",
        "seed": 0,
    }
    found = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        files = outputs(tmp_path / name)
        compare_heatmaps(**arguments, **files)
        found.append({key: path.read_bytes() for key, path in files.items()})
    assert found[0] == found[1]
    text = found[0]["md"].decode()
    for words in (
        "by construction",
        "semi-synthetic cohort",
        "Softmax margin",
        "Adversarial sign",
        "0.757",
        "DUE against",
    ):
        assert words in text
    assert "SECRET" not in "".join(part.decode() for part in found[0].values())
    distributions = pd.read_csv(tmp_path / "one/distributions.csv").set_index(["map", "augmentation", "kind", "method"])
    for method in ("baseline", "due"):
        true, predicted = (
            distributions.loc[("saliency", step_name(STEP), kind, method), "gap"]
            for kind in ("co_true", "co_predicted")
        )
        assert true > 0
        assert predicted < true
    pictures = {"png": tmp_path / "p.png", "pdf": tmp_path / "p.pdf"}
    evidence_figure(evidence_file=tmp_path / "one/evidence.csv", cohort="x", **pictures)
    assert pictures["png"].stat().st_size > 1000


def test_pictures_and_page_are_made(study, tmp_path):
    pictures = {"png": tmp_path / "p.png", "pdf": tmp_path / "p.pdf"}
    scores = [study / f"{method}_scores.parquet" for method, _ in MODELS]
    for draw in (score_boxplot, score_histogram):
        draw(scores_files=scores, method="due", cohort="x", **pictures)
        assert pictures["png"].stat().st_size > 1000
    gax_curves(curves_file=study / "curves.parquet", forms_file=study / "forms.parquet", cohort="x", **pictures)
    assert pictures["png"].stat().st_size > 1000
    browse_heatmaps(maps_file=study / "maps.h5", cohort="semi-synthetic cohort", html=tmp_path / "steps.html")
    page = (tmp_path / "steps.html").read_text()
    assert "semi-synthetic cohort" in page
    assert "Published: tanh(w * x + b)" in page
    assert "SECRET" not in page


def test_a_classifier_that_is_always_right_leaves_the_question_open():
    scores = pd.DataFrame(
        [
            {"method": "due", "seed": 0, "split": "test", "sample_id": f"s{n}", "patient_id": f"p{n}", "margin": 0.5}
            | {"correct": True, "map": "saliency", "augmentation": "add"}
            | dict.fromkeys(("co_true", "co_predicted", "shuffled_true", "shuffled_predicted"), float(n))
            for n in range(4)
        ]
    )
    assert detector_table(scores, seed=0)["auroc"].isna().all()


def test_what_a_network_of_two_dimensions_sees_is_the_middle_slice():
    torch.manual_seed(0)
    network = classifier(2)
    volume = torch.from_numpy(Store().images(cohort().iloc[:2]))[:, None]
    assert volume.shape[2:] == GRID
    with torch.no_grad():
        whole, flat = network(volume)[0], network(volume[:, :, 4:5])[0]
    torch.testing.assert_close(whole, flat)
