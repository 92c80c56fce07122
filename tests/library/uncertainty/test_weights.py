"""From variance to weights, and from annotated slices to a filled grid."""

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from lesion_examples import SIZE, SLICES, LinearInterpolator, ellipsoid, lesion_row

from due.cases.grid import block_of, paste, resize_mask
from due.errors import DueError
from due.interpolate.frames import load_frames
from due.train.checkpoint import save
from due.uncertainty.fill import fill_lesion
from due.uncertainty.mapping import absolute_weights, published_weights
from due.uncertainty.planes import lay_planes
from due.uncertainty.predictor import UncertaintyPredictor
from due.uncertainty.weights import map_weights

LESION = pd.Series(lesion_row(1))
MARGIN_MM = 4.0
Z_MM = -50.0 + 2.0 * np.arange(SLICES)
INTERPOLATE = {"size": SIZE, "draws": 2, "filling": "direct"}
UNCERTAINTY = {"latent_at_inference": "mean", "mapping": "absolute"}

variances = arrays(np.float32, array_shapes(min_dims=3, max_dims=3, max_side=4), elements=st.floats(0, 0.25, width=32))


@pytest.mark.parametrize("mapping", [published_weights, absolute_weights])
@given(variance=variances)
def test_weights_reverse_the_order_of_variance(mapping, variance):
    weights = mapping(variance)
    assert weights.shape == variance.shape
    assert weights.min() >= 0
    assert weights.max() <= 1
    order = variance.ravel().argsort()
    assert np.all(np.diff(weights.ravel()[order]) <= 0)


def test_published_weights_follow_the_papers_formula():
    variance = torch.rand(3, 5, 5, generator=torch.Generator().manual_seed(0)) / 4
    flipped = torch.sigmoid(-variance)
    expected = (flipped - flipped.min()) / (flipped.max() - flipped.min())
    np.testing.assert_allclose(published_weights(variance.numpy()), expected, atol=1e-5)


def test_published_weights_forget_scale_and_absolute_ones_do_not():
    variance = np.random.default_rng(0).random((2, 4, 4)) / 4
    np.testing.assert_allclose(published_weights(variance), published_weights(variance / 1000), atol=0.01)
    assert absolute_weights(variance / 1000).min() > 0.999


@pytest.mark.parametrize("value", [0.0, 0.1, 0.25])
def test_a_constant_gap_has_nothing_to_rank(value):
    assert np.all(published_weights(np.full((2, 3, 3), value, np.float32)) == 1)


def test_absolute_weights_at_their_ends():
    assert absolute_weights(np.array([0, 0.125, 0.25])).tolist() == [1, 0.5, 0]


def planes_of(annotated, consensus=None, grid=(32, 20, 24)):
    consensus = ellipsoid(1) if consensus is None else consensus
    return lay_planes(
        consensus=consensus, annotated=annotated, z_mm=Z_MM, lesion=LESION, margin_mm=MARGIN_MM, grid=grid
    )


def every(step):
    """Every `step`-th filled slice and the last, as the annotate room keeps them."""
    filled = np.flatnonzero(ellipsoid(1).any((1, 2)))
    return np.isin(np.arange(SLICES), [*filled[::step], filled[-1]])


@pytest.mark.parametrize("depth", [6, 17, 32, 64])
@pytest.mark.parametrize("step", [1, 2, 5])
def test_each_plane_shows_the_nearest_known_slice(depth, step):
    annotated, consensus = every(step), ellipsoid(1)
    planes = planes_of(annotated, grid=(depth, 20, 24))
    block = block_of(LESION, MARGIN_MM)
    mask, first = paste(consensus, LESION, block), int(LESION.k_start) - block.start[0]
    known = first + np.flatnonzero(annotated)
    whole = resize_mask(mask, (block.shape[0], 20, 24))
    for plane in range(depth):
        place = plane * (block.shape[0] - 1) / (depth - 1)
        if known[0] <= place <= known[-1]:
            expected = whole[known[np.abs(known - place).argmin()]]
            np.testing.assert_array_equal(planes.nearest[plane], expected)
        elif not planes.annotated[plane]:
            np.testing.assert_array_equal(planes.nearest[plane], whole[int(np.ceil(place - 0.5))])
    missing = np.isin(np.arange(depth), planes.missing)
    assert not np.any(missing & planes.annotated)
    assert np.all((planes.t > 0) & (planes.t < 1))
    positions = Z_MM[annotated][planes.lower] + planes.t * np.diff(Z_MM[annotated])[planes.lower]
    block_z = Z_MM[0] + (np.arange(block.shape[0]) - first) * LESION.spacing_z
    np.testing.assert_allclose(positions, np.linspace(block_z[0], block_z[-1], depth)[planes.missing])


def test_fully_annotated_block_on_its_own_grid_is_copied():
    block = block_of(LESION, MARGIN_MM)
    planes = planes_of(every(1), grid=block.shape)
    np.testing.assert_array_equal(planes.nearest, paste(ellipsoid(1), LESION, block))
    assert len(planes.missing) == 0
    assert planes.annotated.sum() == every(1).sum()


def test_one_annotated_slice_leaves_nothing_to_fill():
    annotated = np.arange(SLICES) == 6
    planes = planes_of(annotated)
    assert len(planes.missing) == 0
    assert planes.annotated.sum() == 1
    assert planes.nearest[planes.annotated].any()


def test_a_lesion_without_annotation_is_the_users_to_mend():
    with pytest.raises(DueError, match="has no annotated slice"):
        planes_of(np.zeros(SLICES, bool))


def fill(planes, frames, predictor=None, **changes):
    torch.manual_seed(0)
    return fill_lesion(
        planes,
        frames,
        interpolator=LinearInterpolator(noise=0.2),
        predictor=predictor or UncertaintyPredictor(width=8, latent=4).eval(),
        interpolate_settings=INTERPOLATE,
        settings=UNCERTAINTY | changes,
        generator=torch.Generator().manual_seed(0),
    )


def frames_of(cohort):
    lesions = pd.read_parquet(cohort.lesions_file).iloc[[1]]
    return load_frames(lesions=lesions, slices_file=cohort.slices_file, margin_mm=MARGIN_MM, size=SIZE)[0]


@pytest.mark.parametrize("mapping", ["absolute", "published"])
def test_known_planes_are_certain_and_missing_planes_are_weighted(cohort, mapping):
    planes = planes_of(every(2))
    filled = fill(planes, frames_of(cohort), mapping=mapping)
    known = ~np.isin(np.arange(32), planes.missing)
    assert 3 < known.sum() < 30
    np.testing.assert_array_equal(filled["interpolated"][known], planes.nearest[known])
    assert not filled["variance"][known].any()
    assert np.all(filled["weight"][known] == 1)
    assert filled["variance"][planes.missing].min() > 0
    assert filled["weight"][planes.missing].min() < 1
    for lower in np.unique(planes.lower):
        gap = planes.missing[planes.lower == lower]
        if mapping == "published":
            assert filled["weight"][gap].min() == 0
            assert filled["weight"][gap].max() == 1
        else:
            expected = 1 - filled["variance"][gap].astype(np.float32) * 4
            np.testing.assert_allclose(filled["weight"][gap], expected, atol=2e-3)


def test_each_plane_is_filled_from_its_own_neighbours(cohort):
    planes, frames = planes_of(every(2), grid=(32, SIZE, SIZE)), frames_of(cohort)
    interpolator = LinearInterpolator()
    filled = fill_lesion(
        planes,
        frames,
        interpolator=interpolator,
        predictor=UncertaintyPredictor(width=8, latent=4),
        interpolate_settings=INTERPOLATE,
        settings=UNCERTAINTY,
        generator=torch.Generator(),
    )
    for plane, lower, t in zip(planes.missing, planes.lower, planes.t, strict=True):
        expected = (1 - t) * frames.frames[lower] + t * frames.frames[lower + 1]
        np.testing.assert_allclose(filled["interpolated"][plane], expected, atol=2e-3)
    assert torch.all(interpolator.asked.gap_mm == 4.0)


def run(cohort, compute, out, **changes):
    predictor_file = out.parent / "predictor.pt"
    torch.manual_seed(0)
    model = UncertaintyPredictor(width=8, latent=4)
    save({"settings": {"width": 8, "latent": 4}, "model": model.state_dict()}, predictor_file)
    map_weights(
        lesions_file=cohort.lesions_file,
        slices_file=cohort.slices_file,
        samples_file=cohort.samples_file,
        interpolator_file=cohort.model_file,
        predictor_file=predictor_file,
        margin_mm=MARGIN_MM,
        grid=(16, 12, 20),
        interpolate_settings=INTERPOLATE | changes.pop("interpolate", {}),
        settings=UNCERTAINTY | changes,
        seed=0,
        shard=0,
        compute=compute,
        out=out,
    )
    return out


def test_file_holds_the_shards_training_lesions(cohort, compute, tmp_path):
    with h5py.File(run(cohort, compute, tmp_path / "0.h5")) as file:
        assert list(file) == ["LIDC-IDRI-0000-s0-n0", "LIDC-IDRI-0005-s5-n0"]
        for group in file.values():
            types = {name: (group[name].shape, group[name].dtype.name) for name in group}
            grid = (16, 12, 20)
            assert types == {
                "annotated": ((16,), "bool"),
                "interpolated": (grid, "float16"),
                "nearest": (grid, "uint8"),
                "variance": (grid, "float16"),
                "weight": (grid, "float16"),
            }


def test_dropped_slices_never_leak(cohort, compute, tmp_path):
    before = run(cohort, compute, tmp_path / "before.h5").read_bytes()
    with h5py.File(cohort.slices_file, "r+") as file:
        for lesion in file.values():
            flags = np.flatnonzero(lesion["annotated"][:])
            dropped = [k for k in range(flags[0], flags[-1]) if k not in flags]
            lesion["consensus"][dropped] = 1 - lesion["consensus"][dropped]
    assert run(cohort, compute, tmp_path / "after.h5").read_bytes() == before


@pytest.mark.parametrize("changes", [{"latent_at_inference": "draw"}, {"interpolate": {"filling": "autoregressive"}}])
def test_published_choices_run_and_repeat(cohort, compute, tmp_path, changes):
    default = run(cohort, compute, tmp_path / "default.h5").read_bytes()
    first = run(cohort, compute, tmp_path / "first.h5", **changes).read_bytes()
    again = run(cohort, compute, tmp_path / "again.h5", **changes).read_bytes()
    assert first == again != default
