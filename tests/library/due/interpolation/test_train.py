"""Training of the interpolators: reproducible, resumable to the bit, and only on patients who may teach."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from explainct.due.interpolation import train
from explainct.due.interpolation.diffusion import Interpolator
from explainct.due.interpolation.model_file import load_model
from explainct.due.interpolation.regression import Regression
from explainct.due.interpolation.slice_patches import load_patches
from explainct.due.interpolation.train import KINDS, train_interpolator, train_on
from explainct.errors import UserError


@pytest.fixture
def run(dataset, settings, tmp_path):
    def call(name: str, **changes) -> Path:
        arguments = {
            **dataset.paths,
            "samples_file": None,
            "taught_by": {"annotation_from": "all"},
            **{"settings": settings, "seed": 0, "device": "cpu", "threads": 1, "code": "a"},
        }
        out = tmp_path / name / "model.pt"
        train_interpolator(**{**arguments, **changes}, model_file=out)
        return out

    return call


@pytest.fixture
def patches(dataset):
    return load_patches(lesions=dataset.lesions, slices_file=dataset.slices_file, size=32)


@pytest.fixture
def run_kind(patches, settings, compute, tmp_path):

    def call(kind: str, name: str, **changes) -> Path:
        out = tmp_path / name / "model.pt"
        arguments = {"patches": patches, "settings": settings, "seed": 0, "compute": compute, "code": "a"} | changes
        train_on(kind, **arguments, model_file=out)
        return out

    return call


@pytest.mark.parametrize("kind", KINDS)
def test_same_seed_gives_the_same_bytes(run_kind, kind):
    first, same, other = run_kind(kind, "a"), run_kind(kind, "b"), run_kind(kind, "c", seed=1)
    assert first.read_bytes() == same.read_bytes()
    assert first.read_bytes() != other.read_bytes()
    assert not first.with_name("model.last.pt").exists()
    assert isinstance(load_model(KINDS[kind], first), {"diffusion": Interpolator, "regression": Regression}[kind])


def cut_after_first(monkeypatch):
    epoch = train._Training.epoch

    def cut(self, number):
        if number == 1:
            raise KeyboardInterrupt
        return epoch(self, number)

    monkeypatch.setattr(train._Training, "epoch", cut)
    return epoch


@pytest.mark.parametrize("kind", KINDS)
def test_cut_and_resumed_equals_uncut(run_kind, monkeypatch, kind):
    whole = run_kind(kind, "whole")
    epoch = cut_after_first(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        run_kind(kind, "cut")
    kept = whole.parent.parent / "cut" / "model.last.pt"
    assert kept.exists()
    assert not kept.with_name("model.pt").exists()
    done = []
    monkeypatch.setattr(train._Training, "epoch", lambda self, number: done.append(number) or epoch(self, number))
    assert run_kind(kind, "cut").read_bytes() == whole.read_bytes()
    assert done == [1, 2]
    assert not kept.exists()


def test_other_settings_data_or_code_do_not_resume_but_sampling_settings_do(
    run_kind, patches, settings, monkeypatch, tmp_path
):
    cut_after_first(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        run_kind("diffusion", "a")
    kept = tmp_path / "a/model.last.pt"
    cut = kept.read_bytes()
    aside = kept.with_name("model.last.pt.set_aside")
    sampling = {"draws": 7, "steps": 9, "filling": "autoregressive"}
    with pytest.raises(KeyboardInterrupt):
        run_kind("diffusion", "a", settings=settings | sampling)
    assert not aside.exists()
    values = {"channels": [8, 8], "ema": 0.5}
    others = [{"settings": settings | {name: values.get(name, 2 * settings[name])}} for name in train.TRAINED_BY]
    turned = replace(patches[0], patches=patches[0].patches[:, ::-1].copy())
    others += [{"kind": "regression"}, {"seed": 1}, {"code": "b"}, {"patches": [turned, *patches[1:]]}]
    for changes in others:
        kept.write_bytes(cut)
        with pytest.raises(KeyboardInterrupt):
            run_kind(**{"kind": "diffusion", "name": "a", **changes})
        assert aside.read_bytes() == cut
        assert kept.read_bytes() != cut
        aside.unlink()


@pytest.mark.parametrize("kind", KINDS)
def test_the_average_is_saved(run_kind, settings, monkeypatch, kind):
    frozen = load_model(KINDS[kind], run_kind(kind, "frozen", settings={**settings, "ema": 1.0})).state_dict()
    models = []
    build = KINDS[kind]
    monkeypatch.setitem(train.KINDS, kind, lambda settings: models.append(build(settings)) or models[-1])
    latest = load_model(build, run_kind(kind, "latest", settings={**settings, "ema": 0.0})).state_dict()
    assert all(torch.equal(value, latest[name]) for name, value in models[0].state_dict().items())
    assert any(not torch.equal(value, latest[name]) for name, value in frozen.items())
    between = load_model(build, run_kind(kind, "between", settings={**settings, "ema": 0.5})).state_dict()
    assert any(not torch.equal(value, latest[name]) for name, value in between.items())
    # The last weights of both runs are the same: only their average differs.
    assert all(torch.equal(value, models[0].state_dict()[name]) for name, value in models[1].state_dict().items())


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_falls(run_kind, settings, monkeypatch, kind):
    losses = []
    epoch = train._Training.epoch

    def record(self, number):
        result = epoch(self, number)
        losses.append(result["loss"])
        return result

    monkeypatch.setattr(train._Training, "epoch", record)
    run_kind(kind, "a", settings=settings | {"epochs": 4, "steps_per_epoch": 8, "learning_rate": 0.02})
    assert losses[-1] < 0.5 * losses[0]


def test_every_epoch_has_examples_and_noise_of_its_own(run_kind, settings, monkeypatch):
    seen = []

    def loss(self, batch, generator):
        seen.append(
            (batch.target.numpy().tobytes(), batch.around.z.tolist(), torch.rand(9, generator=generator).tolist())
        )
        return sum(weights.sum() for weights in self.parameters())

    monkeypatch.setattr(Interpolator, "loss", loss)
    run_kind("diffusion", "a", settings=settings | {"epochs": 3, "steps_per_epoch": 1, "batch_size": 32})
    for values in zip(*seen, strict=True):
        assert len({str(value) for value in values}) == 3


def test_only_training_patients_and_annotated_slices_teach(run, monkeypatch):
    taught = []

    class Recording(train.Examples):
        def __init__(self, patches, max_gap):
            super().__init__(patches, max_gap)
            taught.extend(lesion.patient_id for lesion in self.lesions)

    monkeypatch.setattr(train, "Examples", Recording)
    run("a")
    assert taught == ["P0", "P1", "P4"]


def test_no_teaching_lesion_is_a_clear_error(run, make_dataset):
    short = make_dataset(slices=2)
    with pytest.raises(UserError, match="three annotated slices"):
        run("a", **short.paths)
