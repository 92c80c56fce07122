"""Semi-synthetic lesions on small, known backgrounds."""

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from explainct.data.annotate.lidc_database import Annotation
from explainct.data.demo.phantom import choose_anchor, render_lesion, sample_background

SPACING = (1.0, 0.5, 0.5)
NOWHERE = ((900.0, 900.0, 900.0), (901.0, 901.0, 901.0))


def image(array, spacing=(2.0, 1.0, 1.0), origin=(5.0, -7.0, 30.0)):
    result = sitk.GetImageFromArray(array)
    result.SetSpacing(spacing[::-1])
    result.SetOrigin(origin)
    return result


def reader(texture=5, calcification=6, margin=5):
    return Annotation(0, 0, {"texture": texture, "calcification": calcification, "margin": margin}, ())


def background(noise=20.0):
    generator = np.random.default_rng(0)
    return (generator.normal(0, noise, (20, 60, 60)) - 850).astype(np.float32)


def ball():
    k, i, j = np.indices((20, 60, 60))
    return ((((k - 10) / 5) ** 2 + ((i - 30) / 10) ** 2 + ((j - 30) / 10) ** 2) <= 1).astype(np.uint8)


def render(readers, noise=20.0, seed=0):
    return render_lesion(
        background(noise), ball(), spacing=SPACING, readers=readers, generator=np.random.default_rng(seed)
    )


def core(rendered):
    return rendered[8:13, 26:35, 26:35]


@pytest.mark.parametrize(
    ("readers", "hu"),
    [
        ([reader(5)], 30),
        ([reader(1)], -650),
        ([reader(1), reader(5)], -310),
        ([reader(5, calcification=3)], 280),
        ([reader(5, calcification=3), reader(5)], 155),
    ],
)
def test_intensity_follows_the_readers_ratings(readers, hu):
    assert core(render(readers)).mean() == pytest.approx(hu, abs=5)


def test_noise_is_as_strong_as_that_of_the_background():
    quiet, loud = (core(render([reader()], noise)).std() for noise in (10.0, 40.0))
    assert loud / quiet == pytest.approx(4, rel=0.05)
    assert quiet == pytest.approx(10, rel=0.6)


def test_far_voxels_stay_and_edges_are_partial_volume():
    rendered, mask = render([reader()], noise=1.0), ball()
    np.testing.assert_array_equal(rendered[:, :5], background(1.0)[:, :5])
    np.testing.assert_array_equal(rendered[0], background(1.0)[0])
    assert mask[10, 30, 20] == 1
    assert mask[10, 30, 19] == 0
    assert -840 < rendered[10, 30, 19] < rendered[10, 30, 20] < rendered[10, 30, 22]


def test_a_poorly_defined_margin_is_softer():
    sharp, soft = (render([reader(margin=margin)], noise=1.0) for margin in (5, 1))
    line = (10, 30, slice(15, 26))
    assert np.abs(np.diff(soft[line])).max() < np.abs(np.diff(sharp[line])).max()


def test_lesion_at_the_border_of_the_field_is_drawn():
    mask = np.zeros((20, 60, 60), dtype=np.uint8)
    mask[:3, :4, 56:] = 1
    rendered = render_lesion(
        background(), mask, spacing=SPACING, readers=[reader()], generator=np.random.default_rng(0)
    )
    assert rendered[0, 0, 59] > -100


def test_background_puts_the_anchor_at_the_centre():
    k, i, j = np.indices((12, 30, 40))
    ct = image((100 * k + 10 * i + j).astype(np.int16))
    anchor = ct.TransformIndexToPhysicalPoint((20, 15, 6))
    for mirrored, sign in ((False, 1), (True, -1)):
        grid = sample_background(
            ct, anchor=anchor, shape=(5, 7, 9), centre=(2, 3, 4), spacing=(1.0, 0.5, 0.5), mirrored=mirrored
        )
        assert grid.shape == (5, 7, 9)
        assert grid[2, 3, 4] == pytest.approx(770)
        assert grid[3, 3, 4] == pytest.approx(820)
        assert grid[2, 5, 4] == pytest.approx(780)
        assert grid[2, 3, 6] == pytest.approx(770 + sign)


def test_outside_of_the_ct_is_air():
    ct = image(np.zeros((4, 4, 4), dtype=np.int16))
    grid = sample_background(
        ct, anchor=ct.GetOrigin(), shape=(3, 3, 3), centre=(1, 1, 1), spacing=(2.0, 1.0, 1.0), mirrored=False
    )
    assert grid[1, 1, 1] == 0
    assert grid[0, 1, 1] == grid[1, 1, 0] == -1024


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.floats(2, 12), st.floats(4, 20))
def test_anchor_lies_in_the_lung_away_from_the_real_lesion(seed, block, around):
    array = np.zeros((30, 40, 60), dtype=np.uint8)
    array[5:25, 5:35, 5:25] = 1
    array[5:25, 5:35, 35:55] = 1
    lungs = image(array)
    lesion = tuple(lungs.TransformIndexToPhysicalPoint(index) for index in ((40, 10, 8), (50, 30, 20)))
    sizes = {"block_mm": (block,) * 3, "around_mm": (around,) * 3}
    anchor = choose_anchor(lungs, **sizes, avoid=lesion, generator=np.random.default_rng(seed))
    assert lungs[lungs.TransformPhysicalPointToIndex(anchor)] == 1
    low, high = np.subtract(anchor, around / 2), np.add(anchor, around / 2)
    assert np.any((high <= lesion[0]) | (low >= lesion[1]))
    assert low[2] >= 30 - 1e-6
    assert high[2] <= 30 + 29 * 2 + 1e-6


def test_anchors_vary_with_the_generator():
    array = np.ones((20, 20, 20), dtype=np.uint8)
    draws = {
        choose_anchor(
            image(array),
            block_mm=(2.0, 2.0, 2.0),
            around_mm=(6.0, 6.0, 6.0),
            avoid=NOWHERE,
            generator=np.random.default_rng(seed),
        )
        for seed in range(8)
    }
    assert len(draws) > 5
