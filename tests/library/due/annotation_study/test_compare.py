"""Scores and paired differences of the annotation study, against an independent computation, and their picture."""

import itertools
import re

import numpy as np
import pandas as pd
import pytest

from explainct.due.annotation_study import figure as figures
from explainct.due.annotation_study.compare import compare_annotations
from explainct.errors import UserError
from explainct.seeds import numpy_generator

OUTLINES, SLICES, METHODS = ("consensus", "single"), ("2", "all"), ("baseline", "due", "due_sdf")
SEEDS = (0, 1, 2)
PATIENTS = {f"{patient}-{end}": patient for patient in "abcdef" for end in ("p", "n01", "n02")}
RUNS = list(itertools.product(OUTLINES, SLICES, METHODS))
REFERENCES = {"method": "due", "slices": "all", "outlines": "consensus"}


def write_run(folder, number):
    """Write the predictions and scores of a run; those of a baseline are the same for every annotation."""
    generator = np.random.default_rng(number)
    lesions = [name for name in PATIENTS if name.endswith("-p")]
    predictions = pd.DataFrame(itertools.product(SEEDS, PATIENTS), columns=["seed", "sample_id"])
    predictions["label"] = predictions["sample_id"].str.endswith("-p").astype(int)
    predictions["predicted"] = generator.integers(0, 2, len(predictions))
    scores = pd.DataFrame(itertools.product(SEEDS, lesions, ["iou", "dice"]), columns=["seed", "sample_id", "metric"])
    scores["value"] = generator.random(len(scores))
    folder.mkdir()
    predictions.to_parquet(folder / "predictions.parquet")
    scores.to_parquet(folder / "lesions.parquet")
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Return the folder of each run."""
    root = tmp_path_factory.mktemp("runs")
    plain = write_run(root / "baseline", 99)
    return [
        plain if run[2] == "baseline" else write_run(root / "-".join(run), number) for number, run in enumerate(RUNS)
    ]


@pytest.fixture(scope="module")
def arguments(folders, tmp_path_factory):
    root = tmp_path_factory.mktemp("tables")
    samples = pd.DataFrame(PATIENTS.items(), columns=["sample_id", "patient_id"])
    samples.to_parquet(root / "samples.parquet")
    filled = list(itertools.product(OUTLINES, SLICES, ["nearest", "interpolated", "signed_distance"]))
    annotations = pd.DataFrame(filled, columns=["outlines", "slices", "annotation"])
    annotations.assign(mean=0.5, low=0.4, high=0.6, lesions=9).to_csv(root / "annotations.csv", index=False)
    arguments = {
        "annotations_file": root / "annotations.csv",
        "samples_file": root / "samples.parquet",
        "predictions_files": [folder / "predictions.parquet" for folder in folders],
        "lesions_files": [folder / "lesions.parquet" for folder in folders],
        "runs": RUNS,
        "references": REFERENCES,
        "cohort": "made-up cohort",
        "seed": 0,
        "scores_file": root / "scores.csv",
        "differences_file": root / "differences.csv",
        "md": root / "tables.md",
    }
    compare_annotations(**arguments)
    return arguments


def by_patient(folder, metric):
    """Return sum and number of a run's values of each patient, seeds averaged."""
    if metric == "iou":
        table = pd.read_parquet(folder / "lesions.parquet").query("metric == 'iou'")
    else:
        table = pd.read_parquet(folder / "predictions.parquet")
        table["value"] = (table["predicted"] == table["label"]).astype(float)
    single = table.groupby("sample_id")["value"].mean()
    grouped = single.groupby(single.index.map(PATIENTS))
    return grouped.sum().to_numpy(), grouped.size().to_numpy()


@pytest.mark.parametrize("metric", ["iou", "accuracy"])
@pytest.mark.parametrize("along", ["method", "slices", "outlines"])
def test_differences_are_paired_over_patients(arguments, folders, metric, along):
    table = pd.read_csv(arguments["differences_file"], dtype={"slices": str})
    rows = table[(table["along"] == along) & (table["metric"] == metric)]
    supervised = [run for run in RUNS if along == "method" or run[2] != "baseline"]
    place = ("outlines", "slices", "method").index(along)
    expected = [run for run in supervised if run[place] != REFERENCES[along]]
    assert sorted(map(tuple, rows[["outlines", "slices", "method"]].to_numpy())) == sorted(expected)
    comparisons = 2 if along == "method" else 1
    draws = numpy_generator(0, "bootstrap").multinomial(6, np.full(6, 1 / 6), size=2000 * comparisons)
    for row in rows.to_dict("records"):
        run = (row["outlines"], row["slices"], row["method"])
        other = tuple(REFERENCES[along] if number == place else value for number, value in enumerate(run))
        (sums, counts), (reference, _) = (by_patient(folders[RUNS.index(each)], metric) for each in (run, other))
        gain = sums - reference
        assert row["difference"] == pytest.approx(gain.sum() / counts.sum(), rel=1e-5, abs=1e-9)
        low, high = np.percentile((draws @ gain) / (draws @ counts), [2.5, 97.5])
        assert [row["low"], row["high"]] == pytest.approx([low, high], rel=1e-4, abs=1e-6)
        assert row["reference"] == REFERENCES[along]
        assert (row["patients"], row["seeds"], row["comparisons"]) == (6, 3, comparisons)


def test_scores_are_means_over_seeds_in_the_order_of_the_runs(arguments, folders):
    table = pd.read_csv(arguments["scores_file"], dtype={"slices": str})
    assert list(dict.fromkeys(map(tuple, table[["outlines", "slices", "method"]].to_numpy()))) == RUNS
    assert set(table["metric"]) == {"iou", "accuracy"}
    for row in table.to_dict("records"):
        run = (row["outlines"], row["slices"], row["method"])
        sums, counts = by_patient(folders[RUNS.index(run)], row["metric"])
        assert row["mean"] == pytest.approx(sums.sum() / counts.sum(), rel=1e-5)
        assert row["low"] <= row["mean"] <= row["high"]
        assert (row["samples"], row["patients"], row["seeds"]) == (counts.sum(), 6, 3)
    plain = table[table["method"] == "baseline"].drop(columns=["outlines", "slices"])
    assert len(plain.drop_duplicates()) == 2


def test_the_page_has_each_score_and_difference(arguments):
    page = arguments["md"].read_text()
    assert "6 test patients of the made-up cohort" in page
    cells = np.array(re.findall(r"([+-]?\d\.\d{3}) \[([+-]?\d\.\d{3}), ([+-]?\d\.\d{3})\]", page), float)
    scores = pd.read_csv(arguments["scores_file"])[["mean", "low", "high"]]
    table = pd.read_csv(arguments["differences_file"]).query("along == 'method'")[["difference", "low", "high"]]
    annotations = pd.read_csv(arguments["annotations_file"])[["mean", "low", "high"]]
    expected = np.concatenate([scores, table, annotations])
    assert len(cells) == len(expected)
    apart = np.abs(cells[:, None] - expected).max(axis=2)  # [C, 1, 3] and [C, 3] to [C, C]
    assert (apart.min(axis=0) < 0.00051).all()
    assert page.count("| 2 ") == page.count("| all ") == 10


def test_one_number_of_slices_is_compared_with_no_other(arguments, folders, tmp_path):
    kept = [number for number, run in enumerate(RUNS) if run[:2] == ("consensus", "2")]
    files = {
        name: [arguments[name][number] for number in kept] for name in ("runs", "predictions_files", "lesions_files")
    }
    out = {name: tmp_path / name for name in ("scores_file", "differences_file", "md")}
    compare_annotations(**{**arguments, **files, **out})
    assert set(pd.read_csv(out["differences_file"])["along"]) == {"method"}


def test_a_reference_that_was_not_trained_is_an_error(arguments, tmp_path):
    out = {name: tmp_path / name for name in ("scores_file", "differences_file", "md")}
    with pytest.raises(UserError, match="expected `gradia`"):
        compare_annotations(**{**arguments, **out, "references": {**REFERENCES, "method": "gradia"}})


def test_the_figure_shows_means_and_intervals_over_slices(arguments, monkeypatch, tmp_path):
    drawn = []
    monkeypatch.setattr(figures, "save_figure", lambda figure, *paths: drawn.append(figure))
    figures.annotation_figure(
        scores_file=arguments["scores_file"], cohort="made-up cohort", png=tmp_path / "a", pdf=tmp_path / "b"
    )
    table = pd.read_csv(arguments["scores_file"], dtype={"slices": str})
    panels = drawn[0].axes
    assert len(panels) == 4
    for axes in panels[2:]:
        assert [label.get_text() for label in axes.get_xticklabels()] == list(SLICES)
    for axes, (metric, outlines) in zip(panels, itertools.product(["iou", "accuracy"], OUTLINES), strict=True):
        assert len(axes.containers) == 3
        line, _, (segments,) = next(one for one in axes.containers if one.get_label() == "DUE, signed distance")
        rows = table[(table["metric"] == metric) & (table["outlines"] == outlines) & (table["method"] == "due_sdf")]
        np.testing.assert_allclose(line.get_ydata(orig=False), rows["mean"])
        np.testing.assert_allclose(np.rint(line.get_xdata(orig=False)), [0, 1])
        ends = np.array(segments.get_segments())[:, :, 1]
        np.testing.assert_allclose(ends, rows[["low", "high"]])
