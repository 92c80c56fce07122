"""Trainings, from views to tables and pictures: what each method sees, what its steps do, and what comes out."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from counterfactual_toys import toy_images, toy_inside, toy_network
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from view_files import CUE, SIZE, WINDOW

from explainct.cfalign import networks
from explainct.cfalign.alignment_step import alignment_step, bounded, norm_of
from explainct.cfalign.attributes import AttributeCNN, attribute_loss, key_attribute_problem
from explainct.cfalign.autoencoder import Autoencoder, load_autoencoder, train_autoencoder
from explainct.cfalign.backgrounds import greyed, swap_backgrounds
from explainct.cfalign.bagnet import PATCH, BagNet
from explainct.cfalign.counterfactual import solve
from explainct.cfalign.decomposition import cdep, contribution
from explainct.cfalign.evaluate import evaluate_compared
from explainct.cfalign.figures import changes_figure, cue_figure, precision_figure, saliency_figure
from explainct.cfalign.icnn import ICNN, filter_loss, templates
from explainct.cfalign.networks import grad_cam, load_network
from explainct.cfalign.penalties import find_penalty
from explainct.cfalign.spaces import Grid, Latent
from explainct.cfalign.study import compare_aligned
from explainct.cfalign.train import train_compared
from explainct.cfalign.training import Training
from explainct.cfalign.view_sets import read_views
from explainct.config.compared import COMPARED
from explainct.data.samples.attributes import ATTRIBUTES
from explainct.errors import UserError

SOLVER = {"iterations": 8, "retries": 1, "tolerance": 0.03, "gate": 0.1}
CG = {"cg_steps": 5, "cg_tolerance": 0.03, "cg_gate": 0.3, "chunk": 4}
SETTINGS = {"epochs": 3, "batch_size": 16, "learning_rate": 0.004, "aligned": 4, "margin": 2, "cell": 8, "bound": 1.0}
SETTINGS |= SOLVER | CG
READING = {"window": WINDOW, "device": "cpu", "threads": 1}
CPU = torch.device("cpu")


def training(labelled, method="vanilla", **changes):
    views = read_views(**labelled, split="train", window=WINDOW)
    arguments = {"recipe": COMPARED[method].recipe, "space": Grid(8), "settings": SETTINGS, "seed": 0, "device": CPU}
    return Training(views, **(arguments | changes))


def test_the_smooth_network_depends_on_each_image_alone_and_has_second_derivatives():
    network, images = toy_network(), toy_images(3)
    logits = network(images)
    torch.testing.assert_close(network(images[1:2]), logits[1:2])
    assert torch.autograd.gradgradcheck(
        lambda x: network(x)[:, 0], toy_images(1, size=8).requires_grad_(), atol=1e-4, rtol=1e-3
    )
    maps = grad_cam(network, images, logits.argmax(1))
    assert maps.shape == (3, 32, 32)
    assert (maps >= 0).all()


def test_penalties_are_zero_for_a_network_that_looks_inside_alone():
    class Inside(torch.nn.Module):
        def __init__(self, inside):
            super().__init__()
            self.inside, self.weight = inside, torch.nn.Parameter(torch.ones((), dtype=torch.float64))

        def forward(self, images):
            evidence = self.weight * (images * self.inside).square().mean((1, 2, 3))
            return torch.stack([-evidence, evidence], 1)

    images, inside = toy_images(), toy_inside()
    for name, found in (("rrr", 0.0), ("rrr_grid", None)):
        penalty = find_penalty(name)
        blind = penalty(Inside(inside), images, torch.zeros(4).long(), inside).item()
        staring = penalty(Inside(1 - inside), images, torch.zeros(4).long(), inside).item()
        assert blind < staring
        if found is not None:
            assert blind == pytest.approx(found, abs=1e-15)
    with pytest.raises(UserError, match="`mirror` is unknown"):
        find_penalty("mirror")


def test_the_contributions_of_two_parts_of_an_image_are_its_logits():
    network, images, inside = toy_network(), toy_images(), toy_inside()
    with torch.no_grad():
        for layer in network.layers[::2]:
            layer.bias.normal_(0, 0.1)
    part, rest = contribution(network, images, inside)
    torch.testing.assert_close(part + rest, network(images))
    everything, nothing = contribution(network, images, torch.ones_like(inside))
    torch.testing.assert_close(everything, network(images))
    torch.testing.assert_close(nothing, torch.zeros_like(nothing))
    # A change of the surroundings alone changes no contribution of the first layer inside.
    assert cdep(network, images, torch.zeros(4).long(), torch.ones_like(inside)).item() == pytest.approx(0, abs=1e-9)
    assert cdep(network, images, torch.zeros(4).long(), inside).item() > 0


def test_the_key_attribute_is_the_one_that_moves_the_prediction_most_and_its_counterfactual_turns_it():
    torch.manual_seed(0)
    network, images = AttributeCNN().double(), toy_images()
    with torch.no_grad():
        network.head.weight *= 3
    problem = key_attribute_problem(network, Grid(8), images)
    network.requires_grad_(False)
    found = network.attributes(images)
    torch.testing.assert_close(network(images), network.classes(found))
    predicted = network(images).argmax(1)
    for row, key in enumerate(problem.keys):
        margins = []
        for number in range(len(ATTRIBUTES)):
            turned = found[row].clone()
            turned[number] *= -1
            logits = network.classes(turned)
            margins.append(float(logits[predicted[row]] - logits[1 - predicted[row]]))
        assert np.argmin(margins) == key
        assert problem.targets[row] == int(found[row, key] <= 0)
    solution = solve(problem, tolerance=1e-2, iterations=60, retries=5)
    assert solution.flipped.all()
    after = network.attributes(problem.space.image(images, solution.z)).gather(1, problem.keys[:, None])[:, 0]
    assert ((after > 0).long() == problem.targets).all()
    one = problem.rows(torch.tensor([2]))
    assert one.keys.tolist() == [problem.keys[2]]
    assert attribute_loss(network, images, (found > 0).double()) < attribute_loss(network, images, (found < 0).double())


def test_a_patch_of_a_bagnet_sees_seventeen_pixels():
    torch.manual_seed(0)
    network, images = BagNet().double(), toy_images(1).requires_grad_()
    features = network.features(images)
    torch.testing.assert_close(network(images), network.head(features.flatten(2).transpose(1, 2)).mean(1))
    (gradient,) = torch.autograd.grad(features[0, :, 4, 4].sum(), images)
    rows, columns = gradient[0, 0].nonzero().T
    assert rows.max() - rows.min() + 1 == columns.max() - columns.min() + 1 == PATCH


def test_filters_that_fire_at_one_place_that_differs_have_the_lower_loss():
    class Fixed(torch.nn.Module):
        def unmasked(self, maps):
            return maps

    places = torch.zeros(8, 1, 8, 8, dtype=torch.float64)
    for row, place in enumerate(places[:, 0]):
        place[row, (3 * row) % 8] = 200.0
    spread = places.mean(0, keepdim=True).expand_as(places)
    losses = [filter_loss(Fixed(), maps, None, None).item() for maps in (places, spread)]
    assert losses[1] == pytest.approx(0, abs=1e-9)  # equal maps say nothing of the template
    assert losses[0] < -0.05
    patterns = templates(4, 4)
    assert (patterns.flatten(1).argmax(1) == torch.arange(16)).all()
    assert patterns.min() == -1
    torch.manual_seed(0)
    maps = ICNN().features(torch.rand(2, 1, 32, 32))
    assert (maps >= 0).all()
    assert ((maps > 0).double().mean((2, 3)) <= 0.5).all()


def test_losses_of_maps_fall_where_the_map_lies_in_the_nodule():
    class Maps(torch.nn.Module):
        def __init__(self, maps):
            super().__init__()
            self.maps, self.head = maps, torch.nn.Linear(1, 2, bias=False)
            torch.nn.init.constant_(self.head.weight, 1.0)

        def features(self, images):
            return self.maps

    inside, classes = toy_inside().float(), torch.zeros(4).long()
    cells = torch.nn.functional.adaptive_avg_pool2d(inside, 8)
    for name in ("due", "res_g"):
        right, wrong = (find_penalty(name)(Maps(maps), inside, classes, inside) for maps in (cells, 1 - cells))
        assert right < wrong


def test_backgrounds_come_from_another_image_and_nodules_stay():
    images, kept = toy_images(6), toy_inside(6)
    kept[3:] = kept[3:].roll(4, 3)
    swapped = swap_backgrounds(images, kept, torch.Generator().manual_seed(0))
    assert (swapped[kept > 0] == images[kept > 0]).all()
    assert (swapped[kept == 0] != images[kept == 0]).double().mean() > 0.5
    grey = greyed(images, kept, 0.3)
    assert (grey[kept == 0] == 0.3).all()
    assert (grey[kept > 0] == images[kept > 0]).all()


def test_a_gradient_is_bounded_and_never_lengthened():
    parts = [torch.tensor([3.0]), torch.tensor([4.0])]
    assert norm_of(parts) == 5
    assert norm_of(bounded(parts, 2.0, 0.5)) == pytest.approx(1.0)
    assert norm_of(bounded(parts, 100.0, 1.0)) == pytest.approx(5.0)
    assert norm_of(bounded([torch.zeros(2)], 1.0, 1.0)) == 0


def test_steps_of_alignment_move_the_change_inside():
    network, images, inside = toy_network(), toy_images(), toy_inside()
    parameters = list(network.parameters())
    settings = SETTINGS | {"iterations": 60, "tolerance": 1e-4, "gate": 1e-2, "cg_steps": 40, "cg_tolerance": 1e-6}
    shares = []
    for _ in range(8):
        found = alignment_step(network, Grid(8), images, inside, parameters, measure="share", settings=settings)
        assert found.used == found.gated == 1
        shares.append(found.loss)
        with torch.no_grad():
            factor = 0.05 / norm_of(found.gradients)
            for parameter, gradient in zip(parameters, found.gradients, strict=True):
                parameter -= factor * gradient
    assert shares[-1] < shares[0] - 0.01


def test_samples_that_fail_are_skipped_and_counted():
    network = toy_network()
    settings = SETTINGS | {"iterations": 1, "gate": 1e-12}
    parameters = list(network.parameters())
    found = alignment_step(network, Grid(8), toy_images(), toy_inside(), parameters, measure="share", settings=settings)
    assert found.gated == found.used == 0
    assert norm_of(found.gradients) == 0
    assert np.isnan(found.loss)


def test_a_network_of_rectifiers_is_not_aligned(labelled, monkeypatch):
    monkeypatch.setattr("explainct.cfalign.training.build", lambda _: networks.SmoothCNN(activation="relu"))
    training(labelled, "vanilla")
    with pytest.raises(UserError, match="needs a network with second derivatives"):
        training(labelled, "cfalign")


def test_an_epoch_shows_each_nodule_once_and_warm_epochs_are_grey_outside_of_the_box(labelled):
    run = training(labelled, "cfalign")
    assert run.warm(0)
    assert not run.warm(1)
    rows = torch.arange(6)
    generator = torch.Generator().manual_seed(0)
    images, *_ = run.batch(rows, 0, generator)
    assert (images == run.grey).double().mean() > 0.5
    images, inside, labels, attributes = run.batch(rows, 2, generator)
    assert (images == run.grey).double().mean() < 0.1
    assert inside.sum((1, 2, 3)).min() > 0
    assert labels.tolist() == run.views.labels[:6].tolist()
    assert attributes.tolist() == run.views.table[list(ATTRIBUTES)].to_numpy()[:6].tolist()
    assert len(run.first) == run.views.table["lesion_id"].nunique()
    assert (run.views.table["lesion_id"].to_numpy()[run.first.numpy()] == run.views.table["lesion_id"].unique()).all()


def test_a_loss_that_is_no_number_is_one_sentence(labelled):
    run = training(labelled)
    run.views = replace(run.views, images=np.full_like(run.views.images, np.nan))
    with pytest.raises(UserError, match=r"diverged: .* Lower `counterfactual.learning_rate` \(now 0.004\)"):
        run.run_epoch(0)


@pytest.fixture(scope="module")
def studied(labelled, tmp_path_factory):
    """Every method trained for three epochs with and without the cue, and evaluated."""
    folder = tmp_path_factory.mktemp("study")
    strengths, seeds = [0.0, 1.0], [0]
    autoencoders = [folder / f"autoencoder/{strength}/model.pt" for strength in strengths]
    train_autoencoder(
        **labelled,
        model_files=autoencoders,
        history_files=[path.with_name("history.csv") for path in autoencoders],
        strengths=strengths,
        settings={"epochs": 1, "batch_size": 16, "learning_rate": 0.003, "channels": 2},
        cue=CUE,
        seed=0,
        code="c",
        **READING,
    )
    files = {}
    for name, method in COMPARED.items():
        models = [folder / name / f"{strength}/model.pt" for strength in strengths]
        shared = {"recipe": method.recipe, "strengths": strengths, "seeds": seeds, "cue": CUE, **READING}
        histories = [path.with_name("history.csv") for path in models]
        train_compared(
            **labelled,
            autoencoder_files=autoencoders if method.space == "latent" else [],
            model_files=models,
            history_files=histories,
            settings=SETTINGS,
            code="c",
            **shared,
        )
        outputs = {
            "predictions_file": folder / name / "predictions.parquet",
            "explanations_file": folder / name / "explanations.parquet",
        }
        settings = {"margin": 2, "cell": 8, "evaluated": 8, **SOLVER}
        evaluate_compared(**labelled, model_files=models, settings=settings, **outputs, **shared)
        files[name] = {"models": models, "histories": histories, **outputs}
    return folder, files, autoencoders


def test_every_method_trains_and_says_what_its_views_are(studied):
    _, files, _ = studied
    for name, made in files.items():
        for model, history in zip(made["models"], made["histories"], strict=True):
            table = pd.read_csv(history)
            assert len(table) == 3
            assert table["cross_entropy"].between(0, 5).all()
            assert not model.with_name("last.pt").exists()
            if COMPARED[name].penalty == "cf":
                assert table["used"].dropna().between(0, 1).all()
                assert (table["used"] <= table["gated"] + 1e-9).loc[table["used"].notna()].all()
        predictions = pd.read_parquet(made["predictions_file"])
        assert set(zip(predictions["strength"], predictions["mode"], strict=True)) == {
            (0.0, "absent"),
            *((1.0, mode) for mode in ("aligned", "absent", "reversed")),
        }
        explanations = pd.read_parquet(made["explanations_file"])
        assert len(explanations) == 2 * 8
        for measure in ("saliency_precision", "input_x_gradient", "cf_mask", "cf_box", "cf_grown"):
            assert explanations[measure].between(0, 1 + 1e-6).all()
        for region in ("mask", "box", "grown"):
            assert (explanations[f"cf_{region}"] <= explanations[f"ceiling_{region}"] + 1e-5).all()


def test_networks_are_read_back_and_equal_seeds_train_equal_networks(studied, labelled):
    _, files, _ = studied
    network = load_network(files["vanilla"]["models"][0], CPU)
    again = training(labelled)
    for number in range(3):
        torch.manual_seed(0)
        again.run_epoch(number)
    images = torch.from_numpy(again.views.images[:4])
    torch.testing.assert_close(network(images), again.network(images), rtol=1e-3, atol=1e-4)
    with pytest.raises(UserError, match="no network of the counterfactual study"):
        load_network(studied[2][0], CPU)
    with pytest.raises(UserError, match="no autoencoder"):
        load_autoencoder(files["vanilla"]["models"][0], CPU)


def test_the_latent_space_starts_at_the_reconstruction(studied):
    model = load_autoencoder(studied[2][0], CPU)
    space, images = Latent(model), toy_images(3).float()
    base = space.base(images)
    start = torch.zeros(3, space.size(base))
    torch.testing.assert_close(space.image(base, start), model.decode(model.encode(images)))
    assert space.change(base, start).abs().max() == 0
    assert space.change(base, start + 1).abs().max() > 0
    assert Autoencoder().encode(images).shape == (3, 16, SIZE // 8, SIZE // 8)


def test_the_study_has_tables_pages_and_pictures(studied, labelled):
    folder, files, _ = studied
    methods = list(files)
    names = ("scores", "seeds", "differences", "explanations", "training", "published")
    outputs = {f"{name}_file": folder / f"{name}.csv" for name in names}
    compare_aligned(
        predictions_files=[made["predictions_file"] for made in files.values()],
        explanations_files=[made["explanations_file"] for made in files.values()],
        history_files=[path for made in files.values() for path in made["histories"]],
        methods=methods,
        strengths=[0.0, 1.0],
        seeds=[0],
        cohort="toys",
        seed=0,
        md=folder / "study.md",
        html=folder / "study.html",
        **outputs,
    )
    scores = pd.read_csv(outputs["scores_file"])
    assert scores["value"].between(0, 1).all()
    assert (scores["low"] <= scores["high"]).all()
    run = pd.read_parquet(files["vanilla"]["predictions_file"]).query("split == 'test' and strength == 0")
    row = scores.query("method == 'vanilla' and split == 'test' and strength == 0").set_index("metric")["value"]
    assert row["auc"] == pytest.approx(roc_auc_score(run["label"], run["logit"]))
    assert row["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(run["label"], run["logit"] > 0))
    differences = pd.read_csv(outputs["differences_file"])
    assert set(differences["reference"]) == {"cfalign"}
    text = (folder / "study.md").read_text()
    assert "CF-Align, ours, cue of strength 1" in text
    assert "81 %" in text
    patients = set(run["patient_id"])
    assert not any(name in text for name in patients)
    pictures = lambda name: {"png": folder / f"{name}.png", "pdf": folder / f"{name}.pdf"}  # noqa: E731
    shared = {"methods": methods, "cohort": "toys"}
    tables = {"scores_file": outputs["scores_file"]}
    precision_figure(**tables, explanations_file=outputs["explanations_file"], **shared, **pictures("precision"))
    cue_figure(**tables, **shared, **pictures("cue"))
    drawn = {**labelled, **READING, "cohort": "toys"}
    changes_figure(
        model_file=files["cfalign"]["models"][0],
        method="cfalign",
        settings={"cell": 8, **SOLVER},
        **drawn,
        **pictures("changes"),
    )
    some = ["oracle", "cfalign", "icnn"]
    saliency_figure(
        model_files=[files[name]["models"][0] for name in some], methods=some, **drawn, **pictures("saliency")
    )
    for name in ("precision", "cue", "changes", "saliency"):
        assert (folder / f"{name}.png").stat().st_size > 1000
