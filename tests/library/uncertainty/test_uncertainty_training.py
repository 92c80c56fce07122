"""Training of the predictor: reading gaps, augmentation, resuming, and the model file."""

import h5py
import numpy as np
import pytest
import torch

from due.errors import DueError
from due.uncertainty import train as module
from due.uncertainty.data import Gaps, augmented, load_gaps
from due.uncertainty.train import load_predictor, train_uncertainty

SETTINGS = {"latent": 3, "width": 8, "epochs": 3, "batch_size": 4, "learning_rate": 0.01, "beta": 1e-4}


def write(path, lengths, seed=0, size=8):
    generator = np.random.default_rng(seed)
    gaps, slices = len(lengths), sum(lengths)
    with h5py.File(path, "w") as file:
        file["contexts"] = generator.random((gaps, 2, size, size)).astype(np.float16)
        file["gap_mm"] = 4.0 + np.arange(gaps)
        file["pixel_mm"] = np.full(gaps, 0.8)
        file["gap"] = np.repeat(np.arange(gaps), lengths)
        file["t"] = np.concatenate([np.arange(1, n + 1) / (n + 1) for n in lengths]) if gaps else np.zeros(0)
        file["variance"] = (generator.random((slices, size, size)) / 4).astype(np.float16)
    return path


def train(files, out, compute, **changes):
    settings = SETTINGS | changes
    train_uncertainty(
        variance_files=files, settings=settings, seed=5, compute=compute, out=out, resume_from=out.with_suffix(".last")
    )


def test_gaps_of_all_files_are_joined(tmp_path):
    first, empty, last = (write(tmp_path / f"{n}.h5", lengths, n) for n, lengths in enumerate([[1, 3], [], [2]]))
    gaps = load_gaps([last, empty, first])
    assert gaps.taken.sum(1).tolist() == [1, 3, 2]
    torch.testing.assert_close(gaps.target_z, torch.tensor([[2.0, 0, 0], [1.25, 2.5, 3.75], [4 / 3, 8 / 3, 0]]))
    assert gaps.context_z.tolist() == [[0, 4], [0, 5], [0, 4]]
    with h5py.File(last) as file:
        np.testing.assert_array_equal(gaps.variance[2, :2], file["variance"][:].astype(np.float32))
    part = gaps.take(torch.tensor([2, 0]), torch.device("cpu"))
    assert part.variance.shape == (2, 2, 8, 8)
    assert part.taken.tolist() == [[True, True], [True, False]]


def test_no_gap_to_learn_from_is_an_error(tmp_path):
    with pytest.raises(DueError, match="No gap in"):
        load_gaps([write(tmp_path / "0.h5", [])])


def test_augmentation_moves_slices_and_variance_alike():
    frames = torch.rand(200, 2, 4, 4)
    z = torch.tensor([[0.0, 5.0]]).repeat(200, 1)
    gaps = Gaps(frames, z, z / 2, torch.ones(200), frames / 4, torch.ones(200, 2, dtype=torch.bool))
    result = augmented(gaps, torch.Generator().manual_seed(0))
    torch.testing.assert_close(result.variance * 4, result.contexts)
    assert torch.equal(result.target_z * 2, result.context_z)
    assert set(result.context_z[:, 1].tolist()) == {-5.0, 5.0}
    square = torch.arange(16.0).reshape(4, 4)
    turned = augmented(
        Gaps(square.expand(200, 2, 4, 4), z, z, torch.ones(200), square.expand(200, 2, 4, 4), gaps.taken),
        torch.Generator().manual_seed(0),
    )
    orientations = {tuple(frame[0].flatten().tolist()) for frame in turned.contexts}
    assert orientations == {
        tuple(torch.rot90(face, turns).flatten().tolist()) for face in (square, square.T) for turns in range(4)
    }


def test_training_learns_and_is_the_same_each_time(tmp_path, compute, caplog):
    files = [write(tmp_path / "0.h5", [1, 2, 3] * 4)]
    caplog.set_level("INFO")
    for name in ("a", "b"):
        train(files, tmp_path / f"{name}.pt", compute, epochs=8)
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "b.pt").read_bytes()
    assert not (tmp_path / "a.last").exists()
    losses = [
        float(line.split("reconstruction ")[1].split(",")[0]) for line in caplog.messages if "reconstruction" in line
    ]
    assert losses[7] < losses[0]


def test_a_cut_training_goes_on_to_the_same_bytes(tmp_path, compute, monkeypatch):
    files = [write(tmp_path / "0.h5", [1, 2, 3] * 3)]
    train(files, tmp_path / "whole.pt", compute)
    step, calls = module._step, []

    def cut(*arguments):
        calls.append(1)
        if len(calls) > 4:
            raise KeyboardInterrupt
        return step(*arguments)

    monkeypatch.setattr(module, "_step", cut)
    with pytest.raises(KeyboardInterrupt):
        train(files, tmp_path / "cut.pt", compute)
    monkeypatch.undo()
    assert (tmp_path / "cut.last").exists()
    assert not (tmp_path / "cut.pt").exists()
    # The second epoch was cut in its middle; what it had done is forgotten.
    write(tmp_path / "other.h5", [1, 2, 3] * 3, seed=1)
    with pytest.raises(DueError, match="another configuration"):
        train([tmp_path / "other.h5"], tmp_path / "cut.pt", compute)
    train(files, tmp_path / "cut.pt", compute)
    assert (tmp_path / "cut.pt").read_bytes() == (tmp_path / "whole.pt").read_bytes()


def test_another_rooms_model_is_refused(cohort):
    with pytest.raises(DueError, match="does not hold an uncertainty predictor"):
        load_predictor(cohort.model_file, "cpu")


def test_a_loaded_predictor_is_ready(tmp_path, compute):
    train([write(tmp_path / "0.h5", [2, 1])], tmp_path / "model.pt", compute, epochs=1)
    predictor = load_predictor(tmp_path / "model.pt", "cpu")
    assert not predictor.training
    variance = predictor.predict(torch.rand(1, 2, 8, 8), torch.tensor([[0.0, 6]]), torch.tensor([[2.0]]), torch.ones(1))
    assert variance.shape == (1, 1, 8, 8)
    (tmp_path / "model.pt").write_bytes(b"no model")
    with pytest.raises(DueError, match=r"model\.pt is not a readable checkpoint"):
        load_predictor(tmp_path / "model.pt", "cpu")
