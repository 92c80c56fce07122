"""ITK's morphological contour interpolation: what it is known to reach, its habits, and the study without it."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import binary_dilation, binary_erosion

from explainct.due.interpolation.hidden_slices import hold_out
from explainct.due.interpolation.slice_scores import dice
from explainct.due.interpolation_study import classical_methods as peers
from explainct.due.interpolation_study.classical_methods import (
    VALUES,
    available_values,
    morphological,
    morphological_filled,
    nearest,
)

NAMES = {"morphological": morphological, "morphological_filled": morphological_filled}

needs_itk = pytest.mark.skipif(
    find_spec("itk") is None, reason="ITK is not installed; `pip install --group itk` in .venv adds it"
)


def disc(radius, column=20, size=40):
    i, j = np.indices((size, size))
    return (i - 20) ** 2 + (j - column) ** 2 <= radius**2


def between(low, high, gap):
    """Fill in the slices between two that lie `gap` apart."""
    return morphological(np.stack([low, high]), np.array([0.0, gap]), np.arange(1.0, gap))


def test_without_itk_its_fillers_are_left_out(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "itk", None)
    with caplog.at_level("INFO"):
        assert available_values() == VALUES
    (message,) = caplog.messages
    assert message.startswith("ITK is not installed")
    assert "--group itk" in message


@needs_itk
def test_with_itk_its_fillers_come_after_the_others(caplog):
    before = dict(VALUES)
    with caplog.at_level("INFO"):
        assert list(available_values().items()) == [*before.items(), *NAMES.items()]
    assert before == VALUES
    assert not caplog.messages


# Mean Dice and empty slices over all nodules, measured before by other code on the same protocol.
@needs_itk
@pytest.mark.parametrize(
    ("every", "plain", "filled", "empty"), [(2, 0.812, 0.832, 160), (3, 0.763, 0.798, 256), (4, 0.725, 0.763, 309)]
)
def test_it_reaches_what_is_known_of_it(nodules, every, plain, filled, empty):
    scores, scores_filled, left = [], [], 0
    for nodule in nodules:
        if (held := hold_out(nodule, every)) is None:
            continue
        shown = nodule.masks[held.kept], nodule.z_mm[held.kept], nodule.z_mm[held.hidden]
        slices = morphological(*shown)
        scores.append(dice(slices, held.truth))
        missing = ~slices.any(axis=(1, 2))
        left += missing.sum()
        inner = np.array([binary_erosion(mask).any() for mask in nodule.masks[held.kept]])
        below = np.searchsorted(held.kept, held.hidden) - 1
        np.testing.assert_array_equal(missing, ~(inner[below] & inner[below + 1]))
        if missing.any():
            copied = morphological_filled(*shown)
            np.testing.assert_array_equal(copied[missing], nearest(*shown)[missing])
            np.testing.assert_array_equal(copied[~missing], slices[~missing])
            slices = copied
        scores_filled.append(dice(slices, held.truth))
    assert np.concatenate(scores).mean() == pytest.approx(plain, abs=0.001)
    assert np.concatenate(scores_filled).mean() == pytest.approx(filled, abs=0.001)
    assert left == empty


@needs_itk
@given(seeds=arrays(bool, (9, 9)).filter(np.any))
def test_equal_slices_are_filled_with_that_slice(seeds):
    mask = binary_dilation(np.pad(seeds, 1), np.ones((3, 3)))
    kept = np.stack([mask] * 3)
    for filler in NAMES.values():
        filled = filler(kept, np.array([0.0, 3.0, 6.0]), np.array([1.0, 2.0, 4.0, 5.0]))
        assert filled.dtype == float
        np.testing.assert_array_equal(filled, np.stack([mask] * 4))


@needs_itk
@pytest.mark.parametrize("gap", [2, 4])
@pytest.mark.parametrize(("low", "high"), [(disc(3), disc(9)), (disc(6, 14), disc(6, 24)), (disc(5, 17), disc(9, 21))])
def test_upside_down_is_the_same_where_halves_are_whole(low, high, gap):
    filled = between(low, high, gap)
    np.testing.assert_array_equal(filled, between(high, low, gap)[::-1])
    assert low.sum() <= filled[gap // 2 - 1].sum() <= high.sum()


@needs_itk
def test_of_two_slices_at_thirds_one_gets_the_shape_half_way():
    half = between(disc(3), disc(9), 2)[0]
    thirds = between(disc(3), disc(9), 3)
    assert [np.array_equal(plane, half) for plane in thirds].count(True) == 1


@needs_itk
@given(masks=arrays(bool, (2, 9, 9)).filter(lambda masks: masks.any(axis=(1, 2)).all()), gap=st.sampled_from([2, 3, 4]))
def test_only_slices_count_not_mm(masks, gap):
    filled = between(*masks, gap)
    assert set(np.unique(filled)) <= {0.0, 1.0}
    stretched = morphological(masks, np.array([-7.0, 5.5]), np.linspace(-7.0, 5.5, gap + 1)[1:-1])
    np.testing.assert_array_equal(filled, stretched)
    order = np.arange(1, gap)[::-1]
    backwards = morphological(masks, np.array([0.0, gap]), order.astype(float))
    np.testing.assert_array_equal(backwards, filled[::-1])


@needs_itk
def test_an_empty_kept_slice_is_filled_in_as_if_it_was_not_kept():
    kept = np.stack([disc(6), disc(0) & False, disc(6)])
    filled = morphological(kept, np.array([0.0, 2.0, 4.0]), np.array([1.0, 3.0]))
    np.testing.assert_array_equal(filled, np.stack([disc(6)] * 2))


@needs_itk
@pytest.mark.parametrize("gap", [2, 3, 4])
@pytest.mark.parametrize("thin", [np.ones((1, 1)), np.ones((2, 6)), np.ones((9, 1))])
def test_beside_a_shape_without_an_inner_pixel_slices_are_empty_and_then_copied(thin, gap):
    low, high = np.zeros((40, 40), bool), disc(8)
    low[20 : 20 + thin.shape[0], 20 : 20 + thin.shape[1]] = True
    assert not between(low, high, gap).any()
    assert not between(high, low, gap).any()
    kept, kept_mm, target_mm = np.stack([low, high, high]), np.array([0.0, 2.5, 5.0]), np.array([1.25, 3.75])
    np.testing.assert_array_equal(morphological(kept, kept_mm, target_mm), [low & False, high])
    np.testing.assert_array_equal(morphological_filled(kept, kept_mm, target_mm), [low, high])


@needs_itk
def test_the_process_ends_well():
    code = (
        "import numpy as np\n"
        "from explainct.due.interpolation_study.classical_methods import morphological\n"
        "kept = np.zeros((5, 20, 20), bool)\n"
        "kept[:, 4:9, 4:9] = kept[1::2, 3:15, 6:12] = True\n"
        "for _ in range(20):\n"
        "    morphological(kept, np.arange(0.0, 20, 4), np.array([1.0, 2, 3, 5, 6, 7, 9, 10, 11, 13, 14, 15]))\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=Path(peers.__file__).parents[3], capture_output=True)
    assert ended.returncode == 0, ended.stderr.decode()
