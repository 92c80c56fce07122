"""A toy cohort with a classifier that learned it, for the jobs of the confidence study."""

import numpy as np
import pandas as pd
import torch
from torch import nn

from explainct.learning.networks.small_resnet import SmallResNet

GRID = (8, 16, 16)


class Store:
    """Noise in which lesions are a bright cube; labels of every fifth test sample are the other ones."""

    grid = GRID

    def images(self, samples):
        noise = np.stack([np.random.default_rng(n).random(GRID, np.float32) for n in samples["number"]])
        return 0.3 + 0.3 * noise + 0.3 * self._cube(samples["looks"].to_numpy())

    def truth(self, samples):
        return self._cube(samples["label"].to_numpy()).astype(np.uint8)

    def _cube(self, shown):
        cube = np.zeros((len(shown), *GRID), np.float32)
        cube[:, 2:6, 4:12, 4:12] = shown[:, None, None, None]
        return cube


def cohort(patients=14):
    """Return samples of patients, a lesion and two neighbours each, the first four of them for validation."""
    rows = []
    for number in range(patients):
        for part, label in (("p", 1), ("n01", 0), ("n02", 0)):
            count = len(rows)
            split = "validation" if number < 4 else "test"
            looks = 1 - label if split == "test" and count % 5 == 0 else label
            names = {
                "sample_id": f"L{number:02d}-{part}",
                "lesion_id": f"L{number:02d}",
                "patient_id": f"SECRET{number}",
            }
            rows.append(names | {"split": split, "label": label, "looks": looks, "number": count})
    return pd.DataFrame(rows)


def classifier(dims, seed=0):
    """Return a small network that learned what lesions look like."""
    torch.manual_seed(seed)
    samples = cohort()
    images, looks = torch.from_numpy(Store().images(samples))[:, None], torch.tensor(samples["looks"].to_numpy())
    network = SmallResNet(dims=dims, outputs=2, width=0.25).train()
    for module in network.modules():
        if isinstance(module, (nn.BatchNorm2d, nn.BatchNorm3d)):
            module.momentum = 0.5
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(10):
        optimiser.zero_grad()
        nn.functional.cross_entropy(network(images)[0], looks).backward()
        optimiser.step()
    return network.eval()
