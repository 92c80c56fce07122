"""Planes between slices: which thin slices are the truth, and what is said of how uncertainty leaves slices."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from nodule_examples import disc, nodule

from explainct.due.interpolation.filling import Filled
from explainct.due.interpolation.gaps import ABOVE, BELOW
from explainct.due.interpolation.slice_patches import patches_of
from explainct.due.interpolation_study import planes_between as module
from explainct.due.interpolation_study.planes_between import (
    SHARES,
    behaviour_of,
    grid_gaps,
    planes_between,
    thin_between_thick,
)
from explainct.errors import UserError


def thin(spacing, slices=11, patient="P"):
    radii = 4 + 5 * np.sin(np.linspace(0.3, np.pi - 0.3, slices))
    return nodule([disc(radius) for radius in radii], patient, z_mm=spacing * np.arange(slices))


@pytest.mark.parametrize(
    ("spacing", "every"), [(0.5, 5), (0.625, 4), (0.7, 4), (0.75, 4), (0.8, None), (1.0, None), (2.5, None)]
)
def test_thin_slices_are_hidden_between_slices_as_far_apart_as_thick_ones(spacing, every):
    held = thin_between_thick([thin(spacing)])
    if every is None:
        assert held == []
        return
    (one,) = held
    assert set(np.diff(one.kept)) == {every}
    assert 2.5 <= every * spacing <= 3
    assert set(one.hidden) | set(one.kept) == set(range(one.kept[-1] + 1))


def test_nodules_that_are_too_short_are_left_out():
    assert thin_between_thick([thin(0.7, slices=4), nodule([disc(4)], z_mm=np.zeros(1))]) == []
    assert len(thin_between_thick([thin(0.7, slices=5)])) == 1


def test_planes_of_the_grid_lie_between_slices_and_hold_none():
    patches = [patches_of(thin(2.5, slices=count), 48) for count in (2, 6, 40)]
    gaps = grid_gaps(patches, seed=0)
    # Between 40 slices a grid of 64 has one plane at most that is not the nearest to a slice.
    assert [gap.lesion_id for gap in gaps].count(patches[0].lesion_id) == len(gaps) == 1 + 5
    for gap in gaps:
        assert ((gap.t > 0) & (gap.t < 1)).all()
        assert len(gap.z) > 1
    assert len(gaps[0].z) == 62


def filler_of(variance):
    """Return a method that copies the lower slice and doubts as `variance` says of relative positions [M]."""

    def fill(gaps, _):
        return [
            Filled(
                torch.from_numpy(np.repeat(gap.contexts[BELOW][None], len(gap.z), 0)),
                torch.from_numpy(variance(gap.t))[:, None, None].expand(-1, gap.size, gap.size),
            )
            for gap in gaps
        ]

    return fill


@pytest.mark.parametrize(
    ("variance", "rising"), [(lambda t: t * (1 - t), 1.0), (lambda t: 0.25 - t * (1 - t), 0.0), (lambda t: 0 * t, 0.0)]
)
def test_rising_variance_is_told_from_falling_and_constant(variance, rising):
    gaps = grid_gaps([patches_of(thin(2.5, slices=6), 48)], seed=0)
    how = behaviour_of(filler_of(variance), gaps, torch.Generator())
    assert (how.rising, how.rising_gaps) == (rising, 5)
    assert list(how.ratio) == list(how.dice) == list(SHARES)
    assert all(value == 1 for value in how.dice.values())
    size = gaps[0].size
    areas = np.array([gap.contexts[BELOW].sum() for gap in gaps])
    for share, ratio in how.ratio.items():
        assert ratio == pytest.approx(np.mean(size**2 * variance(np.array(share)) / areas), rel=1e-6)


def test_dice_is_that_with_the_lower_slice():
    gaps = grid_gaps([patches_of(thin(2.5, slices=6), 48)], seed=0)
    above = [replace(gap, contexts=gap.contexts[[0, ABOVE, BELOW, 3]]) for gap in gaps]
    how = behaviour_of(lambda some, _: filler_of(lambda t: t)(swapped(some), _), gaps, torch.Generator())
    expected = [
        2 * (gap.contexts[BELOW] * gap.contexts[ABOVE]).sum() / gap.contexts[BELOW : ABOVE + 1].sum() for gap in above
    ]
    assert how.dice[0.5] == pytest.approx(np.mean(expected), rel=1e-5)


def swapped(gaps):
    return [replace(gap, contexts=gap.contexts[[0, ABOVE, BELOW, 3]]) for gap in gaps]


def run(trained, settings, tmp_path, monkeypatch, nodules):
    monkeypatch.setattr(module, "split_nodules", lambda **_: nodules)
    files = {"fractional_file": tmp_path / "fractional.csv", "planes_file": tmp_path / "planes.csv"}
    planes_between(
        model_files=[trained.model("diffusion"), trained.model("uncertainty")],
        learned=["diffusion", "uncertainty"],
        splits_file=None,
        test=0.5,
        settings=settings,
        latent="mean",
        seed=0,
        device="cpu",
        threads=1,
        **files,
    )
    return [pd.read_csv(path).set_index("method") for path in files.values()]


def test_models_are_scored_next_to_classical_methods(trained, settings, tmp_path, monkeypatch):
    nodules = [[thin(0.7, patient=f"P{number}") for number in part] for part in ((0, 1), (2, 3))]
    fractional, planes = run(trained, settings, tmp_path, monkeypatch, nodules)
    assert {"diffusion", "uncertainty", "signed_distance_tuned", "nearest"} <= set(fractional.index)
    assert (fractional["slices"] == 2 * 6).all()
    assert fractional.loc["signed_distance_tuned", "gain"] == 0
    assert list(planes.index) == ["diffusion", "uncertainty"]
    assert (planes["dice_0.002"] > 0.995).all()
    assert (planes["ratio_0.002"] < 0.005).all()


def test_without_thin_slices_there_is_nothing_to_score(trained, settings, tmp_path, monkeypatch):
    with pytest.raises(UserError, match="No nodule has slices at most"):
        run(trained, settings, tmp_path, monkeypatch, [[thin(2.5)], [thin(2.5)]])
