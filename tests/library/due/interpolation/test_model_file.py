"""Models on disk: the same answers after loading, and nothing but models is loaded."""

import pickle

import pytest
import torch
from slice_examples import generator, three_slices

from explainct.due.interpolation.diffusion import Interpolator
from explainct.due.interpolation.model_file import load_model, save_model
from explainct.due.interpolation.regression import Regression
from explainct.errors import UserError
from explainct.runtime import checkpoint


def test_a_saved_and_loaded_diffusion_draws_the_same(interpolator, tmp_path):
    save_model(interpolator, tmp_path / "model.pt")
    loaded = load_model(Interpolator, tmp_path / "model.pt")
    assert not loaded.training
    assert loaded.settings == {"channels": [8, 16]}
    one, other = (
        model.sample(three_slices(), draws=3, steps=2, generator=generator()) for model in (interpolator, loaded)
    )
    assert torch.equal(one, other)


def test_a_saved_and_loaded_regression_answers_the_same(regression, tmp_path):
    save_model(regression.train(), tmp_path / "model.pt")
    loaded = load_model(Regression, tmp_path / "model.pt", torch.device("cpu"))
    assert not loaded.training
    assert torch.equal(loaded.expect(three_slices()), regression.eval().expect(three_slices()))


@pytest.mark.parametrize(("saved", "loaded"), [("regression", Interpolator), ("interpolator", Regression)])
def test_the_wrong_kind_of_model_is_refused(request, saved, loaded, tmp_path):
    save_model(request.getfixturevalue(saved), tmp_path / "model.pt")
    with pytest.raises(UserError, match=rf"model\.pt does not hold the weights of a {loaded.__name__}"):
        load_model(loaded, tmp_path / "model.pt")


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"settings": {"channels": [8]}},
        {"settings": {}, "weights": {}},
        {"settings": {"channels": [8, 16]}, "weights": {}},
        {"fingerprint": "a", "parts": {}, "history": []},
    ],
)
def test_another_file_is_refused(tmp_path, content):
    checkpoint.save(content, tmp_path / "model.pt")
    with pytest.raises(UserError, match=r"model\.pt does not hold the weights of a Interpolator of this version"):
        load_model(Interpolator, tmp_path / "model.pt")


def test_another_architecture_is_refused(interpolator, tmp_path):
    content = {"settings": {"channels": [8, 24]}, "weights": interpolator.state_dict()}
    checkpoint.save(content, tmp_path / "model.pt")
    with pytest.raises(UserError, match="run the workflow again"):
        load_model(Interpolator, tmp_path / "model.pt")


@pytest.mark.parametrize("share", [0, 0.5, 0.99])
def test_a_cut_file_is_refused(interpolator, tmp_path, share):
    file = tmp_path / "model.pt"
    save_model(interpolator, file)
    whole = file.read_bytes()
    file.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(UserError, match="not a readable checkpoint"):
        load_model(Interpolator, file)


class Harmful:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return open, (str(self.target), "w")


@pytest.mark.parametrize(
    "write", [torch.save, lambda content, path: path.write_bytes(pickle.dumps(content, protocol=2))]
)
def test_no_code_is_run_from_a_file(tmp_path, write):
    write({"settings": {"channels": [8, 16]}, "weights": Harmful(tmp_path / "ran")}, tmp_path / "model.pt")
    with pytest.raises(UserError, match="not a readable checkpoint"):
        load_model(Interpolator, tmp_path / "model.pt")
    assert not (tmp_path / "ran").exists()
