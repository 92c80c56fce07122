"""Explainers on a classifier: every score is there, and those that are known come out."""

import numpy as np
import pandas as pd
import pytest
import torch

from explainct.data.samples.tasks import TASKS
from explainct.errors import UserError
from explainct.learning.networks.resnet import ExplainableResNet
from explainct.runtime.device import choose_compute
from explainct.scoring.evaluate.explainers import RANDOM, agreement, score_explainers

GRID = (8, 32, 32)
SAMPLES = pd.DataFrame(
    [
        {"sample_id": f"L{n}-p", "lesion_id": f"L{n}", "k_start": 0, "k_stop": 8, "i_start": 0, "i_stop": 32}
        | {"j_start": 0, "j_stop": 32, "number": n}
        for n in range(2)
    ]
)
VOXELS = {"spacing_z": 2.0, "spacing_y": 0.7, "spacing_x": 0.7, "scan_z_mm": [2.0 * k for k in range(8)]}
LESIONS = pd.DataFrame([{"lesion_id": f"L{n}", **VOXELS} for n in range(2)])


class Store:
    grid = GRID

    def images(self, samples):
        return np.stack([np.random.default_rng(n).random(GRID, np.float32) for n in samples["number"]])

    def truth(self, samples):
        truth = np.zeros((len(samples), *GRID), np.uint8)
        truth[:, 2:6, 8:20, 8:20] = 1
        return truth


@pytest.mark.parametrize("dims", [2, 3])
def test_every_explainer_has_every_score(dims):
    torch.manual_seed(0)
    names = ["grad_cam_closed", "input_x_gradient"]
    arguments = {
        "samples": SAMPLES,
        "lesions": LESIONS,
        "store": Store(),
        "network": ExplainableResNet(dims=dims, width=1 / 32, max_pool=False).eval(),
        "task": TASKS["lesion"],
        "threshold": 0.5,
        "seed": 0,
        "batch_size": 2,
        "compute": choose_compute("cpu", 1),
    }
    table = score_explainers(**arguments, explainers=names)
    for name in names:
        scores = table[table["explainer"] == name].set_index("metric")
        expected = {"iou", "dice", "pointing", "hausdorff95_mm", "deletion", "insertion", "randomised_conv1"}
        assert expected <= set(scores.index)
        checked = [name for name in scores.index if name.startswith("randomised")]
        assert len(checked) == 6
        assert scores["mean"].drop(["hausdorff95_mm", "surface_distance_mm", *checked]).between(0, 1).all()
        assert (scores.drop(checked)["lesions"] == 2).all()
    assert set(table.loc[table["explainer"] == RANDOM, "metric"]) == {"deletion", "insertion"}
    pd.testing.assert_frame_equal(score_explainers(**arguments, explainers=names), table, check_exact=True)
    with pytest.raises(UserError, match="grad_cam"):
        score_explainers(**arguments, explainers=["tea_leaves"])


def test_the_annotation_itself_agrees_with_itself():
    truth = Store().truth(SAMPLES)[0]
    scores = agreement(truth.astype(np.float32), truth, 3, 0.5, (2.0, 0.7, 0.7))
    assert scores["iou"] == scores["dice"] == scores["precision"] == scores["voxel_average_precision"] == 1
    assert scores["hausdorff95_mm"] == 0
    # On the middle slice alone a plane that is empty elsewhere does not count.
    other = truth.astype(np.float32)
    other[0] = 1
    assert agreement(other, truth, 2, 0.5, (2.0, 0.7, 0.7))["iou"] == 1
    assert agreement(other, truth, 3, 0.5, (2.0, 0.7, 0.7))["iou"] < 1
    assert agreement(other, np.zeros_like(truth), 2, 0.5, (2.0, 0.7, 0.7)) == {}
