"""The audit of published numbers: the numbers as data, each check on made-up tables, and the known findings."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score

import explainct.report.audit
from explainct.errors import UserError
from explainct.report.audit.audit import QUESTIONS, audit, audit_published, load_papers, published_numbers
from explainct.report.audit.due_table1 import published_table
from explainct.report.audit.printed_numbers import Number, Span, agrees, derive, matches, shown
from explainct.report.audit.row_checks import (
    FORMULAS,
    ROW_CHECKS,
    dice_of_iou,
    harmonic_mean,
    most_precision,
    precision_of,
)
from explainct.report.audit.text_checks import STATEMENT_CHECKS

EXPLANATION = ["IoU", "Precision", "Recall", "F1"]
VOXELS = st.lists(st.tuples(st.integers(1, 50), st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=8)


@pytest.fixture(scope="module")
def papers():
    return load_papers()


@pytest.fixture(scope="module")
def findings(papers):
    return audit(papers)


def check(name, columns, *rows, statements=(), **options):
    """Audit one made-up table and return what was found."""
    cells = {f"row {number}": row for number, row in enumerate(rows)}
    checks = [name] if name in ROW_CHECKS else []
    table = {"table": "T", "source": "T", "unit": "u", "columns": columns, "rows": cells, "checks": checks, **options}
    return audit({"paper": {"source": "S", "tables": [table], "statements": list(statements)}})


def state(name, header=("a",), rows=(("0",),), **statement):
    return check("", header, *rows, statements=[{"check": name, "source": "text", "row": "row 0", **statement}])


# The numbers


def test_every_number_has_its_place_unit_and_source(papers):
    numbers = published_numbers(papers)
    assert not numbers.duplicated(["paper", "table", "row", "column"]).any()
    assert numbers["source"].str.len().gt(20).all()
    assert set(numbers["unit"]) == {"per cent", "fraction", "count", "rating"}
    assert numbers["printed"].str.fullmatch(r"\d+(\.\d+)?").all()
    assert numbers["deviation"].str.fullmatch(r"(\d+(\.\d+)?)?").all()
    assert set(numbers["paper"]) == {"DUE", "RES", "INFORMER", "CF-Align", "AX/GAX"}
    fractions = numbers.loc[numbers["unit"] == "fraction", "printed"].astype(float)
    assert fractions.between(0, 1).all()


def test_every_statement_has_its_source_and_its_number(papers):
    for paper in papers.values():
        for statement in paper.get("statements", []):
            assert statement["source"].startswith(("section", "appendix"))
            assert statement["check"] in STATEMENT_CHECKS
            if statement["check"] not in {"best", "f1_from_rates"}:
                assert Number.parse(statement["printed"]).value > 0


def test_published_numbers_stand_in_no_module(papers):
    numbers = published_numbers(papers)
    printed = {*numbers["printed"], *numbers["deviation"]}
    telling = {text for text in printed if len(text.replace(".", "").lstrip("0")) >= 3} - {"100"}
    assert len(telling) > 150
    for path in Path(explainct.report.audit.__file__).parent.glob("*.py"):
        assert not telling & set(re.findall(r"\d+(?:\.\d+)?", path.read_text())), path.name


def test_table_1_of_due_is_that_of_the_published_numbers(papers):
    numbers = published_numbers(papers).query("table == 'Table 1, LIDC'")
    theirs = published_table("lidc").set_index(["published_method", "published_metric"])
    assert len(numbers) == len(theirs) == 36
    for cell in numbers.itertuples():
        assert float(cell.printed) / 100 == pytest.approx(theirs.loc[(cell.row, cell.column), "published_mean"])
        assert float(cell.deviation) / 100 == pytest.approx(theirs.loc[(cell.row, cell.column), "published_std"])
    assert "64.00" in set(numbers["printed"])


def test_every_check_is_explained_and_used(findings):
    assert set(QUESTIONS) == {*ROW_CHECKS, *STATEMENT_CHECKS} == set(findings["check"])


@pytest.mark.parametrize("cell", ["", "a", "1 ± b", "1 ± 2 ± 3", "1.2.3"])
def test_what_is_no_number_is_said_in_words(cell):
    with pytest.raises(UserError, match=r"is no number.*Correct"):
        Number.parse(cell)


def test_numbers_know_their_rounding():
    assert Number.parse("61.20 ± 1.5") == Number("61.20", "1.5")
    assert Number.parse("12'300,400").value == 12300400
    assert Number("0.230").half == pytest.approx(0.0005)
    assert (Number("26").half, Number("26").slack) == (0.5, 0)
    assert matches(0.2295, Number("0.230"))
    assert not matches(0.2294, Number("0.230"))
    assert [shown(value, 2) for value in (1.236, 70, -0.0001, float("nan"))] == ["1.24", "70", "0", "nan"]


def test_rounding_is_carried_through_and_relations_allow_for_it():
    span = derive(lambda a, b: a - b, Number("1.0"), Number("0.30"))
    assert (span.value, span.low, span.high) == pytest.approx((0.7, 0.645, 0.755))
    printed = Number("0.8")
    assert agrees(printed, "equals", span)
    for relation, value, expected in [
        ("equals", 0.86, False),
        ("at most", 0.75, True),
        ("at most", 0.74, False),
        ("at least", 0.85, True),
        ("at least", 0.86, False),
        ("below", 0.801, True),
        ("below", 0.799, False),
    ]:
        assert agrees(printed, relation, Span(value, value, value)) is expected


# The bounds, on samples whose voxels are counted


@given(VOXELS)
def test_means_of_true_metrics_keep_all_bounds(samples):
    hits, false, missed = np.array(samples, float).T
    precision, recall = 100 * hits / (hits + false), 100 * hits / (hits + missed)
    iou, dice = 100 * hits / (hits + false + missed), 200 * hits / (2 * hits + false + missed)
    slack = 1e-9
    assert dice.mean() <= dice_of_iou(iou.mean()) + slack
    assert precision.mean() <= most_precision(iou.mean(), recall.mean()) + slack
    assert dice.mean() <= harmonic_mean(recall.mean(), precision.mean()) + slack
    assert precision_of(iou[0], recall[0]) == pytest.approx(precision[0])
    assert FORMULAS["implied_precision"].needed(precision[0], recall[0]) == pytest.approx(iou[0])


@given(st.lists(st.floats(0, 100), min_size=1, max_size=8))
def test_a_hit_rate_puts_f1_between_recall_and_its_dice(recalls):
    recall = np.array(recalls)
    f1 = 200 * recall / (100 + recall)
    assert recall.mean() - 1e-9 <= f1.mean() <= dice_of_iou(recall.mean()) + 1e-9


def test_the_precision_bound_cannot_be_lowered():
    # Half of the samples lie inside the annotation, half cover all of a far larger image.
    precision, recall, iou = np.array([100, 0.001]), np.array([30, 100]), np.array([30, 0.001])
    assert precision.mean() == pytest.approx(most_precision(iou.mean(), recall.mean()), abs=0.01)


@given(st.floats(1, 99), st.floats(1, 99))
def test_what_is_needed_gives_what_is_printed(first, second):
    for formula in FORMULAS.values():
        others = (second,) * (len(formula.of) - 1)
        if formula.column == "Precision" and first > second:
            continue  # the IoU is never above the recall
        printed = formula.derived(first, *others)
        assert formula.needed(printed, *others) == pytest.approx(first)


# Each check, held and not held


@pytest.mark.parametrize(
    ("name", "held", "failed", "derived"),
    [
        ("dice_bound", ["50.0", "80.0", "60.0", "66.7"], ["50.0", "80.0", "60.0", "66.9"], 66.667),
        ("precision_bound", ["50.0", "90.1", "60.0", "66.0"], ["50.0", "90.3", "60.0", "66.0"], 90),
        ("implied_precision", ["50.0", "75.0", "60.0", "66.0"], ["50.0", "76.0", "60.0", "66.0"], 75),
        ("harmonic_bound", ["50.0", "75.0", "60.0", "66.7"], ["50.0", "75.0", "60.0", "66.9"], 66.667),
        ("hit_rate_ceiling", ["50.0", "99.0", "60.0", "75.0"], ["50.0", "99.0", "60.0", "75.2"], 75),
        ("hit_rate_floor", ["50.0", "99.0", "60.0", "59.9"], ["50.0", "99.0", "60.0", "59.8"], 60),
    ],
)
def test_relations_of_columns(name, held, failed, derived):
    found = check(name, EXPLANATION, held, failed)
    assert found["holds"].tolist() == [True, False]
    assert found["derived"].astype(float).tolist() == pytest.approx([derived] * 2, abs=1e-3)
    assert found["explanation"].str.contains("fits").tolist() == [True, False]
    assert "would need" in found["explanation"][1]


def test_row_means_and_exchanged_cells():
    columns = ["a", "b", "mean"]
    held = check("row_mean", columns, ["0.100", "0.301", "0.201"], mean="mean")
    assert held["holds"].tolist() == [True]
    rows = [["0.100", "0.500", "0.300"], ["0.400", "0.200", "0.600"], ["0.100", "0.100", "0.100"]]
    rows[0][1], rows[1][1] = "0.200", "0.500"
    rows[0][2], rows[1][2] = "0.300", "0.300"
    failed = check("row_mean", columns, *rows, mean="mean")
    assert failed["holds"].tolist() == [False, False, True]
    assert "exchanged: a with row 1, b with row 1." in failed["explanation"][0]
    lonely = check("row_mean", columns, ["0.100", "0.300", "0.300"], mean="mean")
    assert lonely["explanation"][0] == "The mean of the row's numbers is 0.200; the printed mean is 0.300."


def test_shares_of_whole_items():
    counted = {"column": "p", "runs": 5, "items": [10, 20]}
    found = check("reachable_mean", ["p"], ["98.00"], ["96.67"], ["99.95"], counted=counted)
    assert found["holds"].tolist() == [True, False, False]
    assert found["derived"].tolist() == ["98", "97", "100"]
    assert "which 3 runs would reach" in found["explanation"][1]
    assert "unequal batches" in found["explanation"][2]


def test_deviations_of_ratings():
    found = check("possible_deviation", ["r"], ["4.00 ± 1.73"], ["4.00 ± 1.76"], scale=[1, 5])
    assert found["holds"].tolist() == [True, False]
    extreme = np.repeat([1, 5], [1, 3])  # the ratings that deviate most from their mean of 4
    assert float(found["derived"][0]) == pytest.approx(extreme.std(), abs=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_confusion_counts_agree_with_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    truth = np.repeat([1, 0], [40, 30])
    calls = np.where(rng.random(70) < 0.2, 1 - truth, truth)
    cells = [f"{score(truth, calls):.3f}" for score in (accuracy_score, precision_score, recall_score)]
    found = check(
        "confusion",
        ["accuracy", "precision", "recall"],
        cells,
        [f"{float(cells[0]) + 0.003:.3f}", *cells[1:]],
        [cells[0], "0.501", "1.000"],
        counts={"positives": 40, "negatives": 30},
    )
    assert found["holds"].tolist() == [True, False, False]
    assert float(found["derived"][1]) == pytest.approx(accuracy_score(truth, calls), abs=1e-5)
    assert found["explanation"][2].startswith("No whole numbers")


def test_cut_offs_leave_no_gap():
    found = check("cut_off", ["to", "from"], ["4", "5"], ["3", "5"], ["4", "4"])
    assert found["holds"].tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("name", "of", "held", "failed"),
    [
        ("sum", ["10", "20", "70"], "100", "99"),
        ("difference", ["0.72", "0.69"], "0.03", "0.05"),
        ("product", ["1'000", "0.25"], "250", "256"),
        ("ratio", ["68", "2.6"], "26", "28"),
        ("quoted", ["0.796"], "0.80", "0.79"),
    ],
)
def test_arithmetic(name, of, held, failed):
    for printed, expected in [(held, True), (failed, False)]:
        found = state(name, relation="equals", printed=printed, of=of, note="why")
        assert found["holds"].tolist() == [expected]
        assert found["explanation"][0].endswith("(why).")


@pytest.mark.parametrize(
    ("printed", "end", "holds", "reading"),
    [
        ("10", "least", True, "fits as a difference"),
        ("20", "least", True, "fits relative"),
        ("50", "most", True, "fits relative"),
        ("35", "most", False, "fits neither"),
    ],
)
def test_gains_in_both_readings(printed, end, holds, reading):
    statement = {"column": "a", "tables": ["T"], "over": ["row 1", "row 2"], "end": end, "printed": printed}
    found = state("gain", rows=[["60.0"], ["50.0"], ["40.0"]], **statement)
    assert found["holds"].tolist() == [holds]
    assert reading in found["explanation"][0]


def test_best_rows():
    found = state("best", ["a", "b"], [["2", "3"], ["2", "4"], ["1", "1"]], tables=["T"], columns=["a", "b"])
    assert found["holds"].tolist() == [True, False]
    assert found["explanation"][1] == "The highest b of the others is 4 of row 1; row 0 has 3."


def test_equal_parts():
    found = [state("equal_parts", printed="1,200", of=[parts]).iloc[0] for parts in ("12", "7")]
    assert [one["holds"] for one in found] == [True, False]
    assert found[1]["derived"] == "1197"


def test_f1_from_rates_agrees_with_scikit_learn():
    truth = np.repeat([1, 0], [29, 171])
    calls = np.concatenate([np.arange(29) < 20, np.arange(171) >= 90])
    f1 = f"{f1_score(truth, calls):.3f}"
    specificity = f"{recall_score(1 - truth, ~calls):.3f}"
    columns = ["sensitivity", "specificity", "F1"]
    statement = {"rates": "T", "table": "T", "column": "F1", "images": 200}
    good = state("f1_from_rates", columns, [["0.690", specificity, f1]], **statement)
    assert good["holds"].all()
    assert "20 of 29 positives and 90 of 171 negatives" in good["explanation"][0]
    swapped = state(
        "f1_from_rates", columns, [["0.690", specificity, "0.300"], ["0.690", specificity, f1]], **statement
    )
    assert swapped["holds"].tolist() == [False, True]
    assert f"while row 1 has {f1}" in swapped["explanation"][0]
    impossible = state("f1_from_rates", columns, [["0.123456", "0.654321", f1]], **{**statement, "images": 20})
    assert not impossible["holds"].any()


# What is known of the papers


def held(findings, paper, name):
    return findings.query("paper == @paper and check == @name")["holds"]


def test_every_row_of_due_and_res_breaks_the_dice_bound(findings):
    for paper, rows in [("DUE", 12), ("RES", 10)]:
        assert len(held(findings, paper, "dice_bound")) == rows
        assert not held(findings, paper, "dice_bound").any()
    row = findings.query("table == 'Table 1, pancreas' and row == 'DUE' and check == 'dice_bound'").iloc[0]
    assert (row["printed"], row["derived"][:5], row["difference"][:4]) == ("75.66", "67.72", "7.93")
    lidc = findings.query("table == 'Table 1, LIDC' and row == 'DUE' and check == 'implied_precision'").iloc[0]
    assert (lidc["printed"], float(lidc["derived"])) == ("90.18", pytest.approx(40.55, abs=0.005))


def test_due_fits_a_hit_rate_and_res_does_not(findings):
    assert held(findings, "DUE", "hit_rate_floor").all()
    assert held(findings, "DUE", "hit_rate_ceiling").all()
    assert held(findings, "RES", "hit_rate_floor").sum() == 5


def test_gains_of_due_are_points_and_those_of_res_relative(findings):
    gains = findings[findings["check"] == "gain"].set_index("paper")["explanation"]
    assert gains["DUE"].str.contains("fits as a difference").all()
    assert gains["RES"].str.contains("fits relative").sum() == 5
    assert gains["RES"].str.contains("fits neither").sum() == 1


def test_cells_of_informer_that_fit_when_exchanged(findings):
    means = findings[findings["check"] == "row_mean"].set_index("row")
    assert means["holds"].tolist() == [False, False, True, True]
    assert "Consolidation with INFORMER_lrp" in means.loc["INFORMER_ixg", "explanation"]
    rates = findings[findings["check"] == "f1_from_rates"].set_index("row")
    assert rates["holds"].to_dict() == {"INFORMER_lrp, Consolidation": False, "Pred. Entropy, Consolidation": True}
    assert "while INFORMER_ixg has 0.240" in rates.loc["INFORMER_lrp, Consolidation", "explanation"]


def test_what_holds_in_the_other_papers(findings):
    assert findings.query("paper in ['CF-Align', 'AX/GAX']")["holds"].all()
    assert held(findings, "INFORMER", "product").all()
    best = findings.query("check == 'best' and not holds")
    assert best["row"].tolist() == ["DUE, Precision", "RES-L, IoU"]


def test_files_are_whole_readable_and_byte_stable(findings, tmp_path):
    written = []
    for folder in ("a", "b"):
        audit_published(csv=tmp_path / folder / "audit.csv", md=tmp_path / folder / "audit.md")
        written.append([(tmp_path / folder / name).read_bytes() for name in ("audit.csv", "audit.md")])
    assert written[0] == written[1]
    table = pd.read_csv(tmp_path / "a/audit.csv")
    assert table["holds"].tolist() == findings["holds"].tolist()
    assert np.allclose(table["printed"] - table["derived"], table["difference"], atol=0.01)
    # One sentence: no full stop but at its end, apart from those in numbers and names.
    assert table["explanation"].str.fullmatch(r"[A-Z\d].*\.").all()
    page = written[0][1].decode()
    for paper, rows in findings.groupby("paper"):
        assert f"## {paper}\n" in page
        assert f"{rows['holds'].sum()} of {len(rows)} checks hold" in page
    assert page.count("would need") == findings["explanation"].str.contains("would need").sum()
