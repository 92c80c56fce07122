"""Checkpoints: what they accept and what they refuse."""

import pickle
import re

import pytest
import torch

from explainct.errors import UserError
from explainct.runtime import checkpoint


def test_round_trip_keeps_tensors_and_values(tmp_path):
    content = {"a": torch.arange(3), "b": {"c": 1.5, "d": [1, "x"]}}
    checkpoint.save(content, tmp_path / "x.pt")
    loaded = checkpoint.load(tmp_path / "x.pt")
    assert torch.equal(loaded["a"], content["a"])
    assert loaded["b"] == content["b"]


def test_same_content_gives_same_bytes(tmp_path):
    for folder in ("one", "two"):
        checkpoint.save({"a": torch.arange(3)}, tmp_path / folder / "x.pt")
    assert (tmp_path / "one/x.pt").read_bytes() == (tmp_path / "two/x.pt").read_bytes()


def test_fingerprint_depends_on_values_but_not_on_their_order():
    first = checkpoint.fingerprint({"a": 1, "b": (2, 3)})
    assert first == checkpoint.fingerprint({"b": (2, 3), "a": 1})
    assert first != checkpoint.fingerprint({"a": 1, "b": (2, 4)})


def test_a_missing_file_is_no_checkpoint_yet(tmp_path):
    assert checkpoint.load_matching(tmp_path / "last.pt", "f") is None
    with pytest.raises(FileNotFoundError):
        checkpoint.load(tmp_path / "last.pt")


def test_only_the_fingerprint_that_is_expected_is_loaded_and_another_is_set_aside(tmp_path, caplog):
    (tmp_path / "last.pt.set_aside").write_text("an older one")
    checkpoint.save({"fingerprint": "f", "x": 1}, tmp_path / "last.pt")
    assert checkpoint.load_matching(tmp_path / "last.pt", "f")["x"] == 1
    assert checkpoint.load_matching(tmp_path / "last.pt", "g") is None
    assert re.search(r"last.pt was made by other settings, code or data: set aside as last.pt.set_aside", caplog.text)
    assert not (tmp_path / "last.pt").exists()
    assert checkpoint.load(tmp_path / "last.pt.set_aside")["x"] == 1


class Harmful:
    """An object that runs code when unpickled."""

    def __reduce__(self):
        return print, ("harm",)


@pytest.mark.parametrize("kind", ["truncated", "text", "pickle", "object"])
def test_what_is_no_checkpoint_is_refused_in_one_sentence(tmp_path, kind, capsys):
    path = tmp_path / "bad.pt"
    if kind == "truncated":
        checkpoint.save({"a": torch.arange(1000)}, path)
        path.write_bytes(path.read_bytes()[:500])
    elif kind == "text":
        path.write_text("not a checkpoint")
    elif kind == "pickle":
        path.write_bytes(pickle.dumps(Harmful(), protocol=2))
    else:
        torch.save({"a": Harmful()}, path)
    with pytest.raises(UserError, match=r"bad.pt is not a readable checkpoint"):
        checkpoint.load(path)
    assert "harm" not in capsys.readouterr().out
