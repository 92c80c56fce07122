"""The benchmark of steps with alignment: its rows, and the search of the later repository."""

import pandas as pd
import torch
from counterfactual_toys import toy_problem

from explainct.benchmarks import alignment

SETTINGS = {"cell": 8, "iterations": 3, "retries": 0, "tolerance": 0.03, "gate": 10.0}
SETTINGS |= {"cg_steps": 2, "cg_tolerance": 0.03, "cg_gate": 10.0, "chunk": 4}


def test_each_case_has_a_row(tmp_path, monkeypatch):
    for name, value in (("REPEATS", 1), ("BATCH", 8), ("FITTED_STEPS", 2), ("PUBLISHED_STEPS", 2)):
        monkeypatch.setattr(alignment, name, value)
    alignment.benchmark_alignment(out_file=tmp_path / "a.csv", settings=SETTINGS, device="cpu", threads=1)
    table = pd.read_csv(tmp_path / "a.csv")
    assert len(table) == 4
    assert (table[["seconds_ours", "seconds_other", "speedup"]] > 0).all().all()
    assert set(table["compared"]) == {"plain step"}


def test_the_published_search_lowers_its_objective():
    problem = toy_problem()
    z = alignment.published_search(problem)
    with torch.no_grad():
        assert (problem.margin(z) > problem.margin(problem.start())).all()
