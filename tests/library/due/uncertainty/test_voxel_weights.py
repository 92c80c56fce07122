"""From variance to weights, and from annotated slices to a filled grid."""

from dataclasses import replace
from functools import partial

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from lesion_examples import (
    INTERPOLATE,
    SLICES,
    SPACING_Z,
    Oracle,
    ellipsoid,
    lesion_row,
    save_untrained,
    untrained_predictor,
)
from scipy.ndimage import center_of_mass

from explainct.data.samples.blocks import box_columns
from explainct.data.samples.resample import block_of, paste, resize_mask
from explainct.due.interpolation.classical import signed_distance_field
from explainct.due.interpolation.filling import diffuse_gaps
from explainct.due.interpolation.gaps import hold_out_gaps
from explainct.due.interpolation.slice_patches import grid_lines, load_patches
from explainct.due.uncertainty import fill_gaps
from explainct.due.uncertainty.fill_gaps import predict_gaps
from explainct.due.uncertainty.fill_grid import COMPARED, fill_lesion, missing_gaps
from explainct.due.uncertainty.grid_planes import lay_planes
from explainct.due.uncertainty.variance_to_weight import absolute_weights, published_weights
from explainct.due.uncertainty.voxel_weights import map_weights
from explainct.errors import UserError

LESION = pd.Series(lesion_row(1))
MARGIN_MM = 4.0
Z_MM = -50.0 + SPACING_Z * np.arange(SLICES)
UNCERTAINTY = {"filled_by": "predictor", "estimate": "draws", "latent_at_inference": "mean", "mapping": "absolute"}
CERTAIN = 1000.0
"""Sharpness of an oracle that has no doubt."""

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
    assert np.all(published_weights(np.full((2, 3, 3), value, np.float32)) == 0)


def test_noise_in_an_empty_gap_weighs_nothing_unless_published():
    noise = 1e-6 * np.random.default_rng(0).random((2, 4, 4))
    assert absolute_weights(noise).min() > 0.9999
    assert np.ptp(published_weights(noise)) == 1


def test_absolute_weights_at_their_ends():
    assert absolute_weights(np.array([0, 0.125, 0.25])).tolist() == [1, 0.5, 0]


GRID = (32, 20, 24)


def planes_of(annotated, consensus=None, grid=GRID):
    consensus = ellipsoid(1) if consensus is None else consensus
    return lay_planes(
        consensus=consensus, annotated=annotated, lesion=LESION, block=block_of(LESION, MARGIN_MM), grid=grid
    )


def every(step):
    """Every `step`-th filled slice and the last, as the annotation stage keeps them."""
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
    with pytest.raises(UserError, match="has no annotated slice"):
        planes_of(np.zeros(SLICES, bool))


def by_predictor(gaps, generator, latent="mean"):
    return predict_gaps(untrained_predictor(), gaps, latent, generator)


def by_oracle(sharpness, **settings):
    """Return what fills gaps by a diffusion that knows the probability of every pixel."""
    return lambda gaps, generator: diffuse_gaps(Oracle(sharpness), gaps, INTERPOLATE | settings, generator)


def fill(planes, patches, filler=by_predictor, grid=GRID, margin_mm=MARGIN_MM, mapping="absolute"):
    return fill_lesion(
        planes,
        patches,
        grid_lines(LESION, block_of(LESION, margin_mm), grid),
        filler=filler,
        mapping=mapping,
        generator=torch.Generator().manual_seed(0),
    )


def patches_of(cohort, annotated=None, number=1):
    """Return the patches of a lesion of the cohort, by default with every second slice annotated."""
    lesions = pd.read_parquet(cohort.lesions_file).iloc[[number]]
    if annotated is not None:
        with h5py.File(cohort.slices_file, "r+") as file:
            file[f"{lesions.lesion_id.item()}/annotated"][:] = annotated
    return load_patches(lesions=lesions, slices_file=cohort.slices_file, size=INTERPOLATE["size"])[0]


@pytest.mark.parametrize("mapping", ["absolute", "published"])
@pytest.mark.parametrize(
    "filler", [by_predictor, by_oracle(2.0, estimate="expectation")], ids=["predictor", "diffusion"]
)
def test_known_planes_are_certain_and_missing_planes_are_weighted(cohort, mapping, filler):
    planes = planes_of(every(2))
    filled = fill(planes, patches_of(cohort), filler, mapping=mapping)
    assert {name: (values.shape, values.dtype.name) for name, values in filled.items()} == dict.fromkeys(
        ("interpolated", "variance", "weight", *COMPARED), (GRID, "float16")
    )
    known = ~np.isin(np.arange(32), planes.missing)
    assert 3 < known.sum() < 30
    np.testing.assert_array_equal(filled["interpolated"][known], planes.nearest[known])
    assert not filled["variance"][known].any()
    assert np.all(filled["weight"][known] == 1)
    assert 0 <= filled["interpolated"].min() <= filled["interpolated"].max() <= 1
    assert filled["variance"][planes.missing].any((1, 2)).all()
    assert filled["variance"].max() <= 0.25
    assert filled["weight"][planes.missing].min() < 1
    for lower in np.unique(planes.lower):
        gap = planes.missing[planes.lower == lower]
        if mapping == "published":
            assert filled["weight"][gap].min() == 0
            assert filled["weight"][gap].max() == 1
        else:
            expected = 1 - filled["variance"][gap].astype(np.float32) * 4
            np.testing.assert_allclose(filled["weight"][gap], expected, atol=2e-3)


def test_what_the_method_is_compared_with_is_known_where_it_is(cohort):
    planes = planes_of(every(2))
    with h5py.File(cohort.slices_file, "r+") as file:
        readers = file[f"{LESION.lesion_id}/readers"]
        mask = readers[:][0]
        smaller = mask.copy()
        smaller[:, :3] = 0
        del file[f"{LESION.lesion_id}/readers"]
        file[f"{LESION.lesion_id}/readers"] = np.stack([mask, smaller])
    filled = {name: values.astype(float) for name, values in fill(planes, patches_of(cohort)).items()}
    known, missing = ~np.isin(np.arange(32), planes.missing), planes.missing
    np.testing.assert_array_equal(filled["signed_distance"][known], planes.nearest[known])
    for name in COMPARED[1:]:
        assert (filled[name][known] == 1).all()
        assert 0 <= filled[name].min() < filled[name][missing].max() <= 1
    for lower in np.unique(planes.lower):
        gap = missing[planes.lower == lower]
        np.testing.assert_allclose(
            filled["weight_published"][gap], published_weights(filled["variance"][gap]), atol=0.02
        )
    # Where one of two readers left rows out, they doubt what they would not have doubted together.
    patches = patches_of(cohort)
    agreed = fill(planes, replace(patches, disagreement=np.zeros_like(patches.disagreement)))["weight_readers"].astype(
        float
    )
    assert (agreed - filled["weight_readers"]).max() > 0.9


def test_pixels_that_are_certain_on_the_patch_are_so_between_its_pixels(cohort):
    planes = planes_of(every(2))
    filled = fill(planes, patches_of(cohort), by_oracle(CERTAIN, estimate="expectation"))
    between = np.zeros(GRID, bool)
    between[planes.missing] = np.abs(filled["interpolated"][planes.missing] - 0.5) < 0.3
    assert between.sum() > 100
    # The few pixels where the blended distance is 0 are as uncertain as can be.
    assert filled["weight"][between].mean(dtype=float) > 0.9


def test_missing_planes_become_gaps_at_their_places_in_mm(cohort):
    planes, patches = planes_of(every(2)), patches_of(cohort)
    gaps = missing_gaps(planes, patches)
    assert [len(gap.z) for gap in gaps] == np.unique(planes.lower, return_counts=True)[1].tolist()
    block = block_of(LESION, MARGIN_MM)
    first, last = (Z_MM[0] + SPACING_Z * (k - LESION.k_start) for k in (block.start[0], block.stop[0] - 1))
    z = np.linspace(first, last, GRID[0])[planes.missing]
    np.testing.assert_allclose(np.concatenate([gap.z for gap in gaps]), z)
    assert all(np.all((gap.t > 0) & (gap.t < 1)) and gap.truth is None for gap in gaps)
    np.testing.assert_array_equal([gap.context_z[1] for gap in gaps], patches.z_mm[np.unique(planes.lower)])


def test_each_plane_is_filled_from_its_own_neighbours(cohort):
    annotated, grid = every(3), (32, 10, 12)
    patches = patches_of(cohort, annotated)
    planes = planes_of(annotated, grid=grid)
    # Without a margin the grid's lines are the rows and columns of the box.
    native = lay_planes(
        consensus=ellipsoid(1), annotated=annotated, lesion=LESION, block=block_of(LESION, 0.0), grid=grid
    )
    filled = fill(native, patches, by_oracle(5.0, estimate="expectation"), grid=grid, margin_mm=0.0)
    wide = np.pad(ellipsoid(1)[annotated], ((0, 0), (8, 8), (8, 8))).astype(bool)
    fields = np.stack([signed_distance_field(mask)[8:-8, 8:-8].clip(-6, 6) / 6 for mask in wide])
    assert len(native.missing) > 10
    for plane, lower, t in zip(native.missing, native.lower, native.t, strict=True):
        blend = (1 - t) * fields[lower] + t * fields[lower + 1]
        np.testing.assert_allclose(filled["interpolated"][plane], 1 / (1 + np.exp(-5 * blend)), atol=2e-3)
    assert not np.array_equal(planes.t, native.t)


def test_averaged_draws_tend_to_the_expectation(cohort):
    planes, patches = planes_of(every(2)), patches_of(cohort)
    limit, few, many = (
        fill(planes, patches, by_oracle(4.0, **settings))["interpolated"][planes.missing].astype(float)
        for settings in (
            {"estimate": "expectation"},
            {"estimate": "draws", "draws": 4},
            {"estimate": "draws", "draws": 64},
        )
    )
    errors = [np.sqrt(np.mean((mean - limit) ** 2)) for mean in (few, many)]
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.1)
    assert errors[1] < 0.06


def test_a_drawn_latent_changes_mean_and_variance_and_repeats(cohort):
    planes, patches = planes_of(every(2)), patches_of(cohort)
    mean, draw, again = (
        fill(planes, patches, partial(by_predictor, latent=latent)) for latent in ("mean", "draw", "draw")
    )
    assert all(np.array_equal(draw[name], again[name]) for name in draw)
    for name in ("interpolated", "variance"):
        assert np.abs(draw[name] - mean[name]).max() > 1e-3
    known = ~np.isin(np.arange(GRID[0]), planes.missing)
    assert not draw["variance"][known].any()


def test_planes_beside_an_annotated_slice_hardly_differ_from_it_and_doubt_grows_away_from_it(cohort):
    annotated, grid = every(3), (512, 10, 12)
    planes = lay_planes(
        consensus=ellipsoid(1), annotated=annotated, lesion=LESION, block=block_of(LESION, 0.0), grid=grid
    )
    filled = fill(planes, patches_of(cohort, annotated), grid=grid, margin_mm=0.0)
    for lower in np.unique(planes.lower):
        gap = planes.missing[planes.lower == lower]
        t = planes.t[planes.lower == lower]
        first, middle = gap[0], gap[np.abs(t - 0.5).argmin()]
        assert np.abs(filled["interpolated"][first] - planes.nearest[first]).max() < 0.02
        doubt = filled["variance"].astype(float).sum((1, 2))
        assert doubt[first] < 0.01 * filled["interpolated"][first].sum(dtype=float)
        assert doubt[first] < 0.1 * doubt[middle]


def test_gaps_predicted_together_or_alone_get_the_same_answer(cohort):
    lesions = [patches_of(cohort, number=number) for number in (5, 1, 3)]
    gaps = [gap for step in (4, 2, 3) for gap in hold_out_gaps(lesions, step)]
    assert [gap.size for gap in gaps[:3]] == [32, 24, 32]
    assert {len(gap.z) for gap in gaps} == {1, 2, 3}
    predictor = untrained_predictor()
    for gap, answer in zip(gaps, predict_gaps(predictor, gaps, "mean", torch.Generator()), strict=True):
        alone = predictor.predict(
            torch.from_numpy(gap.contexts)[None],
            torch.from_numpy(gap.context_z).float()[None],
            torch.from_numpy(gap.shown)[None],
            torch.from_numpy(gap.z).float()[None],
            torch.tensor([gap.pixel_mm]).float(),
        )
        for one, other in zip(answer[:2], alone, strict=True):
            torch.testing.assert_close(one, other[0], atol=1e-5, rtol=0)


@pytest.mark.parametrize("annotated", [np.arange(SLICES) == 6, every(1)], ids=["one slice", "all slices"])
def test_without_a_gap_the_annotation_stays(cohort, annotated):
    grid = block_of(LESION, MARGIN_MM).shape
    planes = planes_of(annotated, grid=grid)
    filled = fill(planes, patches_of(cohort, annotated), grid=grid)
    np.testing.assert_array_equal(filled["interpolated"], planes.nearest)
    assert planes.nearest.any()
    assert not filled["variance"].any()
    assert np.all(filled["weight"] == 1)


def lay_blocks(cohort, margin_mm):
    """Lay the samples' blocks around the lesions' boxes with a margin."""
    lesions = pd.read_parquet(cohort.lesions_file).set_index("lesion_id")
    samples = pd.read_parquet(cohort.samples_file)
    boxes = [box_columns(block_of(lesions.loc[name], margin_mm)) for name in samples["lesion_id"]]
    samples.assign(**pd.DataFrame(boxes, samples.index)).to_parquet(cohort.samples_file)


def run(cohort, out, part="0", filled_by="predictor", **changes):
    predictor_file = out.parent / "predictor.pt"
    save_untrained(predictor_file)
    lay_blocks(cohort, changes.pop("margin_mm", MARGIN_MM))
    map_weights(
        lesions_file=cohort.lesions_file,
        slices_file=cohort.slices_file,
        samples_file=cohort.samples_file,
        model_file=predictor_file if filled_by == "predictor" else cohort.model_file,
        predictor_file=predictor_file,
        part=part,
        browse=changes.pop("browse", 0),
        grid=changes.pop("grid", (16, 12, 20)),
        size=changes.pop("size", INTERPOLATE["size"]),
        settings=INTERPOLATE | UNCERTAINTY | {"filled_by": filled_by} | changes,
        seed=0,
        device="cpu",
        threads=1,
        out_file=out,
    )
    return out


def test_file_holds_the_shards_training_lesions(cohort, tmp_path):
    with h5py.File(run(cohort, tmp_path / "0.h5")) as file:
        assert list(file) == ["LIDC-IDRI-0000-s0-n0", "LIDC-IDRI-0005-s5-n0"]
        for group in file.values():
            types = {name: (group[name].shape, group[name].dtype.name) for name in group if name != "slices"}
            grid = (16, 12, 20)
            assert types == {
                "annotated": ((16,), "bool"),
                "interpolated": (grid, "float16"),
                "mask_published": (grid, "uint8"),
                "nearest": (grid, "uint8"),
                **dict.fromkeys(COMPARED, (grid, "float16")),
                "variance": (grid, "float16"),
                "weight": (grid, "float16"),
                "weight_published_times": (grid, "float16"),
            }


def test_a_shard_without_training_lesions_is_an_empty_file(cohort, tmp_path):
    with h5py.File(run(cohort, tmp_path / "7.h5", part="7")) as file:
        assert list(file) == []


def test_the_browsed_part_holds_test_lesions(cohort, tmp_path):
    with h5py.File(run(cohort, tmp_path / "browsed.h5", part="browsed", browse=3)) as file:
        assert list(file) == ["LIDC-IDRI-0004-s4-n0"]
        assert file["LIDC-IDRI-0004-s4-n0/weight"].shape == (16, 12, 20)


def test_dropped_slices_never_leak(cohort, tmp_path):
    before = run(cohort, tmp_path / "before.h5").read_bytes()
    with h5py.File(cohort.slices_file, "r+") as file:
        for lesion in file.values():
            flags = np.flatnonzero(lesion["annotated"][:])
            dropped = [k for k in range(flags[0], flags[-1]) if k not in flags]
            lesion["consensus"][dropped] = 1 - lesion["consensus"][dropped]
            lesion["readers"][:, dropped] = 1 - lesion["readers"][:, dropped]
    assert run(cohort, tmp_path / "after.h5").read_bytes() == before


@pytest.mark.parametrize(
    ("filled_by", "changes"),
    [
        ("predictor", {"latent_at_inference": "draw"}),
        ("predictor", {"mapping": "published"}),
        ("diffusion", {}),
        ("diffusion", {"filling": "autoregressive"}),
        ("diffusion", {"draws": 3}),
        ("diffusion", {"steps": 4}),
        ("diffusion", {"estimate": "expectation"}),
    ],
    ids=str,
)
def test_every_choice_changes_the_file_and_repeats(cohort, tmp_path, filled_by, changes):
    default = run(cohort, tmp_path / "default.h5", filled_by=filled_by if changes else "predictor").read_bytes()
    changes = changes | {"filled_by": filled_by}
    first = run(cohort, tmp_path / "first.h5", **changes).read_bytes()
    again = run(cohort, tmp_path / "again.h5", **changes).read_bytes()
    assert first == again != default


def test_weights_do_not_depend_on_who_shares_a_shard(cohort, tmp_path):
    few = run(cohort, tmp_path / "few.h5")
    samples = pd.read_parquet(cohort.samples_file)
    samples.assign(shard=0).to_parquet(cohort.samples_file)
    with h5py.File(few) as one, h5py.File(run(cohort, tmp_path / "all.h5")) as other:
        assert set(one) < set(other)
        for name, group in one.items():
            for key in group:
                np.testing.assert_array_equal(group[key], other[name][key])


def test_a_lesion_without_annotation_stops_the_shard_and_leaves_no_file(cohort, tmp_path):
    with h5py.File(cohort.slices_file, "r+") as file:
        file["LIDC-IDRI-0005-s5-n0/annotated"][:] = False
    with pytest.raises(UserError, match="LIDC-IDRI-0005-s5-n0 has no annotated slice"):
        run(cohort, tmp_path / "weights" / "0.h5")
    assert not list((tmp_path / "weights").glob("*.h5"))


def same_slices(cohort, mask, corner, spacing):
    """Make the cohort's first lesion one of equal slices, of which every third one is annotated; return its row."""
    lesions = pd.read_parquet(cohort.lesions_file)
    (h, w), (i, j), (y, x) = mask.shape, corner, spacing
    changed = {"i_start": i, "i_stop": i + h, "j_start": j, "j_stop": j + w, "spacing_y": y, "spacing_x": x}
    for name, value in changed.items():
        lesions.loc[0, name] = value
    lesions.to_parquet(cohort.lesions_file)
    with h5py.File(cohort.slices_file, "r+") as file:
        group = file[lesions.lesion_id[0]]
        del group["consensus"]
        group["consensus"] = np.repeat(mask[None].astype(np.uint8), SLICES, axis=0)
        del group["readers"]
        group["readers"] = group["consensus"][:][None]
        group["annotated"][:] = np.arange(SLICES) % 3 == 0
    return lesions.iloc[0]


def lines_mm(lesion, margin_mm, grid):
    """Return the z of the grid's planes, and its rows and columns, in mm from the first voxel of the lesion's box."""
    spacing = lesion[["spacing_z", "spacing_y", "spacing_x"]].to_numpy(float)
    block, start = block_of(lesion, margin_mm), lesion[["k_start", "i_start", "j_start"]].to_numpy(int)
    return [
        spacing[axis] * np.linspace(block.start[axis] - start[axis], block.stop[axis] - 1 - start[axis], grid[axis])
        for axis in range(3)
    ]


def filled_lesion(cohort, tmp_path, monkeypatch, lesion, **changes):
    monkeypatch.setattr(fill_gaps, "load_model", lambda kind, path, device: Oracle(CERTAIN))
    with h5py.File(run(cohort, tmp_path / "0.h5", filled_by="diffusion", **changes)) as file:
        return {name: values[:].astype(float) for name, values in file[lesion.lesion_id].items()}


@pytest.mark.parametrize("margin_mm", [0.0, 3.0])
@pytest.mark.parametrize(("grid", "estimate"), [((32, 24, 44), "draws"), ((17, 40, 20), "expectation")])
@pytest.mark.parametrize(
    ("corner", "spacing"), [((100, 200), (0.7, 0.7)), ((100, 200), (0.6, 0.9)), ((2, 509 - 20), (0.7, 0.7))]
)
def test_equal_discs_are_filled_with_that_disc_where_it_lies(
    cohort, tmp_path, monkeypatch, margin_mm, grid, corner, spacing, estimate
):
    y, x = np.ogrid[:16, :20]
    centre, radius = np.array([7 * spacing[0], 12 * spacing[1]]), 4.0
    distance = np.hypot(y * spacing[0] - centre[0], x * spacing[1] - centre[1])
    lesion = same_slices(cohort, distance < radius, corner, spacing)
    options = {"margin_mm": margin_mm, "grid": grid, "estimate": estimate}
    filled = filled_lesion(cohort, tmp_path, monkeypatch, lesion, **options)
    z, rows, columns = lines_mm(lesion, margin_mm, grid)
    last = SPACING_Z * (SLICES - 1)
    missing = (z > 0) & (z < last) & (filled["annotated"] == 0)
    assert missing.sum() > 5
    distance = np.hypot(rows[:, None] - centre[0], columns - centre[1])
    clear = np.abs(distance - radius) > 1.5 * max(spacing)
    assert (distance < radius)[clear].any()
    assert (distance > radius)[clear].any()
    for plane in np.flatnonzero((z >= 0) & (z <= last)):
        np.testing.assert_array_equal(filled["interpolated"][plane][clear], (distance < radius)[clear])
    for plane in np.flatnonzero(missing):
        middle = [
            np.interp(at, np.arange(len(line)), line)
            for at, line in zip(center_of_mass(filled["interpolated"][plane]), (rows, columns), strict=True)
        ]
        np.testing.assert_allclose(middle, centre, atol=0.1 * max(spacing))
    assert not filled["interpolated"][(z < -SPACING_Z) | (z > last + SPACING_Z)].any()


@pytest.mark.parametrize(("shape", "spacing"), [((70, 50), (0.7, 0.7)), ((40, 66), (0.8, 0.5))])
def test_a_lesion_larger_than_the_patch_stays_whole(cohort, tmp_path, monkeypatch, shape, spacing):
    i, j = (np.linspace(-1, 1, 2 * length + 1)[1::2] for length in shape)
    mask = i[:, None] ** 2 + j**2 < 1
    lesion = same_slices(cohort, mask, (100, 200), spacing)
    grid = (16, 120, 100)
    _, rows, columns = lines_mm(lesion, 3.0, grid)
    area = mask.sum() * spacing[0] * spacing[1]
    cell = (rows[1] - rows[0]) * (columns[1] - columns[0])
    for size in (32, 112):
        options = {"margin_mm": 3.0, "grid": grid, "size": size}
        filled = filled_lesion(cohort, tmp_path, monkeypatch, lesion, **options)
        pixel_mm = max(*spacing, np.max(np.multiply(shape, spacing)) / (size - 8))
        between = (filled["annotated"] == 0) & filled["interpolated"].any((1, 2))
        for plane in filled["interpolated"][between]:
            assert cell * plane.sum() == pytest.approx(area, rel=0.03)
            for axis, (line, length) in enumerate(zip((rows, columns), shape, strict=True)):
                reached = line[(plane > 0.5).any(1 - axis)]
                ends = np.array([-0.5, length - 0.5]) * spacing[axis]
                np.testing.assert_allclose(reached[[0, -1]], ends, atol=pixel_mm)
