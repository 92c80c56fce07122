"""The picture of a training's progress."""

import numpy as np
import pandas as pd
from PIL import Image

from explainct.learning.train.progress_plot import draw_progress

HISTORY = pd.DataFrame(
    {
        "epoch": [1, 2, 3, 4],
        "prediction_loss": [0.9, 0.6, 0.5, 0.3],
        "explanation_loss": [0.5, 0.4, 0.3, 0.2],
        "validation_average_precision": [np.nan, 0.6, np.nan, 0.8],
    }
)


def pixels(history, path):
    draw_progress(history, path)
    with Image.open(path) as image:
        return np.asarray(image.convert("L"))


def test_same_history_gives_same_bytes(tmp_path):
    for name in ("one.png", "two.png"):
        draw_progress(HISTORY, tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_each_column_is_seen_in_its_panel(tmp_path):
    picture = pixels(HISTORY, tmp_path / "all.png")
    half = picture.shape[1] // 2
    for column, seen in (
        ("prediction_loss", np.s_[:, :half]),
        ("explanation_loss", np.s_[:, :half]),
        ("validation_average_precision", np.s_[:, half:]),
    ):
        changed = HISTORY.assign(**{column: HISTORY[column] * 0.7})
        other = pixels(changed, tmp_path / "changed.png")
        assert (other[seen] != picture[seen]).any(), column


def test_first_epoch_without_score_or_explanation_is_drawn(tmp_path):
    history = HISTORY.head(1).assign(explanation_loss=np.nan)
    assert pixels(history, tmp_path / "first.png").min() < 128
