"""Algorithm 1: the variance of draws, which gaps it is sampled for, and the file it goes to."""

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from lesion_examples import SIZE, LinearInterpolator

from due.errors import DueError
from due.interpolate.filling import as_targets, draw_targets
from due.interpolate.frames import load_frames
from due.interpolate.gaps import Gap
from due.uncertainty import variance as module
from due.uncertainty.variance import choose_gaps, pixel_variance, sample_variance

SETTINGS = {"gaps": 20, "draws": 3}


@given(arrays(np.float32, array_shapes(min_dims=2, max_dims=3, max_side=5), elements=st.floats(0, 1, width=32)))
def test_variance_is_that_of_the_population_and_at_most_a_quarter(draws):
    mean, variance = pixel_variance(torch.from_numpy(draws))
    np.testing.assert_allclose(mean, draws.mean(0), atol=1e-6)
    np.testing.assert_allclose(variance, draws.var(0), atol=1e-6)
    assert float(variance.max()) <= 0.25


def test_evenly_split_draws_have_the_largest_variance():
    _, variance = pixel_variance(torch.tensor([[0.0, 0.3], [1.0, 0.3]]))
    assert variance.tolist() == [0.25, 0.0]


def run(cohort, compute, out, **changes):
    options = {"settings": SETTINGS, "filling": "direct", "seed": 1, "shard": 0, "shards": 1} | changes
    sample_variance(
        lesions_file=cohort.lesions_file,
        slices_file=cohort.slices_file,
        splits_file=cohort.splits_file,
        model_file=cohort.model_file,
        margin_mm=2.0,
        size=SIZE,
        compute=compute,
        out=out,
        **options,
    )
    with h5py.File(out) as file:
        return {name: file[name][:] for name in file} | dict(file.attrs)


def test_file_holds_what_its_contract_says(cohort, compute, tmp_path):
    content = run(cohort, compute, tmp_path / "0.h5")
    gaps, slices = len(content["gap_mm"]), len(content["t"])
    assert 10 < gaps <= SETTINGS["gaps"] < slices + 10
    assert content["contexts"].shape == (gaps, 2, SIZE, SIZE)
    for name in ("mean", "variance", "truth"):
        assert content[name].shape == (slices, SIZE, SIZE)
        assert content[name].dtype == np.float16
    assert (content["draws"], content["seed"]) == (3, 1)
    assert sorted(set(content["gap"])) == list(range(gaps))
    assert np.all((content["t"] > 0) & (content["t"] < 1))
    assert 0 < content["variance"].max() <= 0.25
    # Two, three or four annotation steps of 4 mm each, hiding one to three slices.
    assert set(content["gap_mm"]) <= {8.0, 12.0, 16.0}
    np.testing.assert_array_equal(np.bincount(content["gap"]), content["gap_mm"] / 4 - 1)


def test_only_training_patients_take_part(cohort, compute, tmp_path):
    lesions = {name.decode() for name in run(cohort, compute, tmp_path / "0.h5")["lesion"]}
    assert lesions == {f"LIDC-IDRI-{number:04d}-s{number}-n0" for number in (0, 1, 3, 5)}


def test_same_seed_gives_the_same_bytes_and_another_seed_does_not(cohort, compute, tmp_path):
    first, again, other = (tmp_path / f"{name}.h5" for name in ("first", "again", "other"))
    run(cohort, compute, first)
    run(cohort, compute, again)
    run(cohort, compute, other, seed=2)
    assert first.read_bytes() == again.read_bytes()
    assert first.read_bytes() != other.read_bytes()


@pytest.mark.parametrize("shards", [2, 5])
def test_draws_do_not_depend_on_the_number_of_shards(cohort, compute, tmp_path, monkeypatch, shards):
    monkeypatch.setattr(module, "BLOCK", 6)
    whole = run(cohort, compute, tmp_path / "whole.h5")
    parts = [run(cohort, compute, tmp_path / f"{n}.h5", shard=n, shards=shards) for n in range(shards)]

    def keys(part):
        return {
            (part["lesion"][gap], mean.tobytes(), variance.tobytes(), truth.tobytes())
            for gap, mean, variance, truth in zip(
                part["gap"], part["mean"], part["variance"], part["truth"], strict=True
            )
        }

    together = [keys(part) for part in parts]
    assert set().union(*together) == keys(whole)
    assert sum(len(part["t"]) for part in parts) == len(whole["t"])


def test_a_shard_without_gaps_writes_empty_arrays(cohort, compute, tmp_path):
    content = run(cohort, compute, tmp_path / "9.h5", shard=9, shards=10)
    assert content["contexts"].shape == (0, 2, SIZE, SIZE)
    assert content["variance"].shape == (0, SIZE, SIZE)
    assert len(content["lesion"]) == 0


def test_more_gaps_leave_the_first_ones_as_they_are(cohort):
    frames = load_frames(
        lesions=pd.read_parquet(cohort.lesions_file), slices_file=cohort.slices_file, margin_mm=2.0, size=SIZE
    )
    few, many = choose_gaps(frames, 5, seed=3), choose_gaps(frames, 12, seed=3)
    assert [gap.truth.tobytes() for gap in few] == [gap.truth.tobytes() for gap in many[:5]]
    assert [gap.truth.tobytes() for gap in few] != [gap.truth.tobytes() for gap in choose_gaps(frames, 5, seed=4)]


def test_no_gap_at_all_is_the_users_to_mend(cohort, compute, tmp_path):
    with h5py.File(cohort.slices_file, "r+") as file:
        for lesion in file.values():
            lesion["annotated"][1:] = False
    with pytest.raises(DueError, match="three annotated slices"):
        run(cohort, compute, tmp_path / "0.h5")
    assert not (tmp_path / "0.h5").exists()


@pytest.mark.parametrize("filling", ["direct", "autoregressive"])
def test_both_fillings_keep_slices_with_their_gap(filling):
    values = np.random.default_rng(0).random((3, 2, 4, 4), dtype=np.float32)
    times = [np.array(t, np.float32) for t in ([0.5], [0.25, 0.5, 0.75], [0.4, 0.8])]
    gaps = [
        Gap(f"lesion-{n}", values[n], 6.0, 0.7, t, np.zeros((len(t), 4, 4), np.float32)) for n, t in enumerate(times)
    ]
    targets = as_targets(gaps, torch.device("cpu"))
    # Linear interpolation is the one model for which filling one slice after another changes nothing.
    draws = draw_targets(LinearInterpolator(), targets, draws=2, filling=filling, generator=torch.Generator())
    expected = np.concatenate(
        [(1 - t[:, None, None]) * pair[0] + t[:, None, None] * pair[1] for pair, t in zip(values, times, strict=True)]
    )
    assert draws.shape == (2, 6, 4, 4)
    for draw in draws:
        np.testing.assert_allclose(draw, expected, atol=1e-6)
