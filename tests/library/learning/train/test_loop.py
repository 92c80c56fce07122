"""The shared training loop: seeds, history, and going on after a cut."""

import pandas as pd
import pytest
import torch

from explainct.learning.train.loop import fit


class Walk:
    """A training whose state depends on everything before: a random walk, cut where asked."""

    def __init__(self, cut_before=None):
        self.position, self.cut_before, self.run = torch.zeros(()), cut_before, []

    def state_dict(self):
        return {"position": self.position}

    def load_state_dict(self, state):
        self.position = state["position"]

    def epoch(self, number):
        if number == self.cut_before:
            raise KeyboardInterrupt
        self.run.append(number)
        self.position = self.position * 0.9 + torch.randn(())
        return {"position": self.position}


def walk(folder, training, **changes):
    options = {"epochs": 4, "seed": 3, "settings": {"rate": 1.0}} | changes
    return fit(parts={"walk": training}, run_epoch=training.epoch, resume_from=folder / "last.pt", **options)


def test_history_has_one_row_an_epoch_and_each_is_reported(tmp_path, caplog):
    caplog.set_level("INFO")
    seen = []
    history = walk(tmp_path, Walk(), after_epoch=lambda table: seen.append(len(table)))
    assert list(history.columns) == ["epoch", "position"]
    assert list(history.epoch) == seen == [1, 2, 3, 4]
    assert history.position.nunique() == 4
    assert sum("epoch 2/4" in line for line in caplog.messages) == 1


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_a_cut_training_goes_on_as_if_it_had_not_been_cut(tmp_path, cut):
    whole = Walk()
    expected = walk(tmp_path / "whole", whole)
    with pytest.raises(KeyboardInterrupt):
        walk(tmp_path / "cut", Walk(cut_before=cut))
    torch.manual_seed(99)
    resumed = Walk()
    history = walk(tmp_path / "cut", resumed)
    assert resumed.run == list(range(cut, 4))
    assert torch.equal(resumed.position, whole.position)
    pd.testing.assert_frame_equal(history, expected, check_exact=True)


def test_a_finished_training_repeats_nothing(tmp_path):
    first = walk(tmp_path, Walk())
    again = Walk()
    pd.testing.assert_frame_equal(walk(tmp_path, again), first)
    assert again.run == []


@pytest.mark.parametrize("change", [{"seed": 4}, {"settings": {"rate": 2.0}}])
def test_a_checkpoint_of_another_run_is_set_aside_and_the_training_starts_anew(tmp_path, change):
    walk(tmp_path, Walk(), epochs=1)
    training = Walk()
    walk(tmp_path, training, **change)
    assert training.run == [0, 1, 2, 3]
    assert (tmp_path / "last.pt.set_aside").exists()


def test_seeds_differ(tmp_path):
    one, two = (walk(tmp_path / str(seed), Walk(), seed=seed) for seed in (1, 2))
    assert (one.position != two.position).all()
