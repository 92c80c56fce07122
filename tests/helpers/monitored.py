"""Scores of nodules as a classifier would give them, with calibrated and uncalibrated parts that are known."""

import numpy as np
import pandas as pd
from scipy.special import expit

from explainct.data.samples.attributes import ATTRIBUTES
from explainct.data.samples.folds import draw_folds, rotating_fold

MAPS = ("input_x_gradient", "lrp", "grad_cam")


def scored(nodules=240, folds=3, seed=0, distinct=None):
    """Return a table of scores: labels follow true log odds, and logits are those doubled, moved and blurred.

    Args:
        nodules: number of nodules, two a patient.
        folds: number of folds.
        seed: seed of all.
        distinct: from labels [N, K], probabilities [N, K] and a generator to distinctiveness [N, K]; by default noise.
    """
    rng = np.random.default_rng(seed)
    names = list(ATTRIBUTES)
    odds = rng.normal(-0.7, 1.5, (nodules, len(names)))
    label = (rng.random(odds.shape) < expit(odds)).astype(int)
    logit = 2 * odds + 1 + rng.normal(0, 0.3, odds.shape)
    patients = pd.Series([f"p{n // 2:03d}" for n in range(nodules)])
    groups = draw_folds(patients, folds=folds, seed=seed)
    tables = []
    for fold in range(folds):
        for part in ("validation", "test"):
            rows = getattr(rotating_fold(groups, fold), part)
            shape = (len(rows), len(names))
            values = {"label": label[rows], "logit": logit[rows]}
            values |= {name: rng.random(shape) for name in ("tta_deviation", "tta_entropy", "random")}
            values |= {
                f"d_{name}": 10 * (distinct(label[rows], expit(logit[rows]), rng) if distinct else rng.random(shape))
                for name in MAPS
            }
            table = pd.DataFrame({name: array.ravel() for name, array in values.items()})
            table["lesion_id"] = np.repeat([f"n{row}" for row in rows], len(names))
            table["patient_id"] = np.repeat(patients.iloc[rows].to_numpy(), len(names))
            tables.append(table.assign(attribute=names * len(rows), fold=fold, part=part))
    return pd.concat(tables, ignore_index=True)
