"""Patches: which slices, where in-plane, at what scale, and the way back to native pixels and to the grid."""

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import map_coordinates
from torch.nn.functional import interpolate

from explainct.data.samples.resample import block_of, paste, resize_image
from explainct.due.interpolation.hidden_slices import PAD, Nodule
from explainct.due.interpolation.slice_patches import (
    LesionPatches,
    Place,
    choose_place,
    from_patches,
    grid_lines,
    load_patches,
    patches_of,
    to_patches,
)
from explainct.errors import UserError

EDGES = st.integers(2, 14).map(lambda number: 8 * number)
SHAPES = st.tuples(st.integers(1, 400), st.integers(1, 400))
SPACING = st.floats(0.3, 2)
SPACINGS = st.one_of(SPACING.map(lambda one: (one, one)), st.tuples(SPACING, SPACING))


def random_mask(shape, seed=0):
    return np.random.default_rng(seed).random(shape) < 0.5


def disc(radius, centre, shape):
    i, j = np.indices(shape)
    return (i - centre[0]) ** 2 + (j - centre[1]) ** 2 <= radius**2


def margins(place, size, shape):
    """Return the patch pixels beside the box: above and left of it, below and right of it."""
    steps = np.array([place.row_step, place.column_step])
    first = np.array([place.first_row, place.first_column])
    before = -0.5 - (first - steps / 2)
    after = first + (size - 0.5) * steps - (np.array(shape) - 0.5)
    return before / steps, after / steps


@given(shape=SHAPES, spacing=SPACINGS, largest=EDGES)
def test_the_whole_box_lies_in_the_middle_of_a_patch_of_square_pixels(shape, spacing, largest):
    place, size = choose_place(shape, spacing, largest)
    assert size % 8 == 0
    assert 8 < size <= largest
    before, after = margins(place, size, shape)
    assert min(before.min(), after.min()) >= PAD - 1e-6
    assert np.abs(before - after).max() <= 1 + 1e-6
    pixel_mm = place.row_step * spacing[0]
    assert place.column_step * spacing[1] == pytest.approx(pixel_mm, rel=1e-4)
    assert pixel_mm >= max(spacing) * (1 - 1e-4)


@given(shape=SHAPES, spacing=SPACINGS, largest=EDGES)
def test_patches_are_native_where_they_fit_and_as_fine_as_possible_elsewhere(shape, spacing, largest):
    place, size = choose_place(shape, spacing, largest)
    needed = np.max(np.multiply(shape, spacing)) / max(spacing) + 2 * PAD
    pixel_mm = place.row_step * spacing[0]
    assume(abs(needed - largest) > 1e-3)
    if needed < largest:
        assert pixel_mm == pytest.approx(max(spacing), rel=1e-4)
        assert size - 8 < needed + 1e-3
    else:
        assert size == largest
        assert pixel_mm * (largest - 2 * PAD) == pytest.approx(np.max(np.multiply(shape, spacing)))


@given(shape=st.tuples(st.integers(1, 104), st.integers(1, 104)), spacing=SPACING)
def test_square_pixels_that_fit_are_cropped(shape, spacing):
    place, size = choose_place(shape, (spacing, spacing * (1 + 1e-6)), 112)
    assert (place.row_step, place.column_step) == (1, 1)
    assert (place.first_row, place.first_column) == ((shape[0] - size) // 2, (shape[1] - size) // 2)
    mask = random_mask((2, *shape))
    expected = np.zeros((2, size, size), np.float32)
    top, left = int(-place.first_row), int(-place.first_column)
    expected[:, top : top + shape[0], left : left + shape[1]] = mask
    patches = to_patches(mask, place, size)
    np.testing.assert_array_equal(patches, expected)
    assert patches.dtype == np.float32
    back = from_patches(patches, place, np.arange(shape[0]), np.arange(shape[1]))
    np.testing.assert_array_equal(back, mask)
    assert back.dtype == np.float32


@given(probability=arrays(np.float32, (2, 6, 11), elements=st.floats(0, 1, width=32)))
def test_probabilities_survive_the_round_trip_exactly(probability):
    place, size = choose_place((6, 11), (0.7, 0.7), 32)
    back = from_patches(to_patches(probability, place, size), place, np.arange(6), np.arange(11))
    np.testing.assert_array_equal(back, probability)


@given(shape=st.tuples(st.integers(1, 200), st.integers(1, 200)), spacing=SPACINGS, largest=EDGES)
def test_no_annotation_is_lost_at_any_scale(shape, spacing, largest):
    place, size = choose_place(shape, spacing, largest)
    mask = random_mask((1, *shape))
    patches = to_patches(mask, place, size)
    assert patches.shape == (1, size, size)
    assert 0 <= patches.min() <= patches.max() <= 1
    area = patches.sum(dtype=float) * place.row_step * place.column_step
    assert area == pytest.approx(mask.sum(), rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("steps", [(2, 2), (3, 1), (1.3, 2.7)])
def test_shrinking_takes_the_share_of_each_pixel(steps):
    mask = random_mask((2, 20, 17)).astype(float)
    place = Place(-3.1, -1.7, *steps)
    # 200 lines per native pixel stand for the area.
    fine = (np.arange(-20 * 200, 60 * 200) + 0.5) / 200 - 0.5
    nearest = np.rint(fine).astype(int)
    expected = np.zeros((2, 16, 16))
    for row in range(16):
        for column in range(16):
            i = nearest[np.abs(fine - place.first_row - row * steps[0]) < steps[0] / 2]
            j = nearest[np.abs(fine - place.first_column - column * steps[1]) < steps[1] / 2]
            inside = mask[:, i[(i >= 0) & (i < 20)]][:, :, j[(j >= 0) & (j < 17)]]
            expected[:, row, column] = inside.sum((1, 2)) / (len(i) * len(j))
    np.testing.assert_allclose(to_patches(mask, place, 16), expected, atol=0.01)


def test_a_shift_by_part_of_a_pixel_is_bilinear():
    mask = random_mask((2, 9, 7)).astype(float)
    i, j = np.meshgrid(np.arange(16) - 3.3, np.arange(16) - 4.6, indexing="ij")
    expected = [map_coordinates(plane, [i, j], order=1, mode="grid-constant") for plane in mask]
    np.testing.assert_allclose(to_patches(mask, Place(-3.3, -4.6, 1, 1), 16), expected, atol=1e-6)


@given(
    first=st.tuples(st.floats(-9, 9), st.floats(-9, 9)),
    steps=st.tuples(st.floats(0.5, 4), st.floats(0.5, 4)),
    rows=st.lists(st.floats(-40, 90), min_size=1, max_size=5),
    columns=st.lists(st.floats(-40, 90), min_size=1, max_size=5),
)
def test_values_at_native_positions_are_bilinear(first, steps, rows, columns):
    patches = np.random.default_rng(1).normal(size=(3, 16, 16))
    rows, columns = np.array(rows), np.array(columns)
    places = np.meshgrid((rows - first[0]) / steps[0], (columns - first[1]) / steps[1], indexing="ij")
    expected = [map_coordinates(plane, places, order=1, mode="grid-constant") for plane in patches]
    np.testing.assert_allclose(from_patches(patches, Place(*first, *steps), rows, columns), expected, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_tensors_give_the_same_as_arrays(dtype):
    patches = torch.rand(2, 16, 16, generator=torch.manual_seed(0)).to(dtype).requires_grad_()
    lines = Place(-2.5, -3, 1.2, 1), np.linspace(0, 11, 30), np.linspace(0, 9, 20)
    values = from_patches(patches, *lines)
    assert isinstance(values, np.ndarray)
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, from_patches(patches.detach().float().numpy(), *lines))


def test_any_layout_of_an_array_will_do():
    mask = random_mask((3, 9, 12))
    place, size = choose_place((9, 12), (0.7, 0.7), 32)
    patches = to_patches(mask[::-1, :, ::-1], place, size)
    np.testing.assert_array_equal(patches, to_patches(mask[::-1, :, ::-1].copy(), place, size))
    lines = np.arange(9), np.arange(12)
    np.testing.assert_array_equal(from_patches(patches[::-1], place, *lines), mask[:, :, ::-1])
    np.testing.assert_array_equal(
        from_patches(np.broadcast_to(patches[:1], patches.shape), place, *lines)[2], mask[2, :, ::-1]
    )


@pytest.mark.parametrize(("largest", "spacing"), [(32, (0.7, 0.7)), (112, (0.7, 1.4)), (48, (2.0, 0.9))])
def test_a_shape_comes_back_from_smaller_pixels(largest, spacing):
    mask = disc(34, (40, 37), (81, 75))
    place, size = choose_place(mask.shape, spacing, largest)
    back = from_patches(to_patches(mask[None], place, size), place, np.arange(81), np.arange(75))[0] >= 0.5
    assert max(place.row_step, place.column_step) > 1.4
    assert 2 * (back & mask).sum() / (back.sum() + mask.sum()) > 0.97
    np.testing.assert_allclose(np.argwhere(back).mean(0), np.argwhere(mask).mean(0), atol=0.3)


@pytest.mark.parametrize("largest", [0, 8, 20, 33])
def test_an_impossible_edge_is_named(largest):
    with pytest.raises(UserError, match=f"is {largest} pixels"):
        choose_place((9, 9), (0.7, 0.7), largest)


def load(dataset, size=32, **changes):
    return load_patches(**{"lesions": dataset.lesions, "slices_file": dataset.slices_file, "size": size, **changes})


def test_patches_hold_the_consensus_at_native_resolution(dataset):
    for number, lesion in enumerate(load(dataset)):
        with h5py.File(dataset.slices_file) as file:
            consensus = file[lesion.lesion_id]["consensus"][:]
        h, w = 9 + number, 12 - number
        assert lesion.size == 24
        assert lesion.patches.shape == (7, 24, 24)
        assert lesion.patches.dtype == np.float32
        assert lesion.pixel_mm == pytest.approx(0.7)
        np.testing.assert_array_equal(from_patches(lesion.patches, lesion.place, np.arange(h), np.arange(w)), consensus)
        assert lesion.patches.sum() == consensus.sum()


def test_lesions_that_do_not_fit_have_larger_pixels(dataset):
    lesion = load(dataset, size=16)[0]
    assert lesion.size == 16
    assert lesion.pixel_mm == pytest.approx(0.7 * 12 / 8)


def test_pixels_are_square_where_those_of_the_scan_are_not(dataset):
    table = dataset.lesions
    table["spacing_y"] = 1.4
    lesion = load(dataset, lesions=table)[0]
    assert lesion.pixel_mm == pytest.approx(1.4)
    assert (lesion.place.row_step, lesion.place.column_step) == (1, 2)
    with h5py.File(dataset.slices_file) as file:
        assert lesion.patches.sum() * 2 == pytest.approx(file["P0-s0-n0"]["consensus"][:].sum())


def test_only_annotated_slices_are_read(dataset):
    with h5py.File(dataset.slices_file, "r+") as file:
        group = file["P1-s0-n0"]
        group["annotated"][:] = [True, False, True, False, True, False, True]
    everything = load(dataset)[1]
    assert everything.z_mm.tolist() == [0, 5, 10, 15]
    assert everything.z_mm.dtype == np.float64
    with h5py.File(dataset.slices_file, "r+") as file:
        file["P1-s0-n0"]["consensus"][1::2] = 1
    assert np.array_equal(load(dataset)[1].patches, everything.patches)
    with h5py.File(dataset.slices_file, "r+") as file:
        file["P1-s0-n0"]["consensus"][2] = 1
    assert not np.array_equal(load(dataset)[1].patches, everything.patches)


def test_slices_that_are_not_annotated_do_not_place_the_patch(dataset):
    with h5py.File(dataset.slices_file, "r+") as file:
        group = file["P1-s0-n0"]
        # The widest slices, in the middle, are the hidden ones.
        group["annotated"][:] = [True, True, False, False, False, True, True]
        kept = group["consensus"][:][[0, 1, 5, 6]]
    lesion = load(dataset)[1]
    rows = np.flatnonzero(kept.any((0, 2)))
    centre = lesion.place.first_row + lesion.place.row_step * (lesion.size - 1) / 2
    assert abs(centre - rows.mean()) <= 0.5
    with h5py.File(dataset.slices_file, "r+") as file:
        for name in ("consensus", "readers"):
            file["P1-s0-n0"][name][..., 2:5, :, :] = 1
    assert load(dataset)[1].place == lesion.place


def test_a_tumour_in_the_box_of_its_organ_is_not_shrunk(tmp_path):
    tumour = np.zeros((5, 230, 150), np.uint8)  # in the box of the organ
    tumour[:, 60:90, 100:130] = 1
    lesions = pd.DataFrame(
        {"lesion_id": ["T"], "patient_id": ["P"], "spacing_z": 2.5, "spacing_y": 0.8, "spacing_x": 0.8}
    )
    with h5py.File(tmp_path / "slices.h5", "w") as file:
        group = file.create_group("T")
        group["consensus"], group["readers"] = tumour, tumour[None]
        group["annotated"], group["z_mm"] = np.ones(5, bool), 2.5 * np.arange(5)
    (lesion,) = load_patches(lesions=lesions, slices_file=tmp_path / "slices.h5", size=64)
    assert lesion.pixel_mm == pytest.approx(0.8)
    back = from_patches(lesion.patches, lesion.place, np.arange(230), np.arange(150))
    np.testing.assert_array_equal(back, tumour)


def test_patches_do_not_depend_on_where_the_lesion_lies(dataset):
    table = dataset.lesions
    table.loc[0, ["i_start", "i_stop"]] = [0, 9]
    moved, before = load(dataset, lesions=table)[0], load(dataset)[0]
    assert moved.place == before.place
    np.testing.assert_array_equal(moved.patches, before.patches)


def test_lesions_come_in_order_and_without_annotation_are_empty(dataset):
    with h5py.File(dataset.slices_file, "r+") as file:
        file["P2-s0-n0"]["annotated"][:] = False
    lesions = load(dataset, lesions=dataset.lesions[::-1])
    assert [lesion.patient_id for lesion in lesions] == ["P0", "P1", "P2", "P3", "P4"]
    assert lesions[2].patches.shape == (0, 24, 24)
    assert len(lesions[2].z_mm) == 0


def test_missing_lesion_is_named(dataset):
    with h5py.File(dataset.slices_file, "r+") as file:
        del file["P3-s0-n0"]
    with pytest.raises(UserError, match="P3-s0-n0"):
        load(dataset)


def nodule_patches(h, w, size) -> tuple[Nodule, LesionPatches]:
    masks = np.pad(random_mask((3, h, w)), ((0, 0), (PAD, PAD), (PAD, PAD)))
    nodule = Nodule("P-n0", "P", masks, masks[None], np.array([0.0, 1, 3]), 0.6)
    return nodule, patches_of(nodule, size)


@given(h=st.integers(1, 104), w=st.integers(1, 104))
def test_masks_of_nodules_come_back_exactly(h, w):
    nodule, patches = nodule_patches(h, w, 112)
    rows, columns = (np.arange(edge + 2 * PAD) for edge in (h, w))
    np.testing.assert_array_equal(from_patches(patches.patches, patches.place, rows, columns), nodule.masks)
    assert patches.pixel_mm == 0.6
    # The margin is not doubled.
    assert patches.size - 8 < max(h, w) + 2 * PAD <= patches.size
    assert min(np.ravel(margins(patches.place, patches.size, nodule.masks.shape[1:]))) >= 0


def test_patches_of_a_nodule_keep_what_it_says():
    nodule, patches = nodule_patches(30, 50, 32)
    assert (patches.lesion_id, patches.patient_id, patches.size) == ("P-n0", "P", 32)
    assert patches.z_mm is nodule.z_mm
    assert patches.pixel_mm == pytest.approx(0.6 * 50 / 24)
    area = patches.patches.sum(dtype=float) * patches.place.row_step * patches.place.column_step
    assert area == pytest.approx(nodule.masks.sum(), rel=1e-5)


@pytest.mark.parametrize("margin_mm", [0, 2, 6])
@pytest.mark.parametrize("lines", [(24, 24), (40, 7), (1, 128)])
@pytest.mark.parametrize("start", [(200, 300), (0, 1), (503, 500)])
def test_patches_on_the_grid_equal_the_block_on_the_grid(dataset, margin_mm, lines, start):
    table = dataset.lesions
    table.loc[0, ["i_start", "j_start", "i_stop", "j_stop"]] = [*start, start[0] + 9, start[1] + 12]
    row, lesion = table.iloc[0], load(dataset, lesions=table)[0]
    with h5py.File(dataset.slices_file) as file:
        consensus = file["P0-s0-n0"]["consensus"][:]
    block = block_of(row, margin_mm)
    mask = paste(consensus, row, block)
    on_grid = from_patches(lesion.patches, lesion.place, *grid_lines(row, block, (16, *lines)))
    # As many planes as slices: the planes are the slices.
    trilinear = resize_image(mask, (len(mask), *lines))[row.k_start - block.start[0] :][:7]
    np.testing.assert_allclose(on_grid, trilinear, atol=1e-5)
    source = torch.from_numpy(mask).float()[None]
    bilinear = interpolate(source, lines, mode="bilinear", align_corners=True)[0]
    np.testing.assert_allclose(on_grid, bilinear[row.k_start - block.start[0] :][:7], atol=1e-5)
