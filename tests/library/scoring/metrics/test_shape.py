"""Shapes of slices: known drawings, what turning and moving must not change, and what a mean of draws hides."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays
from scipy.ndimage import label

from explainct.errors import UserError
from explainct.scoring.metrics.shape import compare_shapes, shape_statistics

FOUR = None  # scipy's default: pixels that touch at a side


def drawing(text):
    return np.array([[character == "#" for character in row] for row in text.split()])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("... ... ...", (0, 0, 0)),
        ("... .#. ...", (1, 1, 0)),
        ("#.. .#. ..#", (3, 1, 0)),
        ("#.# ... #.#", (4, 4, 0)),
        (".#. #.# .#.", (4, 1, 1)),
        ("### #.# ###", (8, 1, 1)),
        ("### ### ###", (9, 1, 0)),
        ("##### #.#.# #####", (13, 1, 2)),
        ("##### #...# #.#.# #...# #####", (17, 2, 1)),
    ],
)
def test_pieces_and_holes_of_drawings(text, expected):
    assert shape_statistics(drawing(text))[:3] == expected


@given(arrays(bool, (7, 6)))
def test_pieces_and_holes_are_those_that_can_be_counted(mask):
    shape = shape_statistics(mask)
    assert shape.area == np.count_nonzero(mask)
    assert shape.components == label(mask, np.ones((3, 3)))[1]
    assert shape.holes == label(~np.pad(mask, 1), FOUR)[1] - 1


@given(arrays(bool, (6, 8)))
def test_turning_mirroring_and_moving_change_nothing(mask):
    shape = shape_statistics(mask)
    for changed in (mask[::-1], mask.T, np.rot90(mask), np.pad(mask, ((1, 5), (3, 0)))):
        assert shape_statistics(np.ascontiguousarray(changed)) == pytest.approx(shape)


def disc(radius, size=101):
    i, j = np.indices((size, size)) - size // 2
    return i**2 + j**2 <= radius**2


def test_the_outline_of_a_disc_is_its_circumference():
    for radius in (10, 20, 40):
        shape = shape_statistics(disc(radius))
        assert shape.boundary == pytest.approx(2 * np.sqrt(np.pi * shape.area), rel=0.04)
    ring = shape_statistics(disc(40) & ~disc(20))
    parts = shape_statistics(disc(40)).boundary + shape_statistics(disc(20)).boundary
    assert ring.boundary == pytest.approx(parts, rel=0.01)
    assert shape_statistics(np.zeros((4, 4), dtype=bool)).boundary == 0


def test_the_outline_of_a_square_is_nearly_as_long_in_every_orientation():
    i, j = np.indices((121, 121)) - 60
    for angle in np.radians([0, 15, 30, 45]):
        across, along = i * np.cos(angle) - j * np.sin(angle), i * np.sin(angle) + j * np.cos(angle)
        square = (np.abs(across) <= 30) & (np.abs(along) <= 30)
        assert shape_statistics(square).boundary == pytest.approx(4 * 61, rel=0.1)


def test_a_frayed_outline_is_longer():
    smooth = np.pad(np.ones((9, 9), dtype=bool), 2)
    frayed = smooth.copy()
    frayed[2, 2:11:2] = False
    assert shape_statistics(frayed).boundary > shape_statistics(smooth).boundary


def test_draws_that_wander_have_a_mean_that_is_too_small():
    truth = np.zeros((2, 8, 12), dtype=bool)
    truth[:, 2:6, 2:6] = True
    left, right = truth, np.roll(truth, 5, axis=2)
    drawn = np.stack([left, right, np.zeros_like(left)])
    table = compare_shapes([truth], [drawn.mean(0) >= 0.5], [drawn]).set_index("source")
    assert table.index.tolist() == ["truth", "mean", "draws"]
    assert table["n"].tolist() == [2, 2, 6]
    assert table["area"].tolist() == pytest.approx([16, 0, 32 / 3])
    assert table["area_bias"].tolist() == pytest.approx([0, -1, -1 / 3])
    assert table["one_piece"].tolist() == pytest.approx([1, 0, 2 / 3])
    assert table["holes"].tolist() == [0, 0, 0]


def test_nodules_may_differ_in_size_and_their_order_does_not_matter():
    generator = np.random.default_rng(0)
    shapes = [(1, 6, 5), (3, 9, 4)]
    truth = [generator.random(shape) < 0.5 for shape in shapes]
    filled = [generator.random(shape) < 0.6 for shape in shapes]
    table = compare_shapes(truth, filled)
    assert table["source"].tolist() == ["truth", "mean"]
    every = [shape_statistics(mask) for masks in filled for mask in masks]
    for number, name in enumerate(("area", "components", "holes", "boundary")):
        assert table[name].iloc[1] == pytest.approx(np.mean([shape[number] for shape in every]))
    assert table["one_piece"].iloc[1] == np.mean([shape.components == 1 for shape in every])
    turned = compare_shapes(truth[::-1], filled[::-1])
    np.testing.assert_allclose(turned.drop(columns="source"), table.drop(columns="source"))
    same = compare_shapes(truth, truth, [masks[None] for masks in truth]).drop(columns="source")
    assert (same == same.iloc[0]).all(axis=None)


def test_masks_of_other_kinds_are_refused():
    mask = np.ones((2, 4, 4), dtype=bool)
    with pytest.raises(UserError, match="bool"):
        shape_statistics(mask[0].astype(float))
    with pytest.raises(UserError, match="bool"):
        shape_statistics(mask)
    with pytest.raises(UserError, match="same slices of both"):
        compare_shapes([mask], [mask[:1]])
    with pytest.raises(UserError, match="same slices of both"):
        compare_shapes([mask, mask], [mask])
    with pytest.raises(UserError, match="all draws"):
        compare_shapes([mask], [mask], [mask])
    with pytest.raises(UserError, match=r"drawn \[1, 2\] times"):
        compare_shapes([mask, mask], [mask, mask], [mask[None], np.stack([mask, mask])])
    with pytest.raises(UserError, match="hold no pixel"):
        compare_shapes([~mask], [mask])
    with pytest.raises(UserError, match="hold no pixel"):
        compare_shapes([], [])
