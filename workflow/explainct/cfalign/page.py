"""What the counterfactual study found, in prose and tables, for reading: Markdown, and a page for the report.

Sentences are made of the numbers of the run: each says what its interval allows, whichever way it points.
"""

from collections.abc import Mapping, Sequence
from html import escape

import pandas as pd

from explainct.cfalign.published import NOTE
from explainct.config.compared import COMPARED
from explainct.report.html_page import page

TITLE = "Counterfactual study: does the change that flips the prediction lie in the nodule?"
MODES = ("aligned", "absent", "reversed")
SHOWN = {
    "saliency_precision": "Grad-CAM in the box",
    "input_x_gradient": "Input x Gradient in the box",
    "cf_mask": "change in the mask",
    "cf_box": "change in the box",
    "cf_grown": "change in the grown mask",
    "flipped": "flipped",
    "stationary": "stationary",
    "changed": "pixels changed",
}
"""Measures of explained views, with their names for readers."""

Tables = Mapping[str, pd.DataFrame]
"""The tables of `explainct.cfalign.study.compare_aligned` by name."""
Part = str | pd.DataFrame
"""A paragraph, a heading (it begins with `## `), a list (its lines begin with `- `), or a table."""


def findings(tables: Tables) -> list[str]:
    """Return what the study found, a sentence each.

    Args:
        tables: the study's tables.
    """
    test = tables["scores"].query("split == 'test' and metric == 'auc'")
    sentences = []
    for (method, strength), rows in test[test["strength"] > 0].groupby(["method", "strength"], sort=False):
        values = rows.set_index("mode")
        absent, reversed_ = (values.loc[mode] for mode in ("absent", "reversed"))
        kept = (
            "does not fall with the cue reversed"
            if reversed_["high"] >= absent["value"]
            else "falls with the cue reversed"
        )
        sentences.append(
            f"{COMPARED[method].label}, cue of strength {strength:g}: AUC {_estimate(absent)} without the cue and "
            f"{_estimate(reversed_)} reversed; it {kept}."
        )
    found = tables["differences"].query("metric == 'auc' and mode == 'reversed'")
    for row in found.itertuples():
        numbers = f"{row.difference:+.3f} [{row.low:+.3f}, {row.high:+.3f}]"
        way = "is higher" if row.low > 0 else "is lower" if row.high < 0 else "shows no difference"
        sentences.append(
            f"{COMPARED[row.method].label} against {COMPARED[row.reference].label}, reversed cue of strength "
            f"{row.strength:g}: AUC {way}, {numbers}."
        )
    return sentences


def study_markdown(tables: Tables, methods: Sequence[str], what: str) -> str:
    """Return the study as Markdown; `what` are its views in words."""
    blocks = [
        part if isinstance(part, str) else part.to_markdown(index=False, disable_numparse=True)
        for part in _parts(tables, methods, what)
    ]
    return f"# {TITLE}\n\n" + "\n\n".join(blocks) + "\n"


def study_page(tables: Tables, methods: Sequence[str], what: str) -> str:
    """Return the study as a page of HTML; `what` are its views in words."""
    blocks = []
    for part in _parts(tables, methods, what):
        if isinstance(part, pd.DataFrame):
            blocks.append(part.to_html(index=False, border=0))
        elif part.startswith("## "):
            blocks.append(f"<h2>{escape(part[3:])}</h2>")
        elif part.startswith("- "):
            items = "".join(f"<li>{escape(line[2:])}</li>" for line in part.splitlines())
            blocks.append(f"<ul>{items}</ul>")
        else:
            blocks.append(f"<p>{escape(part)}</p>")
    return page(TITLE, "\n".join(blocks))


def _parts(tables: Tables, methods: Sequence[str], what: str) -> list[Part]:
    """Return the paragraphs and tables of the study in their order."""
    parts: list[Part] = [
        f"{what}. Intervals are 95 % over patients, of means over seeds, and hold the trained networks fixed. "
        "Classes are weighed in the loss; a decision is malignant from a logit of 0 on.",
        "## What was found",
        "\n".join(f"- {sentence}" for sentence in findings(tables)) or "No network was trained with a cue.",
        "## Methods",
        pd.DataFrame(
            [(COMPARED[name].label, COMPARED[name].paper, COMPARED[name].simplified or "nothing") for name in methods],
            columns=["method", "whose", "what is simplified or changed"],
        ),
    ]
    for metric, label in (("auc", "AUC"), ("balanced_accuracy", "Balanced accuracy"), ("accuracy", "Accuracy")):
        parts += [f"## {label} on test patients", _wide_scores(tables["scores"], methods, "test", metric)]
    parts += [
        "## AUC of each seed on test patients",
        _by_seed(tables["seeds"], methods),
        "## AUC on validation patients",
        "These patients are there to choose settings on; docs/counterfactual.md says which settings were.",
        _wide_scores(tables["scores"], methods, "validation", "auc"),
        "## Where maps and counterfactuals lie",
        "Test views with the cue aligned, as in training. Shares of a change lie on a coarse grid, so no method can "
        "reach more than the ceiling beside it.",
        _explanations(tables["explanations"], methods),
        "## Counterfactuals in training",
        "Shares of the aligned images that flipped, were stationary, and passed all gates.",
        _training(tables["training"]),
        "## As CF-Align prints it",
        NOTE,
        _published(tables["published"], tables),
    ]
    return parts


def _estimate(row: pd.Series) -> str:
    return f"{row['value']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"


def _wide_scores(table: pd.DataFrame, methods: Sequence[str], split: str, metric: str) -> pd.DataFrame:
    """Return one metric with a row a method and a column a strength and mode."""
    rows = table[(table["split"] == split) & (table["metric"] == metric)]
    cells = {"method": [COMPARED[name].label for name in methods]}
    for strength in sorted(rows["strength"].unique()):
        for mode in MODES:
            some = rows[(rows["strength"] == strength) & (rows["mode"] == mode)].set_index("method")
            if len(some):
                head = f"cue {strength:g}, {mode}" if strength else "no cue"
                cells[head] = [_estimate(some.loc[name]) for name in methods]
    return pd.DataFrame(cells)


def _by_seed(table: pd.DataFrame, methods: Sequence[str]) -> pd.DataFrame:
    """Return the AUC of each seed with a row a method, strength and mode."""
    rows = table[table["split"] == "test"]
    wide = rows.pivot(index=["method", "strength", "mode"], columns="seed", values="auc")
    wide = wide.reset_index().sort_values("method", key=lambda names: names.map(list(methods).index), kind="stable")
    wide["method"] = [COMPARED[name].label for name in wide["method"]]
    numbers = [name for name in wide if isinstance(name, int)]
    return wide.assign(**{f"seed {name}": wide[name].map("{:.3f}".format) for name in numbers}).drop(columns=numbers)


def _explanations(table: pd.DataFrame, methods: Sequence[str]) -> pd.DataFrame:
    """Return the measures with a row a method and strength; the ceiling of a share stands behind it."""
    values = table.set_index(["method", "strength", "measure"])
    rows = []
    for name in methods:
        for strength in sorted(table["strength"].unique()):
            row = {"method": COMPARED[name].label, "cue": f"{strength:g}" if strength else "none"}
            for measure, label in SHOWN.items():
                row[label] = _estimate(values.loc[(name, strength, measure)])
                if measure.startswith("cf_"):
                    ceiling = values.loc[(name, strength, f"ceiling_{measure[3:]}"), "value"]
                    row[label] += f" of {ceiling:.2f}"
            rows.append(row)
    return pd.DataFrame(rows)


def _training(table: pd.DataFrame) -> pd.DataFrame:
    cells = {"method": [COMPARED[name].label for name in table["method"]], "cue": table["strength"].map("{:g}".format)}
    cells["seed"] = table["seed"].astype(str)
    return pd.DataFrame(cells | {name: table[name].map("{:.3f}".format) for name in ("flipped", "gated", "used")})


def _published(table: pd.DataFrame, tables: Tables) -> pd.DataFrame:
    """Return the printed numbers beside ours, of networks trained with the least cue."""
    rows = []
    for row in table.itertuples():
        source = tables["explanations"] if row.measure == "saliency_precision" else tables["scores"]
        column = "measure" if row.measure == "saliency_precision" else "metric"
        some = source[(source["method"] == row.method) & (source[column] == row.measure)]
        if column == "metric":
            some = some[(some["split"] == "test") & (some["mode"] == "absent")]
        ours = _estimate(some.sort_values("strength").iloc[0]) if len(some) else "not trained"
        rows.append((row.measure.replace("_", " "), f"{row.row}: {row.percent:g} %", COMPARED[row.method].label, ours))
    return pd.DataFrame(rows, columns=["measure", "printed", "method of ours", "ours"])
