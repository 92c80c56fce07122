"""What the network is told of a target slice: the same upside down, nothing of what is hidden, always finite."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from slice_examples import (
    EMPTY,
    PIECES,
    RING,
    SHAPES,
    around_of,
    disc,
    generator,
    reversed_z,
    three_slices,
)

from explainct.due.interpolation.classical import REACH, signed_distance_field
from explainct.due.interpolation.diffusion import Interpolator
from explainct.due.interpolation.orientations import ORIENTATIONS, turned
from explainct.due.interpolation.unet import BRIDGE, PLANES, ConditionalUNet, condition
from explainct.errors import UserError

FLAGS = slice(4, 8)
PATTERNS = list(product([False, True], repeat=4))
SHAPE = st.sampled_from(sorted(SHAPES))
STEP = st.sampled_from([0.5, 1.0, 1.5, 3.0])


@st.composite
def surroundings_of_any_kind(draw):
    shapes = [SHAPES[draw(SHAPE)] for _ in range(4)]
    below, above, inner = draw(STEP), draw(STEP), draw(STEP)
    context_z = [-below, 0, inner, inner + above]
    share = draw(st.sampled_from([0.5, 0.25, 0.3, 0.0, 1.0, -0.5, 2.0]))
    return around_of(shapes, context_z, share * inner, list(draw(st.sampled_from(PATTERNS))))


@given(around=surroundings_of_any_kind())
def test_upside_down_is_the_same(around):
    assert torch.equal(condition(around), condition(reversed_z(around)))


@pytest.mark.parametrize("one", SHAPES)
@pytest.mark.parametrize("other", SHAPES)
def test_half_way_is_the_same_upside_down_for_equal_and_mirrored_slices(one, other):
    a, b = SHAPES[one], SHAPES[other]
    for context_slices in ([a, a, b, b], [a, b, a, b], [a, b, b, a], [b, a, a, a]):
        for context_z in ([-5, -1, 1, 2], [-2, -1, 1, 2]):
            around = around_of(context_slices, context_z, 0)
            assert torch.equal(condition(around), condition(reversed_z(around)))


def test_almost_half_way_is_the_same_upside_down():
    # Around the distance from which on the sides are no longer equally far.
    for above in np.linspace(1.000999, 1.001002, 7):
        for context_slices in ([disc(5), disc(3)], [disc(3), disc(5)], [disc(4), disc(4)]):
            around = around_of([EMPTY, *context_slices, EMPTY], [0, -1, float(above), 0], 0, [False, True, True, False])
            around = replace(around, context_z=around.context_z.double(), z=around.z.double())
            around = replace(around, pixel_mm=around.pixel_mm.double(), fields=around.fields.double())
            assert torch.equal(condition(around), condition(reversed_z(around)))


def test_rounding_does_not_decide_which_side_is_nearer():
    context_slices = [EMPTY, disc(5), disc(3), EMPTY]
    exact, low, high = (
        condition(around_of(context_slices, [0, 1, 3, 0], z, [False, True, True, False])) for z in (2, 1.9999, 2.0001)
    )
    torch.testing.assert_close(low, exact, rtol=0, atol=1e-3)
    torch.testing.assert_close(high, exact, rtol=0, atol=1e-3)


@given(around=surroundings_of_any_kind(), seed=st.integers(0, 9))
def test_what_is_not_shown_changes_nothing(around, seed):
    random = generator(seed)
    hidden = ~around.shown
    garbage = replace(
        around,
        fields=torch.where(
            hidden[..., None, None], 9 * torch.randn(around.fields.shape, generator=random), around.fields
        ),
        context_z=torch.where(hidden, 99 * torch.randn(around.context_z.shape, generator=random), around.context_z),
    )
    assert torch.equal(condition(garbage), condition(around))


@given(around=surroundings_of_any_kind(), shift=st.sampled_from([-1024.0, -0.5, 8.0, 512.0]))
def test_shifting_all_positions_changes_nothing(around, shift):
    around = replace(around, z=(8 * around.z).round() / 8)
    moved = replace(around, context_z=around.context_z + shift, z=around.z + shift)
    assert torch.equal(condition(moved), condition(around))


def test_any_shift_changes_no_more_than_rounding():
    around = three_slices()
    moved = replace(around, context_z=around.context_z - 1234.567, z=around.z - 1234.567)
    torch.testing.assert_close(condition(moved), condition(around), rtol=0, atol=1e-3)


@pytest.mark.parametrize("shown", PATTERNS)
@pytest.mark.parametrize("z", [1.0, 1.7, 2.0, 2.5, 4.0, 0.0, -20.0, 6.0, 99.0])
def test_planes_are_finite_for_every_pattern_and_position(shown, z, interpolator):
    around = around_of([SHAPES["hook"], disc(4), EMPTY, RING], [0, 1, 4, 6], z, list(shown))
    planes = condition(around)
    assert planes.shape == (1, PLANES + BRIDGE, 16, 16)
    assert planes.isfinite().all()
    assert planes[:, :PLANES].abs().max() < 1e4
    assert planes[:, FLAGS, 0, 0].sum() == sum(shown)
    if z == 1.0:
        assert interpolator.network(torch.cat([planes[:, :1], planes], dim=1), torch.ones(1)).isfinite().all()


def test_equal_positions_of_all_slices_are_finite():
    assert condition(around_of([disc(4)] * 4, [2, 2, 2, 2], 2)).isfinite().all()


@pytest.mark.parametrize(
    "context_slices", [[EMPTY] * 4, [disc(5), EMPTY, disc(5), disc(5)], [RING, PIECES, RING, PIECES]]
)
def test_empty_slices_pieces_and_holes_are_finite(context_slices):
    around = around_of(context_slices, [0, 1, 3, 5], 1.5)
    assert condition(around).isfinite().all()
    assert condition(around)[:, :PLANES].abs().max() < 10


def test_the_nearer_side_comes_first():
    context_slices = [disc(radius) for radius in (2, 3, 4, 5)]
    fields = [
        torch.from_numpy(signed_distance_field(place > 0) / REACH).clamp(-1, 1).float() for place in context_slices
    ]
    for z, order in ((1.5, (1, 2, 0, 3)), (2.8, (2, 1, 3, 0))):
        planes = condition(around_of(context_slices, [0, 1, 3, 7], z))[0]
        torch.testing.assert_close(planes[:4], torch.stack([fields[place] for place in order]))
        assert (planes[FLAGS] == 1).all()


def test_numbers_and_blend_are_what_they_say():
    context_slices, pixel_mm = [disc(radius) for radius in (2, 3, 6, 5)], 0.6
    planes = condition(around_of(context_slices, [-3, 1, 5, 6], 2, pixel_mm=pixel_mm))[0]
    t = 1 / 4
    below, above = (np.clip(signed_distance_field(context_slices[place] > 0) / REACH, -1, 1) for place in (1, 2))
    np.testing.assert_allclose(planes[12], (1 - t) * below + t * above, atol=1e-6)
    # Both centroids are in the middle.
    np.testing.assert_allclose(planes[13], planes[12], atol=1e-5)
    expected = [4 * t - 1, np.log(4 / 5), np.log(pixel_mm), np.log(1 / pixel_mm / 4), 5 / 4, 4 / 4]
    np.testing.assert_allclose(planes[14:PLANES, 3, 3], expected, rtol=1e-5, atol=1e-6)
    assert (planes[14:PLANES] == planes[14:PLANES, :1, :1]).all()


@pytest.mark.parametrize(("z", "centre"), [(1.0, (10, 13)), (2.0, (12, 12)), (3.0, (14, 11))])
def test_the_aligned_blend_of_two_discs_is_the_disc_on_the_line_between(z, centre):
    context_slices = [disc(3.2, place, 24) for place in ((8, 14), (8, 14), (16, 10), (16, 10))]
    planes = condition(around_of(context_slices, [0, 0, 4, 0], z, [False, True, True, False]))[0]
    np.testing.assert_array_equal(planes[13] > 0, disc(3.2, centre, 24) > 0)
    assert ((planes[12] > 0).sum() < (planes[13] > 0).sum()).item()


@pytest.mark.parametrize("shown", [(True, False, True, True), (True, True, False, True), (True, False, False, True)])
def test_there_is_no_blend_with_one_side_only(shown):
    planes = condition(around_of([disc(4)] * 4, [0, 1, 3, 4], 1.5, list(shown)))
    assert not planes[:, 12:14].any()


@pytest.mark.parametrize("number", range(ORIENTATIONS))
def test_turned_slices_have_turned_planes(number):
    around = three_slices()
    other = replace(around, **{name: turned(getattr(around, name), number) for name in ("fields", "disagreement")})
    torch.testing.assert_close(condition(other), turned(condition(around), number), rtol=0, atol=1e-5)


def changes():
    around = three_slices()
    yield "nothing", around
    yield "z", replace(around, z=around.z + 0.1)
    yield "pixel", replace(around, pixel_mm=around.pixel_mm * 2)
    for place in range(4):
        fields, context_z, shown = around.fields.clone(), around.context_z.clone(), around.shown.clone()
        fields[:, place] *= -1
        context_z[:, place] += 0.3 * (place - 1.5)
        shown[:, place] = False
        yield f"field {place}", replace(around, fields=fields)
        yield f"position {place}", replace(around, context_z=context_z)
        yield f"flag {place}", replace(around, shown=shown)


def test_every_condition_matters(interpolator, regression):
    planes = {name: condition(around) for name, around in changes()}
    noise = torch.randn(3, 1, 16, 16, generator=generator())
    for model, extra in ((interpolator, [noise]), (regression, [])):
        answers = {name: model.network(torch.cat([*extra, own], dim=1), torch.ones(3)) for name, own in planes.items()}
        assert [name for name in answers if torch.equal(answers[name][0], answers["nothing"][0])] == ["nothing"]


def test_noise_and_its_level_matter(interpolator):
    planes = condition(three_slices())
    noise = torch.randn(3, 1, 16, 16, generator=generator())
    answers = [
        interpolator.network(torch.cat([noisy, planes], dim=1), torch.full((3,), level))
        for noisy, level in ((noise, 1.0), (noise, 0.5), (-noise, 1.0))
    ]
    assert not torch.equal(answers[0], answers[1])
    assert not torch.equal(answers[0], answers[2])


@pytest.mark.parametrize("channels", [(8,), (8, 16), (8, 8, 16)])
@pytest.mark.parametrize("size", [16, 24, 40])
def test_patches_of_every_size_have_logits(channels, size):
    network = ConditionalUNet(channels, noisy=True)
    planes = torch.zeros(2, PLANES + BRIDGE + 1, size, size)
    assert network(planes, torch.tensor([1.0, 0.3])).shape == (2, 1, size, size)


@pytest.mark.parametrize("channels", [[], [12, 16], [8, 8, 8, 8]])
def test_channels_that_do_not_work_are_named(settings, channels):
    with pytest.raises(UserError, match="one to three multiples of 8"):
        Interpolator({**settings, "channels": channels})


def test_memory_is_bounded_by_parts(interpolator, monkeypatch):
    whole = condition(three_slices())
    monkeypatch.setattr("explainct.due.interpolation.unet.PIXELS_AT_ONCE", {"cpu": 4 * 16**2})
    parts = list(interpolator.known_parts(three_slices(), copies=2))
    assert [len(part) for part in parts] == [2, 1]
    assert torch.equal(torch.cat(parts), whole)
    # One slice is computed even where it is too large.
    assert [len(part) for part in interpolator.known_parts(three_slices(), copies=9)] == [1, 1, 1]
