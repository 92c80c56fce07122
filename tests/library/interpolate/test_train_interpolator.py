"""Training of the interpolator: reproducible, resumable to the bit, and only on patients who may teach."""

from pathlib import Path

import pytest
import torch

from due.errors import DueError
from due.interpolate import train
from due.interpolate.diffusion import Interpolator, load_interpolator
from due.interpolate.train import train_interpolator


@pytest.fixture
def run(dataset, settings, compute, tmp_path):
    def call(name: str, **changes) -> Path:
        arguments = {**dataset.paths, "margin_mm": 2.0, "settings": settings, "seed": 0, "compute": compute}
        out = tmp_path / name / "model.pt"
        train_interpolator(**{**arguments, **changes}, out=out, resume_from=out.with_name("last.pt"))
        return out

    return call


def test_same_seed_gives_the_same_bytes(run):
    first, same, other = run("a"), run("b"), run("c", seed=1)
    assert first.read_bytes() == same.read_bytes()
    assert first.read_bytes() != other.read_bytes()
    assert not first.with_name("last.pt").exists()


def test_cut_and_resumed_equals_uncut(run, monkeypatch):
    whole = run("whole")
    epoch = train._Training.epoch

    def cut(self, number):
        if number == 1:
            raise KeyboardInterrupt
        return epoch(self, number)

    monkeypatch.setattr(train._Training, "epoch", cut)
    with pytest.raises(KeyboardInterrupt):
        run("cut")
    kept = whole.parent.parent / "cut" / "last.pt"
    assert kept.exists()
    assert not kept.with_name("model.pt").exists()
    done = []
    monkeypatch.setattr(train._Training, "epoch", lambda self, number: done.append(number) or epoch(self, number))
    assert run("cut").read_bytes() == whole.read_bytes()
    assert done == [1, 2]


def test_other_settings_do_not_resume_but_sampling_settings_do(run, settings, monkeypatch):
    monkeypatch.setattr(train, "save_interpolator", lambda *_: None)
    monkeypatch.setattr(Path, "unlink", lambda *_, **__: None)
    run("a")
    run("a", settings={**settings, "draws": 7, "filling": "autoregressive"})
    with pytest.raises(DueError, match="another configuration"):
        run("a", settings={**settings, "max_gap": 3})


def test_the_average_is_saved(run, settings, monkeypatch):
    frozen = run("frozen", settings={**settings, "ema": 1.0})
    torch.manual_seed(train.derived_seed(0, "interpolate", "weights"))
    models = []
    monkeypatch.setattr(train, "Interpolator", lambda settings: models.append(Interpolator(settings)) or models[0])
    latest = run("latest", settings={**settings, "ema": 0.0})
    weights = load_interpolator(latest).state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in models[0].state_dict().items())
    start = load_interpolator(frozen).state_dict()
    assert any(not torch.equal(value, weights[name]) for name, value in start.items())


def test_only_training_patients_and_annotated_slices_teach(run, dataset, monkeypatch):
    taught = []

    class Recording(train.GapDataset):
        def __init__(self, frames, max_gap):
            super().__init__(frames, max_gap)
            taught.extend(lesion.patient_id for lesion in self.lesions)

    monkeypatch.setattr(train, "GapDataset", Recording)
    run("a")
    assert taught == ["P0", "P1", "P4"]


def test_no_teaching_lesion_is_a_clear_error(run, make_dataset):
    short = make_dataset(slices=2)
    with pytest.raises(DueError, match="three annotated slices"):
        run("a", **short.paths)
