"""Table 1: its numbers against the files, its marks against the declarations, the published numbers as data."""

import re

import numpy as np
import pandas as pd
import pytest
import yaml

from explainct.due.paper.table1 import ROWS, row_heading, summarise, table_1
from explainct.errors import UserError
from explainct.report.audit.due_table1 import PUBLISHED_FILE, published_for_methods, published_table, published_title
from explainct.scoring.metrics.declarations import METRICS

COHORT = "semi-synthetic cohort (demo)"


@pytest.fixture(scope="module")
def written(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("table")

    def write(**changes):
        arguments = {
            "metrics_files": list(run.metrics.values()),
            "methods": list(run.metrics),
            "dataset": "demo",
            "cohort": COHORT,
            "published_dataset": "lidc",
            "threshold": 0.5,
            "csv": folder / "1.csv",
            "md": folder / "1.md",
            "tex": folder / "1.tex",
            "html": folder / "1.html",
        }
        table_1(**{**arguments, **changes})
        return pd.read_csv(folder / "1.csv"), (folder / "1.md").read_text(), (folder / "1.tex").read_text()

    return write


def test_csv_holds_mean_and_sample_deviation_of_the_seeds(run, written):
    table, _, _ = written()
    assert len(table) == len(run.metrics) * len(ROWS)
    scores = pd.read_parquet(run.metrics["due"])
    picked = scores.query("metric == 'dice' and explained_class == 'predicted' and threshold == 0.5")["value"]
    row = table.query("method == 'due' and metric == 'dice'").iloc[0]
    assert row["mean"] == pytest.approx(picked.mean(), rel=1e-5)
    assert row["std"] == pytest.approx(np.std(picked, ddof=1), rel=1e-5)
    assert row["n_seeds"] == 3
    true = scores.query("metric == 'iou' and explained_class == 'true' and threshold == 0.5")["value"]
    row = table.query("method == 'due' and metric == 'iou_true_class'").iloc[0]
    assert row["mean"] == pytest.approx(true.mean(), rel=1e-5)


def test_published_numbers_are_fractions_beside_metrics_of_the_same_definition(written):
    table, _, _ = written()
    published = table.dropna(subset="published_mean").set_index(["method", "metric"])
    assert published.loc[("due", "iou"), "published_mean"] == pytest.approx(0.3328)
    assert published.loc[("due", "hit_rate"), "published_std"] == pytest.approx(0.0382)
    assert published.loc[("baseline", "pr_auc_trapezoid"), "published_mean"] == pytest.approx(0.8172)
    strict = {"precision", "dice", "average_precision", "iou_true_class"}
    assert not strict & set(published.index.get_level_values("metric"))


def test_a_pancreas_run_shows_the_numbers_of_the_papers_pancreas(written):
    table, markdown, _ = written(published_dataset="pancreas", dataset="pancreas")
    published = table.dropna(subset="published_mean").set_index(["method", "metric"])
    theirs = published_for_methods("pancreas").set_index(["method", "metric"])
    lidc = published_for_methods("lidc").set_index(["method", "metric"])
    for name in (("due", "iou"), ("baseline", "pr_auc_trapezoid")):
        assert published.loc[name, "published_mean"] == pytest.approx(theirs.loc[name, "published_mean"], rel=1e-5)
        assert theirs.loc[name, "published_mean"] != lidc.loc[name, "published_mean"]
    assert f"Table 1 of the DUE paper, on {published_title('pancreas')}: other data" in markdown
    assert "LIDC" not in markdown


def test_bold_marks_the_best_of_each_row(written):
    table, markdown, _ = written()
    for metric in ("iou", "mass_inside", "roc_auc"):
        line = next(line for line in markdown.splitlines() if line.startswith(f"| {row_heading(metric)} "))
        bold = [cell.strip().startswith("**") for cell in line.split("|")[2:-1]]
        means = table[table["metric"] == metric]["mean"].round(3)
        assert bold == (means == means.max()).tolist()


def test_the_page_has_the_cells_of_the_markdown(written, tmp_path):
    _, markdown, _ = written(html=tmp_path / "1.html")
    rows = [line.split("|")[1:-1] for line in markdown.splitlines() if line.startswith("| ")]
    shown = re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", (tmp_path / "1.html").read_text())
    assert [re.sub(r"<[^>]+>|\s", "", cell) for cell in shown] == [
        re.sub(r"[*\s]", "", cell) for row in rows for cell in row
    ]


def test_arrows_come_from_the_declarations(written):
    _, markdown, tex = written()
    assert all(metric.heading in markdown for metric in METRICS.values())
    assert tex.count(r"$\uparrow$") == len(ROWS)
    assert "↑" not in tex


def test_captions_name_the_cohort_and_warn_of_published_numbers(written):
    _, markdown, tex = written()
    for text in (markdown, tex):
        assert COHORT in text
        assert "no comparison" in text
        assert "LIDC-IDRI" in text
    _, markdown, _ = written(published_dataset=None)
    assert "no comparison" not in markdown
    assert "(published" not in markdown


def test_latex_is_balanced(written):
    _, _, tex = written()
    assert tex.count("{") == tex.count("}")
    rows = [line for line in tex.splitlines() if line.endswith(r"\\") or "midrule" in line]
    assert len(rows) == 1 + len(ROWS)
    assert {line.count("&") for line in rows} == {4}


def test_one_method_and_one_seed_need_no_bold_and_no_deviation(run, written, tmp_path):
    pd.read_parquet(run.metrics["due"]).query("seed == 1").to_parquet(tmp_path / "one.parquet")
    table, markdown, _ = written(metrics_files=[tmp_path / "one.parquet"], methods=["due"], published_dataset=None)
    assert table["std"].isna().all()
    assert (table["n_seeds"] == 1).all()
    body = [line for line in markdown.splitlines() if line.startswith("|")]
    assert not any("**" in line or "±" in line for line in body)
    assert "one seed" in markdown


def test_a_threshold_without_scores_is_said_in_words(run):
    with pytest.raises(UserError, match=r"0\.55.*Delete"):
        summarise(run.metrics["due"], "due", 0.55)


def test_a_new_published_dataset_needs_an_entry_in_the_file_alone(written, tmp_path, monkeypatch):
    content = yaml.safe_load(PUBLISHED_FILE.read_text(encoding="utf-8"))
    content["datasets"]["toy"] = {"title": "toys of wood", "values": {"DUE": {"IoU": [12.5, 1.5]}}}
    (tmp_path / "numbers.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    monkeypatch.setattr("explainct.report.audit.due_table1.PUBLISHED_FILE", tmp_path / "numbers.yaml")
    table, markdown, _ = written(published_dataset="toy", dataset="toy")
    assert table.set_index(["method", "metric"]).loc[("due", "iou"), "published_mean"] == 0.125
    assert "Table 1 of the DUE paper, on toys of wood: other data" in markdown


def test_an_unknown_published_dataset_is_said_in_words():
    with pytest.raises(UserError, match=r"'msd'.*lidc"):
        published_for_methods("msd")


@pytest.mark.parametrize("dataset", ["lidc", "pancreas"])
def test_published_table_is_complete_and_maps_to_declared_metrics(dataset):
    table = published_table(dataset)
    assert len(table) == 36
    assert table.groupby("published_method").size().eq(6).all()
    assert set(table["metric"]) <= set(METRICS)
    assert table["published_mean"].between(0, 1).all()


@pytest.mark.parametrize("dataset", ["lidc", "pancreas"])
def test_published_f1_exceeds_what_a_true_f1_could_be(dataset):
    # By Jensen's inequality a mean of true per-sample F1 stays below 2 IoU / (1 + IoU) of the mean IoU.
    table = published_table(dataset).pivot(index="published_method", columns="metric", values="published_mean")
    assert (table["published_f1"] > 2 * table["iou"] / (1 + table["iou"])).all()


def test_published_examples_match_the_text_of_the_paper():
    lidc = published_table("lidc").set_index(["published_method", "metric"])["published_mean"]
    # Section 5.2: on LIDC precision falls by 4.14, recall rises by 34.89, IoU by 18.98 and F1 by 27.24 points.
    change = lidc["DUE"] - lidc["Baseline"]
    names = ["hit_rate", "recall", "iou", "published_f1"]
    assert (100 * change[names]).round(2).tolist() == [-4.14, 34.89, 18.98, 27.24]
    pancreas = published_table("pancreas").set_index(["published_method", "metric"])["published_mean"]
    # And on pancreas IoU rises by 12.39 to 17.57, recall by 14.32 to 23.14 points, F1 by 13.06 to 20.83 points.
    gains = 100 * (pancreas["DUE"] - pancreas.unstack().drop("DUE"))
    assert gains["iou"].agg(["min", "max"]).round(2).tolist() == [12.39, 17.57]
    assert gains["recall"].agg(["min", "max"]).round(2).tolist() == [14.32, 23.14]
    assert gains["published_f1"].agg(["min", "max"]).round(2).tolist() == [13.06, 20.83]
