"""The learned stages of the study, at a tiny size: what they write, and that tested patients teach nothing."""

from dataclasses import replace

import h5py
import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import binary_dilation

from explainct.due.interpolation.hidden_slices import hold_out, load_nodules
from explainct.due.interpolation.slice_scores import dice
from explainct.due.interpolation_study import train_models as training
from explainct.due.interpolation_study.classical_methods import OUTLINES, available_values
from explainct.due.interpolation_study.compare import interpolation_study
from explainct.due.interpolation_study.train_models import (
    check_sampler,
    sample_study_variance,
    some_gaps,
    split_nodules,
    train_study_model,
)
from explainct.due.interpolation_study.uncertainty_curves import COLUMNS
from explainct.scoring.statistics import rank_correlation as ranks

LEARNED = ("regression", "diffusion", "diffusion_draws", "uncertainty")
HALF = 2e-3
"""What half precision rounds away, generously."""


@pytest.fixture(scope="module")
def tested(small, study):
    return split_nodules(test=study["test"], splits_file=None, seed=0, database=small)[1]


@pytest.fixture(scope="module")
def tables(trained, small, study, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranks, "DRAWS", 50)
        interpolation_study(
            every=study["every"],
            test=study["test"],
            splits_file=None,
            seed=0,
            filled_files=list(trained.learned.values()),
            table_file=folder / "table.csv",
            slices_file=folder / "slices.parquet",
            curves_file=folder / "curves.csv",
            shapes_file=folder / "shapes.csv",
            database=small,
        )
    tables = {name: pd.read_csv(folder / f"{name}.csv") for name in ("table", "curves", "shapes")}
    return tables | {"slices": pd.read_parquet(folder / "slices.parquet")}


def test_patients_teach_or_are_tested_on(small, study):
    teaching, tested = split_nodules(test=study["test"], splits_file=None, seed=0, database=small)
    assert len(teaching) + len(tested) == len(load_nodules(small))
    patients = [{one.patient_id for one in part} for part in (teaching, tested)]
    assert not patients[0] & patients[1]
    assert len(patients[1]) == round(0.12 * len(patients[0] | patients[1]))


def test_every_method_has_a_row_per_distance(tables, study):
    table = tables["table"]
    methods = [*available_values(), *OUTLINES, *(f"{name}_tuned" for name in OUTLINES), *LEARNED]
    for every in study["every"]:
        assert sorted(table.loc[table["every"] == every, "method"]) == sorted(methods)
    assert (table.groupby("every")[["slices", "nodules", "patients"]].nunique() == 1).all(axis=None)


def test_learned_methods_have_all_scores(tables):
    table = tables["table"].set_index("method").loc[list(LEARNED)]
    # An untrained diffusion is sure of nothing, so that in half precision its variance is the same everywhere.
    unknown = ["zero_level", "rising_with_gap", "rising_with_distance", "error_auroc"]
    ranks = [name for name in table if name.startswith(("spearman", "over_"))]
    assert np.isfinite(table.drop(columns=[*unknown, *ranks])).all(axis=None)
    assert np.isfinite(table.loc[["regression", "diffusion_draws", "uncertainty"], ranks]).all(axis=None)
    assert table["zero_level"].isna().all()
    # With every second slice hidden, all are as far from the next.
    assert table.loc[table["every"] == 2, "rising_with_distance"].isna().all()
    assert table.loc[table["every"] == 4, "rising_with_distance"].between(0, 1).all()
    assert np.isfinite(table.loc[["diffusion_draws", "uncertainty"], "error_auroc"]).all()
    shares = ["dice", "brier", "aurc", "calibration_error", "weights_absolute_auroc"]
    assert table[shares].stack().between(0, 1).all()
    assert (table["seconds_per_1000"] > 0).all()


def test_growing_gaps_are_of_methods_that_have_a_variance_without_draws(tables):
    by_method = tables["table"].groupby("method")["rising_with_gap"]
    growing = by_method.first().dropna()
    assert set(growing.index) == {"regression", "diffusion", "uncertainty"}
    assert growing.between(0, 1).all()
    assert (by_method.nunique() <= 1).all()
    curves = tables["curves"]
    assert tuple(curves.columns) == COLUMNS
    rows = curves[curves["curve"] == "growing_gap"]
    assert set(rows["method"]) == set(growing.index)
    assert (rows["every"] == 0).all()


def test_shapes_of_draws_are_next_to_those_of_their_mean(tables, study):
    shapes = tables["shapes"]
    for every in study["every"]:
        rows = shapes[shapes["every"] == every].set_index("source")
        assert list(rows.index) == ["truth", "mean", "draws"]
        slices = tables["table"].query("method == 'diffusion_draws' and every == @every")["slices"].item()
        assert rows["n"].tolist() == [slices, slices, 3 * slices]
        assert rows.loc["truth", "area_bias"] == 0
        assert rows["one_piece"].between(0, 1).all()


@pytest.mark.parametrize("method", LEARNED)
def test_scores_are_those_of_what_was_filled_in(method, trained, tested, tables):
    slices = tables["slices"].query("method == @method and every == 4").reset_index(drop=True)
    held = [one for nodule in tested if (one := hold_out(nodule, 4)) is not None]
    with h5py.File(trained.learned[method]) as file:
        means = [file["4"][one.nodule.lesion_id]["mean"][:] for one in held]
    overlaps = [dice(mean, one.truth) for mean, one in zip(means, held, strict=True)]
    np.testing.assert_allclose(slices["dice"], np.concatenate(overlaps))
    assert slices["lesion_id"].tolist() == [one.nodule.lesion_id for one in held for _ in one.hidden]
    assert slices["slice"].tolist() == [number for one in held for number in one.hidden]


@pytest.mark.parametrize("method", LEARNED)
def test_what_is_filled_in_has_the_nodules_pixels_and_range(method, trained, tested, study):
    with h5py.File(trained.learned[method]) as file:
        assert set(file) == {"2", "4"} | ({"growing"} if method != "diffusion_draws" else set())
        for every in study["every"]:
            held = {one.nodule.lesion_id: one for nodule in tested if (one := hold_out(nodule, every)) is not None}
            assert set(file[str(every)]) == set(held)
            for name, one in held.items():
                group = file[str(every)][name]
                mean, variance = (group[part][:].astype(float) for part in ("mean", "variance"))
                assert mean.shape == variance.shape == one.truth.shape
                assert mean.min() >= 0
                assert mean.max() <= 1
                assert variance.min() >= 0
                assert variance.max() <= 0.25
                if method != "uncertainty":
                    np.testing.assert_allclose(variance, mean * (1 - mean), atol=HALF)
                if method == "diffusion_draws":
                    draws = group["draws"][:]
                    assert draws.dtype == bool
                    assert draws.shape == (3, *one.truth.shape)
                    np.testing.assert_allclose(draws.mean(0), mean, atol=HALF)
                else:
                    assert "draws" not in group


def test_filling_again_gives_the_same(trained, tmp_path):
    trained.fill("diffusion_draws", tmp_path / "again.h5")
    with h5py.File(tmp_path / "again.h5") as again, h5py.File(trained.learned["diffusion_draws"]) as first:
        for name, group in first["4"].items():
            for part in ("mean", "variance", "draws"):
                np.testing.assert_array_equal(group[part][:], again["4"][name][part][:])


def spoiled(nodules, patients):
    """Return nodules of which those of some patients have other masks."""
    masks = [binary_dilation(one.masks, iterations=2) if one.patient_id in patients else one.masks for one in nodules]
    return [replace(one, masks=own) for one, own in zip(nodules, masks, strict=True)]


@pytest.mark.parametrize("kind", ["regression", "diffusion"])
def test_an_interpolator_learns_from_the_others_only(kind, trained, small, tested, settings, monkeypatch, tmp_path):
    nodules, out = load_nodules(small), tmp_path / "model.pt"
    theirs = {one.patient_id for one in tested}
    for patients, equal in ((theirs, True), ({one.patient_id for one in nodules} - theirs, False)):
        monkeypatch.setattr(training, "load_nodules", lambda _, patients=patients: spoiled(nodules, patients))
        train_study_model(kind=kind, **trained.common, settings=settings, code="a", model_file=out)
        assert (out.read_bytes() == trained.model(kind).read_bytes()) is equal


def test_variances_are_of_the_others_only(trained, small, tested, settings, monkeypatch, tmp_path):
    nodules = load_nodules(small)
    theirs = {one.patient_id for one in tested}
    monkeypatch.setattr(training, "load_nodules", lambda _: spoiled(nodules, theirs))
    out, model_file = tmp_path / "variance.h5", trained.model("diffusion")
    options = {"settings": settings | trained.uncertainty, "model_file": model_file, "out_file": out}
    sample_study_variance(**trained.common, **options)
    with h5py.File(trained.folder / "variance.h5") as before, h5py.File(out) as after:
        assert set(before) == set(after)
        lesions = [name for group in before.values() for name in group["lesion"].asstr()[:]]
        assert len(lesions) == trained.uncertainty["gaps"]
        assert not theirs & {name.split("-s")[0] for name in lesions}
        for size, group in before.items():
            for name in ("mean", "variance", "contexts"):
                np.testing.assert_array_equal(group[name][:], after[size][name][:])


def test_draws_are_checked_on_gaps_of_the_others(trained, small, tested, study, settings, tmp_path):
    teaching = split_nodules(test=study["test"], splits_file=None, seed=0, database=small)[0]
    gaps = some_gaps(teaching, every=study["every"], count=study["check_gaps"], size=settings["size"], seed=0)
    assert len(gaps) == study["check_gaps"]
    assert all(len(gap.z) == max(study["every"]) - 1 for gap in gaps)
    more = some_gaps(teaching, every=study["every"], count=8, size=settings["size"], seed=0)
    assert {(gap.lesion_id, gap.z[0]) for gap in gaps} <= {(gap.lesion_id, gap.z[0]) for gap in more}
    assert not {gap.lesion_id for gap in more} & {one.lesion_id for one in tested}
    check_sampler(
        **(trained.common | study),
        size=settings["size"],
        model_file=trained.model("diffusion"),
        steps_file=tmp_path / "steps.csv",
        draws_file=tmp_path / "draws.csv",
    )
    steps, draws = (pd.read_csv(tmp_path / f"{name}.csv") for name in ("steps", "draws"))
    assert steps["steps"].tolist() == list(study["check_steps"])
    assert steps["ratio_to_longest"].iloc[-1] == 1
    assert draws["draws"].tolist() == [2, 4]
    assert np.isfinite(pd.concat([steps, draws])[["variance", "ratio_to_limit"]].dropna()).all(axis=None)
