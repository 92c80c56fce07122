"""Filling of hidden slices by a learned method: right slices, on the nodule's own pixels, however they are batched."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
import torch
from nodule_examples import disc, nodule

from explainct.due.interpolation.gaps import ABOVE, BELOW, hold_out_gaps
from explainct.due.interpolation.hidden_slices import hold_out, load_nodules
from explainct.due.interpolation.regression import Regression
from explainct.due.interpolation.slice_patches import patches_of
from explainct.due.interpolation.slice_scores import dice
from explainct.due.interpolation_study import learned_methods as learned
from explainct.due.interpolation_study.compare import read_answer
from explainct.due.interpolation_study.learned_methods import GROWING, Filled, fill_hidden, load_filler
from explainct.due.interpolation_study.scores import growing_trend
from explainct.errors import UserError

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def known(small):
    """Real nodules of many sizes; some have too few slices to hide one."""
    return load_nodules(small)[:24]


def fill(nodules, filler, out, *, every=(2, 3), growing=False, size=112):
    fill_hidden(nodules, filler, every=every, growing=growing, size=size, seed=0, device=CPU, out_file=out)
    return out


def oracle(gaps, _):
    """Return the truth, four times drawn."""
    truths = [torch.from_numpy(gap.truth) for gap in gaps]
    return [Filled(truth, torch.zeros_like(truth), torch.stack([truth] * 4)) for truth in truths]


def overlaps(path, every, nodules):
    held = [one for nodule in nodules if (one := hold_out(nodule, every)) is not None]
    with h5py.File(path) as file:
        answer = read_answer(file[str(every)], held)
    return np.concatenate([dice(mean, one.truth) for mean, one in zip(answer.mean, held, strict=True)])


def test_what_is_known_is_written_on_the_nodules_own_pixels(known, tmp_path):
    path = fill(known, oracle, tmp_path / "filled.h5")
    for every in (2, 3):
        scores = overlaps(path, every, known)
        assert len(scores) > 30
        assert (scores == 1).all()
    with h5py.File(path) as file:
        held = hold_out(known[0], 2)
        group = file["2"][known[0].lesion_id]
        np.testing.assert_array_equal(group["draws"][:], np.stack([held.truth] * 4))
        assert not group["variance"][:].any()
        assert set(file) == {"2", "3"}


def test_nodules_larger_than_a_patch_are_filled_in_whole(known, tmp_path):
    large = [one for one in known if max(one.masks.shape[1:]) > 32]
    scores = overlaps(fill(large, oracle, tmp_path / "filled.h5", size=16), 2, large)
    assert scores.mean() > 0.88
    assert np.mean(scores > 0.7) > 0.9
    finer = overlaps(fill(large, oracle, tmp_path / "filled.h5", size=32), 2, large)
    assert finer.mean() > scores.mean()


def test_only_the_first_draws_are_kept(tmp_path):
    one = nodule([disc(5), disc(6), disc(5)])

    def draw(gaps, _):
        moved = torch.stack([torch.from_numpy(gaps[0].truth).roll(number, dims=-1) for number in range(10)])
        return [Filled(moved.mean(0), moved.var(0, correction=0), moved)]

    with h5py.File(fill([one], draw, tmp_path / "filled.h5", every=(2,))) as file:
        draws = file["2"][one.lesion_id]["draws"][:]
    expected = [np.roll(disc(6), number, axis=1) for number in range(8)]
    np.testing.assert_array_equal(draws[:, 0], expected)


def test_how_many_nodules_are_filled_at_once_changes_rounding_only(known, settings, monkeypatch, tmp_path):
    torch.manual_seed(0)
    model = Regression(settings).eval()
    # Weights start at zero in the last layer, which would say the same of all.
    torch.nn.init.normal_(model.network.unet.out[-1].conv.weight, std=0.1)
    by_model = lambda gaps, generator: learned._by_regression(model, gaps, generator)  # noqa: E731
    few = [one for one in known if max(one.masks.shape[1:]) < 30][:9]
    slices = [len(one.masks) for one in few]
    assert min(slices) < 3
    assert max(slices) > 4
    together = fill(few, by_model, tmp_path / "together.h5", growing=True)
    monkeypatch.setattr(learned, "LESIONS_AT_ONCE", 1)
    apart = fill(few, by_model, tmp_path / "apart.h5", growing=True)
    with h5py.File(together) as one, h5py.File(apart) as other:
        for every in ("2", "3"):
            assert list(one[every]) == list(other[every])
            for name, group in one[every].items():
                assert np.ptp(group["mean"][:].astype(float)) > 0.05
                for part in ("mean", "variance"):
                    np.testing.assert_allclose(group[part][:], other[every][name][part][:], atol=2e-3)
        for name in ("slice", "g", "gap_mm", "mean", "variance"):
            np.testing.assert_allclose(one[GROWING][name][:], other[GROWING][name][:], rtol=1e-4)
        assert one[GROWING]["lesion_id"].asstr()[:].tolist() == other[GROWING]["lesion_id"].asstr()[:].tolist()


def test_each_part_has_noise_of_its_own(monkeypatch, tmp_path):
    def noise(gaps, generator):
        return [Filled(torch.rand(gap.truth.shape, generator=generator), torch.zeros(gap.truth.shape)) for gap in gaps]

    monkeypatch.setattr(learned, "LESIONS_AT_ONCE", 1)
    nodules = [nodule([disc(5)] * 3, patient) for patient in "AB"]
    with h5py.File(fill(nodules, noise, tmp_path / "filled.h5", every=(2,))) as file:
        first, second = (file["2"][one.lesion_id]["mean"][:] for one in nodules)
    assert not np.array_equal(first, second)


def test_the_same_slice_is_hidden_in_growing_gaps(tmp_path):
    z_mm = np.array([0.0, 1.0, 2.5, 4.5, 7.0, 10.0, 13.5])
    nodules = [nodule([disc(radius) for radius in (3, 4, 5, 6, 5, 4, 3)], "A", z_mm), nodule([disc(4)] * 2, "B")]
    seen = []

    def remember(gaps, _):
        if gaps[0].truth is None:
            seen.extend(gaps)
        doubt = [gap.context_z[ABOVE] - gap.context_z[BELOW] for gap in gaps]
        one = torch.ones(1, 8, 8)
        return [Filled(one, one * width / 100) for width in doubt]

    with h5py.File(fill(nodules, remember, tmp_path / "filled.h5", every=(7,), growing=True)) as file:
        table = {name: values[:] for name, values in file[GROWING].items()}
        trend, share = growing_trend(file[GROWING])
    expected = [(k, g) for k in range(7) for g in range(1, 5) if k - g >= 0 and k + g < 7]
    assert list(zip(table["slice"], table["g"], strict=True)) == expected
    assert set(table["lesion_id"]) == {b"A-n0"}
    for gap, (k, g), gap_mm in zip(seen, expected, table["gap_mm"], strict=True):
        assert gap_mm == z_mm[k + g] - z_mm[k - g]
        assert gap.z.tolist() == [z_mm[k]]
        kept = [k - 2 * g, k - g, k + g, k + 2 * g]
        assert gap.shown.tolist() == [0 <= number < 7 for number in kept]
        for place, number in enumerate(kept):
            assert gap.context_z[place] == (z_mm[number] if gap.shown[place] else 0)
            assert (gap.contexts[place].sum() > 0) == gap.shown[place]
            if gap.shown[place]:
                assert gap.contexts[place].sum() == nodules[0].masks[number].sum()
    np.testing.assert_array_equal(table["mean"], 64)
    np.testing.assert_allclose(table["variance"], 0.64 * table["gap_mm"], rtol=1e-6)
    assert share == 1
    assert trend.rising.count == 3
    assert trend.means.empty


def test_a_score_that_falls_with_the_gap_is_seen_to_fall(tmp_path):
    one = nodule([disc(5)] * 9)
    with h5py.File(tmp_path / "growing.h5", "w") as file:
        group = file.create_group(GROWING)
        content = {"slice": [4] * 4, "gap_mm": [2.5, 5, 7.5, 10], "mean": [10.0, 20, 30, 40], "variance": [4.0] * 4}
        for name, values in content.items():
            group[name] = values
        group.create_dataset("lesion_id", data=[one.lesion_id] * 4, dtype=h5py.string_dtype())
        trend, share = growing_trend(group)
    assert share == 0
    np.testing.assert_allclose(trend.means["score"], [0.4, 0.2, 4 / 30, 0.1])
    assert trend.means["gap_mm"].tolist() == [2.5, 5, 7.5, 10]


def test_answers_for_other_patients_are_refused(tmp_path):
    ours, theirs = (nodule([disc(5), disc(6), disc(5)], patient) for patient in "AB")
    path = fill([theirs], oracle, tmp_path / "filled.h5", every=(2,))
    with h5py.File(path) as file:
        assert len(read_answer(file["2"], [hold_out(theirs, 2)]).mean) == 1
        with pytest.raises(
            UserError, match=r"lacks 1 nodules, the first A-n0, at d = 2. It was made for other patients"
        ):
            read_answer(file["2"], [hold_out(ours, 2), hold_out(theirs, 2)])


def test_shown_one_reader_the_diffusion_does_not_know_where_readers_differ(trained, known, settings, compute):
    common = {"settings": settings, "latent": "mean", "compute": compute}
    fillers = {
        name: load_filler(name, trained.model("diffusion"), **common) for name in ("diffusion", "diffusion_one_reader")
    }
    gaps = [gap for nodule in known[:4] for gap in hold_out_gaps([patches_of(nodule, 48)], 2)]
    agreed = [replace(gap, disagreement=np.zeros_like(gap.disagreement)) for gap in gaps]

    def means(name, shown):
        return [answer.mean for answer in fillers[name](shown, torch.Generator().manual_seed(0))]

    for one, other in zip(means("diffusion_one_reader", gaps), means("diffusion", agreed), strict=True):
        assert torch.equal(one, other)
    differ = zip(means("diffusion_one_reader", gaps), means("diffusion", gaps), strict=True)
    assert not all(torch.equal(one, other) for one, other in differ)


@pytest.mark.parametrize("method", ["regression", "diffusion", "diffusion_draws", "uncertainty"])
def test_gaps_of_several_sizes_keep_their_order(method, trained, known, settings, compute, tmp_path):
    filler = load_filler(method, trained.model(method), settings=settings, latent="mean", compute=compute)
    pairs = []

    def remember(gaps, generator):
        pairs.extend(zip(gaps, filler(gaps, generator), strict=True))
        return oracle(gaps, generator)

    fill(known[:8], remember, tmp_path / "filled.h5", every=(2,), size=48)
    sizes = [gap.size for gap, _ in pairs]
    assert sizes != sorted(sizes)
    for gap, answer in pairs:
        assert answer.mean.shape == answer.variance.shape == gap.truth.shape
        assert (answer.draws is None) == (method != "diffusion_draws")
        if method in ("regression", "uncertainty"):
            (alone,) = filler([replace(gap, truth=None)], torch.Generator())
            torch.testing.assert_close(alone.mean, answer.mean, atol=1e-4, rtol=0)
            torch.testing.assert_close(alone.variance, answer.variance, atol=1e-4, rtol=0)
