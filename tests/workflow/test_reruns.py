"""Exactly what depends on a change runs again: a table of changes, with the rules that each plans."""

import os
import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from harness import TINY, Project

# The record of the run holds all settings and the hashes of all code; times and the default target follow the results.
RECORD = {"run_record", "default"}
END = RECORD | {"stage_times"}
SCORES = {"evaluate_classifier", "table_1", "figure_5", "compare_methods", "table1_figure"} | END
MAPS = {"explain_classifier", "figure_4", "reliability_figure", "browse_lesions", "method_alarms"} | SCORES
TRAINING = {"train_classifier", "plot_progress"} | MAPS
WEIGHTS = {"map_weights", "fill_browsed", "list_shards", "filled_gap_figure"} | TRAINING
PREDICTOR = {"train_uncertainty", "evaluate_filling"} | WEIGHTS
VARIANCE = {"sample_variance", "count_taught"} | PREDICTOR
INTERPOLATOR = {"train_interpolator"} | VARIANCE
SAMPLES = {"list_samples", "cohort_flow", "extract_crops", "probe_confounders", "count_taught"} | WEIGHTS
SPLITS = {"split_patients"} | SAMPLES | INTERPOLATOR
LESIONS = {"extract_annotations"} | SPLITS
SERIES = {"index_series"} | LESIONS

SETTINGS: dict[str, tuple[dict[str, dict[str, Any]], set[str]]] = {
    "window": ({"samples": {"window": [-1000, 200]}}, TRAINING),
    "grid": ({"samples": {"grid": [16, 32, 16]}}, WEIGHTS),
    "margin": ({"samples": {"margin_mm": 3}}, {"make_demo_cohort"} | SERIES),
    "negatives": ({"samples": {"negatives_per_lesion": 2}}, SAMPLES),
    "outlines that set training samples": ({"samples": {"training_outlines": "all"}}, SAMPLES),
    "share of training patients": ({"samples": {"train": 0.5}}, SPLITS),
    "scans per shard": ({"samples": {"scans_per_shard": 4}}, SAMPLES),
    "consensus": ({"annotate": {"consensus": 0.75}}, LESIONS),
    "keep_every": ({"annotate": {"keep_every": 3}}, LESIONS),
    "who teaches the interpolator": ({"interpolate": {"annotation_from": "training"}}, INTERPOLATOR),
    "epochs of the interpolator": ({"interpolate": {"epochs": 3}}, INTERPOLATOR),
    "steps of a draw": ({"interpolate": {"steps": 6}}, RECORD),
    "what fills gaps": ({"uncertainty": {"filled_by": "diffusion"}}, {"evaluate_filling"} | WEIGHTS),
    "epochs of the predictor": ({"uncertainty": {"epochs": 3}}, PREDICTOR),
    "mapping": ({"uncertainty": {"mapping": "published"}}, WEIGHTS),
    "a seed more": ({"train": {"seeds": [0, 1, 2]}}, TRAINING | {"count_taught"}),
    "a seed less": ({"train": {"seeds": [0]}}, MAPS | {"plot_progress", "count_taught"}),
    "a lambda of seven digits": ({"train": {"lambda": 1000000}}, TRAINING),
    "a lambda of eight decimals": ({"train": {"lambda": 0.12345678}}, TRAINING),
    "a method more": (
        {"train": {"methods": ["due", "res_l", "baseline"]}},
        {"train_all_seeds", "plot_progress"} | MAPS,
    ),
    "two values swapped in one section": ({"train": {"epochs": 2, "batch_size": 3}}, TRAINING),
    "two values swapped between sections": (
        {"uncertainty": {"latent": 8, "gaps": 4}},
        VARIANCE,
    ),
    "threshold": ({"evaluate": {"threshold": 0.6}}, SCORES | {"figure_4"}),
    "the study": ({"study": {"check_gaps": 7}}, RECORD),
    "the annotation study": ({"annotation_study": {"slices": [2]}}, RECORD),
    "the monitoring study": ({"monitoring": {"epochs": 3}}, RECORD),
    "the confidence study": ({"confidence": {"neighbours": 3}}, RECORD),
    "the share of alarms": ({"monitoring": {"abstain": 0.3}}, MAPS),
    "the counterfactual study": ({"counterfactual": {"epochs": 4}}, RECORD),
    "a partition": ({"cluster": {"gpu_partition": "big"}}, RECORD),
}

LIBRARY = "workflow/explainct"
CODE: dict[str, tuple[str, Callable[[str], str], set[str]]] = {
    "a loss": (f"{LIBRARY}/learning/losses/due.py", lambda text: text + "\nX = 1\n", TRAINING),
    "the progress plot": (
        f"{LIBRARY}/learning/train/progress_plot.py",
        lambda text: text + "\nX = 1\n",
        {"plot_progress"} | END,
    ),
    "the mapping to weights": (
        f"{LIBRARY}/due/uncertainty/variance_to_weight.py",
        lambda text: text + "\nX = 1\n",
        WEIGHTS,
    ),
    "Table 1": (f"{LIBRARY}/due/paper/table1.py", lambda text: text + "\nX = 1\n", {"table_1"} | END),
    "the alarms of methods": (
        f"{LIBRARY}/informer/method_alarms.py",
        lambda text: text + "\nX = 1\n",
        {"method_alarms"} | END,
    ),
    "the log of jobs": (f"{LIBRARY}/runtime/log_file.py", lambda text: text + "\nX = 1\n", set()),
    "a comment": (f"{LIBRARY}/seeds.py", lambda text: text + "\n# A comment.\n", set()),
    "a docstring": (
        f"{LIBRARY}/runtime/files.py",
        lambda text: text.replace('"""Writing files', '"""Another sentence. Writing files', 1),
        set(),
    ),
    "a manifest": (f"{LIBRARY}/data/download/manifests/lidc.csv", lambda text: text.rsplit("\n", 2)[0] + "\n", set()),
}


@pytest.fixture
def edit(finished: Project):
    """Change a file of the finished project, and put it back afterwards, with its time, by which Snakemake goes."""
    changed = {}

    def change(name: str, edited: Callable[[str], str]) -> None:
        path = finished.folder / name
        before, _ = changed.setdefault(path, (path.read_text(), path.stat().st_mtime_ns))
        assert edited(before) != before
        path.write_text(edited(before))

    yield change
    for path, (before, time_ns) in changed.items():
        path.write_text(before)
        os.utime(path, ns=(time_ns, time_ns))


def test_nothing_is_planned_after_a_run(finished):
    assert finished.planned() == set()


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_plans_what_depends_on_it(finished, tmp_path, name):
    changes, planned = SETTINGS[name]
    settings = {section: {**TINY.get(section, {}), **values} for section, values in changes.items()}
    file = tmp_path / "changed.yaml"
    file.write_text(yaml.safe_dump(settings))
    assert finished.planned("--configfile", str(file)) == planned


@pytest.mark.parametrize("name", CODE)
def test_an_edit_plans_what_imports_it(finished, edit, name):
    file, edited, planned = CODE[name]
    edit(file, edited)
    assert finished.planned() == (planned | RECORD if planned else planned)


def trained(project: Project, *arguments: str) -> set[str]:
    """Return the trainings that a run would do, as their logs are named."""
    status, output = project.run("-n", *arguments)
    assert status == 0, output
    return set(re.findall(r"log: \S+/train_classifier/(\S+)\.log", output))


def test_an_edit_in_one_loss_trains_its_methods_alone(finished, edit):
    edit(f"{LIBRARY}/learning/losses/due.py", lambda text: text + "\nX = 1\n")
    assert trained(finished) == {"due_n4_lambda1_seed0", "due_n4_lambda1_seed1"}


def test_a_seed_more_trains_that_seed_alone(finished, tmp_path):
    file = tmp_path / "changed.yaml"
    file.write_text(yaml.safe_dump({"train": {**TINY["train"], "seeds": [0, 1, 2]}}))
    assert trained(finished, "--configfile", str(file)) == {"due_n4_lambda1_seed2", "res_l_n4_lambda1_seed2"}
