"""Training of the predictor: reading gaps, augmentation, resuming, and the model file."""

import h5py
import numpy as np
import pytest
import torch

from explainct.due.uncertainty import train as module
from explainct.due.uncertainty.train import load_predictor, train_uncertainty
from explainct.due.uncertainty.variance_data import HIDDEN, Gaps, load_gaps, partly_hidden, turned
from explainct.due.uncertainty.z_encoding import outline_fields
from explainct.errors import UserError
from explainct.runtime.device import Compute

SETTINGS = {"latent": 3, "width": 8, "epochs": 3, "batch_size": 4, "learning_rate": 0.01, "beta": 1e-4}


def write(path, lengths, seed=0, brightest=1.0):
    """Write gaps of the given numbers of hidden slices, by patch size; the outer context slices are partly missing.

    Means are noise between 0 and `brightest`.
    """
    generator = np.random.default_rng(seed)
    with h5py.File(path, "w") as file:
        file.attrs.update(draws=4, seed=seed)
        for size, counts in lengths.items():
            gaps, slices = len(counts), sum(counts)
            shown = np.ones((gaps, 4), bool)
            shown[:, 0] = np.arange(gaps) % 2
            plane = shown[..., None, None]
            mean = brightest * generator.random((slices, size, size))
            below = np.concatenate([np.arange(1, n + 1) for n in counts]) if gaps else np.zeros(0)
            content = {
                "contexts": (plane * generator.integers(0, 2, (gaps, 4, size, size))).astype(np.float16),
                "disagreement": (plane * generator.choice([-0.25, 0, 0.25], (gaps, 4, size, size))).astype(np.float16),
                "context_z": (shown * np.array([-4.0, 0.0, 4.0, 8.0])).astype(np.float32),
                "shown": shown,
                "pixel_mm": np.full(gaps, 0.8, np.float32),
                "gap": np.repeat(np.arange(gaps), counts),
                "z": below.astype(np.float32),
                "mean": mean.astype(np.float16),
                "variance": (mean * (1 - mean) / 2).astype(np.float16),
            }
            for name, values in content.items():
                file[f"{size}/{name}"] = values
            file.create_dataset(f"{size}/lesion", data=["lesion"] * gaps, dtype=h5py.string_dtype())
    return path


def train(variance_file, out, code="a", **changes):
    settings = SETTINGS | changes
    train_uncertainty(
        variance_file=variance_file, settings=settings, seed=5, device="cpu", threads=1, code=code, model_file=out
    )


def test_gaps_are_read_by_patch_size(tmp_path):
    path = write(tmp_path / "variance.h5", {8: [1, 3, 2], 16: [2]})
    small, large = load_gaps(path)
    assert (small.size, large.size) == (8, 16)
    assert small.taken.sum(1).tolist() == [1, 3, 2]
    assert small.target_z.tolist() == [[1, 0, 0], [1, 2, 3], [1, 2, 0]]
    assert small.shown[:, 0].tolist() == [False, True, False]
    assert small.context_z[1].tolist() == [-4, 0, 4, 8]
    with h5py.File(path) as file:
        for name in ("mean", "variance"):
            np.testing.assert_array_equal(getattr(small, name)[2, :2], file[f"8/{name}"][4:].astype(np.float32))
        np.testing.assert_array_equal(small.contexts[2], file["8/contexts"][2] + file["8/disagreement"][2])
    assert torch.equal(small.fields, outline_fields(small.contexts))
    part = small.take(torch.tensor([2, 0]), torch.device("cpu"))
    assert part.variance.shape == part.mean.shape == (2, 2, 8, 8)
    assert part.taken.tolist() == [[True, True], [True, False]]
    assert part.contexts.shape == (2, 4, 8, 8)


def test_no_gap_to_learn_from_is_an_error(tmp_path):
    with pytest.raises(UserError, match="No gap in"):
        load_gaps(write(tmp_path / "variance.h5", {}))


def gaps_of(patch, count=200):
    """Return gaps whose four contexts and two targets are the same patch, each dimmer than the last."""
    dim = 0.5 ** torch.arange(4)[:, None, None]
    contexts = (patch * dim).expand(count, -1, -1, -1)
    z = torch.tensor([-3.0, 0.0, 5.0, 6.0]).expand(count, -1)
    shown = torch.tensor([False, True, True, True]).expand(count, -1)
    targets, taken = patch.expand(count, 2, -1, -1), torch.ones(count, 2, dtype=torch.bool)
    return Gaps(
        contexts,
        z,
        shown,
        torch.tensor([[1.0, 2.0]]).expand(count, -1),
        torch.ones(count),
        targets,
        targets / 4,
        taken,
        contexts,
    )


def test_augmentation_moves_slices_means_variances_and_fields_alike():
    square = torch.arange(1.0, 17).reshape(4, 4) / 16
    result = turned(gaps_of(square), torch.Generator().manual_seed(0))
    torch.testing.assert_close(result.variance * 4, result.mean)
    assert torch.equal(result.fields, result.contexts)
    orientations = {tuple(patches[0].flatten().tolist()) for patches in result.mean}
    assert orientations == {
        tuple(torch.rot90(face, turns).flatten().tolist()) for face in (square, square.T) for turns in range(4)
    }
    for row in range(len(result)):
        mirrored = bool(result.shown[row, 0])
        order = [3, 2, 1, 0] if mirrored else [0, 1, 2, 3]
        sign = -1 if mirrored else 1
        assert (sign * result.context_z[row, order]).tolist() == [-3, 0, 5, 6]
        assert (sign * result.target_z[row]).tolist() == [1, 2]
        assert result.shown[row, order].tolist() == [False, True, True, True]
        for place, dimmer in zip(order, (1, 0.5, 0.25, 0.125), strict=True):
            torch.testing.assert_close(result.contexts[row, place], dimmer * result.mean[row, 0])
    share = result.shown[:, 0].float().mean()
    assert 0.35 < share < 0.65


def test_contexts_are_hidden_in_part_and_never_all():
    shown = torch.ones(20000, 4, dtype=torch.bool)
    shown[10000:, [0, 2, 3]] = False
    left = partly_hidden(shown, torch.Generator().manual_seed(0))
    assert not torch.any(left & ~shown)
    assert left.any(1).all()
    torch.testing.assert_close(1 - left[:10000].float().mean(0), torch.tensor(HIDDEN), atol=0.02, rtol=0)
    assert (left[:10000].sum(1) == 1).any()


def test_batches_have_about_the_same_number_of_pixels(tmp_path, compute):
    gaps = load_gaps(write(tmp_path / "0.h5", {16: [1] * 90, 32: [1] * 30, 64: [1] * 9}))
    training = module._Training(gaps, SETTINGS | {"batch_size": 10}, 0, compute)
    assert training.batch_sizes == [40, 10, 2]
    assert training.steps == 3 + 3 + 5
    batch = training._batch(2, torch.Generator().manual_seed(0))
    assert (len(batch), batch.size) == (2, 64)


def test_training_learns_and_is_the_same_each_time(tmp_path, caplog):
    # All that can be learned of noise is its level: the loss falls from that of 0.5 to that of 0.1.
    path = write(tmp_path / "0.h5", {8: [1, 2, 3] * 4, 16: [1, 2] * 3}, brightest=0.2)
    caplog.set_level("INFO")
    for name in ("a", "b"):
        train(path, tmp_path / f"{name}.pt", epochs=8)
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "b.pt").read_bytes()
    assert not (tmp_path / "a.last.pt").exists()
    losses = [
        float(line.split("reconstruction ")[1].split(",")[0]) for line in caplog.messages if "reconstruction" in line
    ]
    assert losses[7] < 0.8 * losses[0]


def test_a_cut_training_goes_on_to_the_same_bytes(tmp_path, monkeypatch):
    path = write(tmp_path / "0.h5", {8: [1, 2, 3] * 3, 16: [1, 2, 3] * 3})
    # Both sizes fit into two batches an epoch.
    changes = {"batch_size": 64}
    train(path, tmp_path / "whole.pt", **changes)
    step, calls = module._step, []

    def cut(*arguments):
        calls.append(1)
        if len(calls) > 3:
            raise KeyboardInterrupt
        return step(*arguments)

    monkeypatch.setattr(module, "_step", cut)
    with pytest.raises(KeyboardInterrupt):
        train(path, tmp_path / "cut.pt", **changes)
    monkeypatch.undo()
    assert (tmp_path / "cut.last.pt").exists()
    assert not (tmp_path / "cut.pt").exists()
    # The second epoch was cut in its middle; what it had done is forgotten.
    write(tmp_path / "other.h5", {8: [1, 2, 3] * 3, 16: [1, 2, 3] * 3}, seed=1)
    cut, aside = (tmp_path / "cut.last.pt").read_bytes(), tmp_path / "cut.last.pt.set_aside"
    for own, code in ((tmp_path / "other.h5", "a"), (path, "b")):
        train(own, tmp_path / "cut.pt", code=code, **changes)
        assert aside.read_bytes() == cut
        aside.unlink()
        (tmp_path / "cut.last.pt").write_bytes(cut)
    steps = []
    monkeypatch.setattr(module, "_step", lambda *arguments: steps.append(1) or step(*arguments))
    train(path, tmp_path / "cut.pt", **changes)
    assert len(steps) == 4
    assert not aside.exists()
    assert (tmp_path / "cut.pt").read_bytes() == (tmp_path / "whole.pt").read_bytes()


def test_forward_passes_may_be_in_bfloat16(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "choose_compute", lambda *_: Compute(torch.device("cpu"), torch.bfloat16))
    train(write(tmp_path / "0.h5", {8: [2, 1]}), tmp_path / "m.pt")
    weights = load_predictor(tmp_path / "m.pt", "cpu").state_dict().values()
    assert all(torch.isfinite(values).all() for values in weights)


def test_another_stages_model_is_refused(cohort):
    with pytest.raises(UserError, match="does not hold an uncertainty predictor"):
        load_predictor(cohort.model_file, "cpu")


def test_a_loaded_predictor_is_ready(tmp_path):
    train(write(tmp_path / "0.h5", {8: [2, 1]}), tmp_path / "model.pt", epochs=1)
    predictor = load_predictor(tmp_path / "model.pt", "cpu")
    assert not predictor.training
    shown = torch.ones(1, 2, dtype=torch.bool)
    prediction = predictor.predict(
        torch.rand(1, 2, 8, 8), torch.tensor([[0.0, 6]]), shown, torch.tensor([[2.0]]), torch.ones(1)
    )
    assert prediction.mean.shape == prediction.variance.shape == (1, 1, 8, 8)
    (tmp_path / "model.pt").write_bytes(b"no model")
    with pytest.raises(UserError, match=r"model\.pt is not a readable checkpoint"):
        load_predictor(tmp_path / "model.pt", "cpu")
