"""Figures 4 and 5 and the filled gap: what they choose to show, and that equal data give equal bytes."""

import os
import subprocess
import sys
from pathlib import Path

import h5py
import matplotlib
import numpy as np
import pandas as pd
import pytest
from PIL import Image

import explainct
from explainct.data.samples.shown_lesions import choose_lesions
from explainct.due.paper.figure4 import draw_explanations, middle_plane
from explainct.due.paper.figure5 import figure_5
from explainct.due.paper.filled_gap_figure import filled_gap_figure, find_gaps
from explainct.errors import UserError
from explainct.report.plot_style import RC, save_figure
from explainct.runtime.files import list_shards

COHORT = "semi-synthetic cohort (demo)"


def draw_4(run, folder):
    with matplotlib.rc_context(RC):
        chosen = choose_lesions(run.samples, rows=1)
        figure = draw_explanations(chosen, run.lesions, run.store, run.explanations, threshold=0.5, cohort=COHORT)
        save_figure(figure, folder / "4.png", folder / "4.pdf")
    return (folder / "4.png").read_bytes(), (folder / "4.pdf").read_bytes()


def draw_5(run, folder, metrics=None):
    files = metrics or run.metrics
    paths = {"png": folder / "5.png", "pdf": folder / "5.pdf"}
    figure_5(metrics_files=list(files.values()), methods=list(files), cohort=COHORT, **paths)
    return (folder / "5.png").read_bytes(), (folder / "5.pdf").read_bytes()


def draw_gap(run, folder, weights_file=None):
    filled_gap_figure(
        lesions_file=run.lesions_file,
        samples_file=run.samples_file,
        weights_file=weights_file or run.weights_file,
        cohort=COHORT,
        png=folder / "gap.png",
        pdf=folder / "gap.pdf",
    )
    return (folder / "gap.png").read_bytes(), (folder / "gap.pdf").read_bytes()


@pytest.mark.parametrize("draw", [draw_4, draw_gap])
def test_equal_data_give_equal_bytes(run, tmp_path, draw):
    (tmp_path / "again").mkdir()
    first, second = draw(run, tmp_path), draw(run, tmp_path / "again")
    assert first == second
    assert first[0].startswith(b"\x89PNG")
    assert first[1].startswith(b"%PDF")
    assert b"CreationDate" not in first[1]


def test_bytes_do_not_depend_on_the_process(run, tmp_path):
    code = (
        "import sys; from pathlib import Path; from explainct.due.paper.figure5 import figure_5;"
        "files = [Path(name) for name in sys.argv[1:]];"
        "figure_5(metrics_files=files[:1], methods=['due'], cohort='c', png=files[1], pdf=files[2])"
    )
    here, there = ([tmp_path / f"{place}.{suffix}" for suffix in ("png", "pdf")] for place in ("here", "there"))
    figure_5(metrics_files=[run.metrics["due"]], methods=["due"], cohort="c", png=here[0], pdf=here[1])
    environment = {**os.environ, "PYTHONHASHSEED": "2", "PYTHONPATH": str(Path(explainct.__file__).parents[1])}
    subprocess.run([sys.executable, "-c", code, run.metrics["due"], *there], check=True, env=environment)
    assert [path.read_bytes() for path in here] == [path.read_bytes() for path in there]


def test_pictures_are_not_blank_and_show_the_data(run, tmp_path):
    draw_5(run, tmp_path)
    whole = np.asarray(Image.open(tmp_path / "5.png").convert("RGB"))
    pd.read_parquet(run.metrics["due"]).query("seed == 0").to_parquet(tmp_path / "one_seed.parquet")
    draw_5(run, tmp_path, {"due": tmp_path / "one_seed.parquet"})
    one = np.asarray(Image.open(tmp_path / "5.png").convert("RGB"))
    blue = [0x00, 0x72, 0xB2]
    assert (whole == blue).all(-1).any()
    assert not (one == blue).all(-1).any()


def test_the_first_patient_leads_and_others_are_spread(run):
    chosen = choose_lesions(run.samples, first="LIDC-IDRI-0004", rows=3)
    assert chosen["patient_id"].tolist() == ["LIDC-IDRI-0004", "LIDC-IDRI-0001", "LIDC-IDRI-0008"]
    assert set(chosen["label"]) == {1}
    absent = choose_lesions(run.samples, first="LIDC-IDRI-0003", rows=50)
    assert "LIDC-IDRI-0003" not in set(absent["patient_id"])
    assert len(absent) == 6
    assert absent["sample_id"].is_unique


def test_the_middle_plane_is_annotated():
    truth = np.zeros((8, 4, 4))
    assert middle_plane(truth) == 4
    truth[[1, 5, 6], 2, 2] = 1
    assert middle_plane(truth) == 5


def test_gaps_lie_between_annotated_planes(run):
    gaps = find_gaps(run.weights)
    assert len(gaps) == 4
    assert [gap.planes.tolist() for gap in gaps[:2]] == [[3, 4, 5, 6, 7, 8], [8, 9, 10, 11, 12]]
    with h5py.File(run.weights) as file:
        variance = file[gaps[0].lesion_id]["variance"][3:9].astype(float).sum()
    assert gaps[0].variance == pytest.approx(variance)


def test_no_gap_is_said_in_words(run, tmp_path):
    with h5py.File(tmp_path / "full.h5", "w") as file:
        file["a/annotated"] = np.ones(4, bool)
        file["a/variance"] = np.zeros((4, 3, 3), np.float16)
    list_shards(shard_files=[tmp_path / "full.h5"], shards_file=tmp_path / "shards.csv")
    with pytest.raises(UserError, match="keep_every"):
        draw_gap(run, tmp_path, tmp_path / "shards.csv")
