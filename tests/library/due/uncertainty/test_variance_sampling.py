"""Algorithm 1: the variance of draws, which gaps it is sampled for, and the files it goes to."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from lesion_examples import INTERPOLATE, Oracle, untrained_interpolator

from explainct.due.interpolation.diffusion import Interpolator
from explainct.due.interpolation.filling import draw_gaps, pixel_variance
from explainct.due.interpolation.gaps import ABOVE, BELOW, by_size, hold_out_gaps, surroundings
from explainct.due.interpolation.model_file import load_model
from explainct.due.interpolation.slice_patches import load_patches
from explainct.due.interpolation.teaching_lesions import teaching_lesions
from explainct.due.uncertainty import variance_sampling as module
from explainct.due.uncertainty.variance_data import load_gaps
from explainct.due.uncertainty.variance_sampling import PLANES, choose_gaps, sample_gaps, sample_variance
from explainct.due.uncertainty.z_encoding import outline_fields
from explainct.errors import UserError
from explainct.seeds import torch_generator

SETTINGS = {"gaps": 12, "draws": 3, "estimate": "draws"}
SAMPLING = SETTINGS | {"steps": 3, "filling": "direct"}
WAYS = [
    {"estimate": "draws", "filling": "direct"},
    {"estimate": "draws", "filling": "autoregressive"},
    {"estimate": "expectation", "filling": "direct"},
]
TYPES = {
    "context_z": "float32",
    "contexts": "float16",
    "disagreement": "float16",
    "gap": "int64",
    "lesion": "object",
    "mean": "float16",
    "pixel_mm": "float32",
    "shown": "bool",
    "variance": "float16",
    "z": "float32",
}
HALF = 2**-11
"""Largest error of a number in [0, 1] that is rounded to half precision."""


@given(arrays(np.float32, array_shapes(min_dims=2, max_dims=3, max_side=5), elements=st.floats(0, 1, width=32)))
def test_variance_is_that_of_the_population_and_at_most_a_quarter(draws):
    mean, variance, _ = pixel_variance(torch.from_numpy(draws))
    np.testing.assert_allclose(mean, draws.mean(0), atol=1e-6)
    np.testing.assert_allclose(variance, draws.var(0), atol=1e-6)
    assert float(variance.max()) <= 0.25


def test_evenly_split_draws_have_the_largest_variance():
    variance = pixel_variance(torch.tensor([[0.0, 0.3], [1.0, 0.3]])).variance
    assert variance.tolist() == [0.25, 0.0]


def read(out):
    """Return the arrays of a variance file by patch size."""
    with h5py.File(out) as file:
        return {int(size): {name: group[name][:] for name in group} for size, group in file.items()}


def attributes(out):
    with h5py.File(out) as file:
        return dict(file.attrs)


def run(cohort, out, **changes):
    way = {name: changes.pop(name) for name in ("estimate", "filling") if name in changes}
    options = {"seed": 1} | changes
    sample_variance(
        lesions_file=cohort.lesions_file,
        slices_file=cohort.slices_file,
        splits_file=cohort.splits_file,
        samples_file=None,
        taught_by={"annotation_from": "all"},
        model_file=cohort.model_file,
        settings=INTERPOLATE | SETTINGS | way,
        device="cpu",
        threads=1,
        out_file=out,
        **options,
    )
    return read(out)


def patches_of(cohort):
    lesions = teaching_lesions(
        lesions_file=cohort.lesions_file,
        splits_file=cohort.splits_file,
        samples_file=None,
        taught_by={"annotation_from": "all"},
    )
    return load_patches(lesions=lesions, slices_file=cohort.slices_file, size=INTERPOLATE["size"])


def sample(interpolator, gaps, out, **changes):
    options = {"seed": 1} | changes
    settings = SAMPLING | {name: options.pop(name) for name in list(options) if name in SAMPLING}
    sample_gaps(interpolator, gaps, settings=settings, out_file=out, **options)
    return read(out)


def test_the_file_holds_the_chosen_gaps_by_patch_size(cohort, tmp_path):
    content = run(cohort, tmp_path / "0.h5")
    gaps = choose_gaps(patches_of(cohort), count=SETTINGS["gaps"], max_gap=INTERPOLATE["max_gap"], seed=1)
    assert attributes(tmp_path / "0.h5") == {"draws": 3, "seed": 1}
    assert sorted(content) == [24, 32]
    for size, arrays_ in content.items():
        mine = [gap for gap in gaps if gap.size == size]
        assert {name: values.dtype.name for name, values in arrays_.items()} == TYPES
        assert [name.decode() for name in arrays_["lesion"]] == [gap.lesion_id for gap in mine]
        for name in ("contexts", "disagreement", "context_z", "shown", "pixel_mm"):
            expected = np.stack([getattr(gap, name) for gap in mine])
            np.testing.assert_array_equal(arrays_[name], expected.astype(TYPES[name]))
        assert arrays_["contexts"].shape == (len(mine), 4, size, size)
        np.testing.assert_array_equal(np.bincount(arrays_["gap"]), [len(gap.z) for gap in mine])
        assert np.all(np.diff(arrays_["gap"]) >= 0)
        np.testing.assert_array_equal(arrays_["z"], np.concatenate([gap.z for gap in mine]).astype(np.float32))
        assert arrays_["mean"].shape == arrays_["variance"].shape == (len(arrays_["z"]), size, size)
        low, high = (arrays_["context_z"][arrays_["gap"], place] for place in (BELOW, ABOVE))
        assert np.all((low < arrays_["z"]) & (arrays_["z"] < high))
        # One to four annotation steps of 4 mm each, and one target slice in each quarter.
        assert set(high - low) <= {4.0, 8.0, 12.0, 16.0}
        quarter = np.floor(PLANES * (arrays_["z"] - low) / (high - low)).astype(int)
        np.testing.assert_array_equal(quarter, np.tile(np.arange(PLANES), len(mine)))
        assert 0 < arrays_["variance"].max() <= 0.25


def test_training_reads_what_sampling_wrote(cohort, tmp_path):
    content = run(cohort, tmp_path / "0.h5")
    loaded = {part.size: part for part in load_gaps(tmp_path / "0.h5")}
    assert list(loaded) == sorted(content)
    for size, part in loaded.items():
        arrays_ = content[size]
        counts = np.bincount(arrays_["gap"])
        assert part.taken.sum(1).tolist() == counts.tolist()
        for name in ("contexts", "context_z", "shown", "pixel_mm"):
            np.testing.assert_array_equal(getattr(part, name), arrays_[name])
        for row, count in enumerate(counts):
            assert part.taken[row, :count].all()
            for name, padded in (("z", part.target_z), ("mean", part.mean), ("variance", part.variance)):
                np.testing.assert_array_equal(padded[row, :count], arrays_[name][arrays_["gap"] == row])
        assert torch.equal(part.fields, outline_fields(part.contexts))


def test_only_training_patients_take_part(cohort, tmp_path):
    content = run(cohort, tmp_path / "0.h5").values()
    lesions = {name.decode() for arrays_ in content for name in arrays_["lesion"]}
    assert lesions == {f"LIDC-IDRI-{number:04d}-s{number}-n0" for number in (0, 1, 3, 5)}


def test_same_seed_gives_the_same_bytes_and_another_seed_does_not(cohort, tmp_path):
    first, again, other = (tmp_path / f"{name}.h5" for name in ("first", "again", "other"))
    run(cohort, first)
    run(cohort, again)
    run(cohort, other, seed=2)
    assert first.read_bytes() == again.read_bytes()
    assert first.read_bytes() != other.read_bytes()


def places(gaps):
    return [(gap.lesion_id, gap.z.tobytes(), gap.context_z.tobytes()) for gap in gaps]


def test_more_gaps_leave_the_first_ones_as_they_are(cohort):
    patches = patches_of(cohort)
    everything = places(choose_gaps(patches, count=1000, max_gap=4, seed=3))
    # Seven annotated slices: six gaps, three of every second one, two of every third one, one of every fourth one.
    assert len(everything) == len(set(everything)) == 4 * (6 + 3 + 2 + 1)
    for count in (0, 5, 12):
        assert places(choose_gaps(patches, count=count, max_gap=4, seed=3)) == everything[:count]
    assert places(choose_gaps(patches, count=5, max_gap=4, seed=4)) != everything[:5]


def test_no_gap_at_all_is_the_users_to_mend(cohort, tmp_path):
    with h5py.File(cohort.slices_file, "r+") as file:
        for lesion in file.values():
            lesion["annotated"][1:] = False
    with pytest.raises(UserError, match="has two annotated slices"):
        run(cohort, tmp_path / "0.h5")
    assert not (tmp_path / "0.h5").exists()


def test_a_killed_run_leaves_nothing_and_the_next_one_is_whole(cohort, tmp_path, monkeypatch):
    run(cohort, tmp_path / "whole.h5")
    statistics, calls = module.diffuse_gaps, []

    def cut(*arguments):
        calls.append(1)
        if len(calls) > 1:
            raise KeyboardInterrupt
        return statistics(*arguments)

    folder = tmp_path / "shards"
    monkeypatch.setattr(module, "diffuse_gaps", cut)
    with pytest.raises(KeyboardInterrupt):
        run(cohort, folder / "0.h5")
    monkeypatch.undo()
    assert not folder.exists() or not list(folder.iterdir())
    folder.mkdir(exist_ok=True)
    # What a kill while writing leaves.
    (folder / ".part.0.h5").write_bytes((tmp_path / "whole.h5").read_bytes()[:1000])
    run(cohort, folder / "0.h5")
    assert (folder / "0.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()
    assert [path.name for path in folder.iterdir()] == ["0.h5"]


@pytest.mark.parametrize("filling", ["direct", "autoregressive"])
def test_draws_are_those_of_algorithm_1(cohort, tmp_path, filling):
    content = run(cohort, tmp_path / "0.h5", filling=filling)
    gaps = choose_gaps(patches_of(cohort), count=SETTINGS["gaps"], max_gap=INTERPOLATE["max_gap"], seed=1)
    interpolator = load_model(Interpolator, cohort.model_file)
    found = dict.fromkeys(content, 0)
    generator = torch_generator(1, "uncertainty", "variance")
    for block in range(2):
        members = gaps[8 * block : 8 * block + 8]
        for gap, drawn in zip(
            members,
            draw_gaps(interpolator, members, {"draws": 3, "steps": 3, "filling": filling}, generator),
            strict=True,
        ):
            for row in range(len(gap.z)):
                total = sum(drawn[t, row].double() for t in range(3))
                squares = sum((drawn[t, row].double() - total / 3) ** 2 for t in range(3))
                here = found[gap.size]
                np.testing.assert_allclose(content[gap.size]["mean"][here], total / 3, atol=HALF)
                np.testing.assert_allclose(content[gap.size]["variance"][here], squares / 3, atol=HALF)
                found[gap.size] += 1
    assert found == {size: len(arrays_["z"]) for size, arrays_ in content.items()}


def test_the_expectation_needs_no_draws(cohort, tmp_path):
    content = run(cohort, tmp_path / "0.h5", estimate="expectation")
    assert attributes(tmp_path / "0.h5") == {"draws": 0, "seed": 1}
    gaps = choose_gaps(patches_of(cohort), count=SETTINGS["gaps"], max_gap=INTERPOLATE["max_gap"], seed=1)
    interpolator = load_model(Interpolator, cohort.model_file)
    found = dict.fromkeys(content, 0)
    generator = torch_generator(1, "uncertainty", "variance")
    for block in range(2):
        members = gaps[8 * block : 8 * block + 8]
        for size, numbers in by_size(members).items():
            for mean in interpolator.expect(surroundings([members[number] for number in numbers]), generator):
                here = found[size]
                np.testing.assert_allclose(content[size]["mean"][here], mean, atol=HALF)
                np.testing.assert_allclose(content[size]["variance"][here], mean * (1 - mean), atol=HALF)
                found[size] += 1
    assert found == {size: len(arrays_["z"]) for size, arrays_ in content.items()}
    assert all(arrays_["mean"].std() > 0.01 for arrays_ in content.values())


def some_gaps(cohort):
    """Return gaps of one and three slices, of patches of both sizes."""
    patches = patches_of(cohort)
    return [*hold_out_gaps(patches[1:2], 2)[:1], *hold_out_gaps(patches[2:3], 4)]


def test_sampled_variance_tends_to_that_of_the_probability(cohort, tmp_path):
    gaps, oracle = some_gaps(cohort), Oracle(3.0)
    limit = sample(oracle, gaps, tmp_path / "limit.h5", estimate="expectation")
    errors = {}
    for draws in (20, 323):
        sampled = sample(oracle, gaps, tmp_path / f"{draws}.h5", draws=draws)
        assert sorted(sampled) == sorted(limit) == [24, 32]
        names = ("mean", "variance")
        (mean, variance), (p, expected) = (
            [np.concatenate([file[size][name].ravel() for size in sorted(file)]).astype(float) for name in names]
            for file in (sampled, limit)
        )
        assert np.ptp(p) > 0.1
        np.testing.assert_allclose(expected, p * (1 - p), atol=HALF)
        # A share of T draws has the variance p (1 - p) / T, and its own p (1 - p) follows by the derivative.
        spread = np.sqrt(np.mean((1 - 2 * p) ** 2 * expected / draws))
        off = variance - (1 - 1 / draws) * expected
        assert np.sqrt(np.mean(off**2)) == pytest.approx(spread, rel=0.1)
        assert abs(off.mean()) < 4 * spread / np.sqrt(len(p))
        assert np.sqrt(np.mean((mean - p) ** 2)) == pytest.approx(np.sqrt(np.mean(expected / draws)), rel=0.1)
        errors[draws] = np.sqrt(np.mean((variance - expected) ** 2))
    assert errors[323] < errors[20] / 3


@pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(way.values()))
def test_hidden_slices_never_influence_mean_and_variance(cohort, tmp_path, way):
    patches = patches_of(cohort)
    spoilt = []
    for lesion in patches:
        slices = lesion.patches.copy()
        slices[1::2] = 1 - slices[1::2]
        spoilt.append(replace(lesion, patches=slices))
    interpolator = untrained_interpolator()
    before, after = (
        sample(interpolator, hold_out_gaps(lesions, 2), tmp_path / f"{name}.h5", **way)
        for name, lesions in (("before", patches), ("after", spoilt))
    )
    for size, arrays_ in before.items():
        for name, values in arrays_.items():
            np.testing.assert_array_equal(after[size][name], values)
    seen = [replace(lesion, patches=np.roll(lesion.patches, 1, -1)) for lesion in patches]
    other = sample(interpolator, hold_out_gaps(seen, 2), tmp_path / "other.h5", **way)
    assert all(not np.array_equal(other[size]["mean"], before[size]["mean"]) for size in before)
