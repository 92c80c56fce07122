"""Table 1: prediction and explanation of every method, with the published numbers beside ours."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np
import pandas as pd

from explainct.config.methods import METHODS
from explainct.errors import UserError
from explainct.report.audit.due_table1 import published_for_methods, published_title
from explainct.report.html_page import page
from explainct.report.plot_style import method_label
from explainct.runtime.files import write_csv, write_text
from explainct.scoring.metrics.declarations import EXPLANATION_METRICS, METRICS, MIDDLE_IOU

TRUE_CLASS_IOU = "iou_true_class"
ROWS = (*METRICS, TRUE_CLASS_IOU)
COLUMNS = ["dataset", "method", "metric", "mean", "std", "n_seeds", "published_mean", "published_std"]


def table_1(
    *,
    metrics_files: Sequence[Path],
    methods: Sequence[str],
    dataset: str,
    cohort: str,
    published_dataset: str | None,
    threshold: float,
    csv: Path,
    md: Path,
    tex: Path,
    html: Path,
) -> None:
    """Write Table 1 as tidy CSV, as Markdown, as LaTeX and as a page; all numbers are fractions in [0, 1].

    Args:
        metrics_files: `metrics.parquet` of each method.
        methods: the methods, in the same order.
        dataset: name of the dataset.
        cohort: the cohort in words, for the caption.
        published_dataset: dataset of the paper whose numbers are shown, a key of `due_table1.yaml`; None to show none.
        threshold: explanation threshold of the table, in [0, 1].
        csv: one row per method and metric: mean, sample standard deviation over the seeds, and the published numbers.
        md: table for reading, with metrics as rows and methods as columns.
        tex: the same for a paper (needs booktabs).
        html: the same as a page.

    Raises:
        UserError: a file holds no scores at `threshold`, or the paper has no such dataset.
    """
    files = zip(methods, metrics_files, strict=True)
    summary = pd.concat([summarise(path, method, threshold) for method, path in files])
    summary.insert(0, "dataset", dataset)
    if published_dataset is None:
        summary = summary.assign(published_mean=np.nan, published_std=np.nan)
    else:
        summary = summary.merge(published_for_methods(published_dataset), how="left", on=["method", "metric"])
    write_csv(summary[COLUMNS], csv)
    flat = [method for method in methods if METHODS[method].dims == 2]
    text = caption(cohort, summary["n_seeds"].max(), threshold, published_dataset, flat)
    write_text(_markdown(summary, text), md)
    write_text(_latex(summary, text), tex)
    write_text(_html(summary, text), html)


def summarise(metrics_file: Path, method: str, threshold: float) -> pd.DataFrame:
    """Return mean, sample standard deviation and number of seeds of each metric of the table, in its order.

    Explanations are those of the predicted class, as in the paper; `iou_true_class` is for the true class.

    Raises:
        UserError: the file holds no scores at `threshold`.
    """
    table = pd.read_parquet(metrics_file)
    table = table[table["threshold"].isna() | (table["threshold"] == threshold)]
    if "iou" not in set(table["metric"]):
        raise UserError(
            f"{metrics_file} holds no scores at the threshold {threshold}, expected those of `evaluate.threshold`. "
            "Delete the file and repeat."
        )
    is_true = table["explained_class"] == "true"
    true_iou = table[is_true & (table["metric"] == "iou")].assign(metric=TRUE_CLASS_IOU)
    values = pd.concat([table[~is_true], true_iou]).groupby("metric")["value"]
    rows = [name for name in ROWS if name in values.groups]  # tasks of more than two classes have no threshold
    summary = values.agg(mean="mean", std="std", n_seeds="count").loc[rows].reset_index()
    summary.insert(0, "method", method)
    return summary


def caption(
    cohort: str, n_seeds: int, threshold: float, published_dataset: str | None, flat: Sequence[str] = ()
) -> str:
    """Return the caption of the table: cohort, unit, threshold, `flat` (2D) methods, and what is published."""
    seeds = f"mean ± standard deviation over {n_seeds} seeds" if n_seeds > 1 else "one seed"
    text = (
        f"Prediction of all test samples and explanation of the test lesions of the {cohort}: {seeds}, as fractions "
        "between 0 and 1. Explanations are class activation maps of the predicted class, "
        f"binarised above {threshold:g}. Arrows point to better values; the best method of a row is bold. "
        "The authors' code counts no false positives on lesions: what the paper calls precision is the hit rate here, "
        "and its F1 is the published F1. The second accuracy calls lesion what lies above the threshold of the best "
        "accuracy on the validation samples, not above 0.5."
    )
    if flat:
        text += (
            f" {', '.join(map(method_label, flat))} see the middle slice alone, and their explanations are scored on "
            "it; only the IoU of the middle slice compares them with the others, which elsewhere compete alone."
        )
    if published_dataset is None:
        return text
    return (
        f"{text} Numbers marked 'published' are Table 1 of the DUE paper, on {published_title(published_dataset)}: "
        "other data, so no comparison with ours."
    )


def row_heading(metric: str) -> str:
    """Return the name of a row of the table, with an arrow that points to better values."""
    if metric == TRUE_CLASS_IOU:
        return METRICS["iou"].heading.replace("IoU", "IoU, true class")
    return METRICS[metric].heading


def _best(group: pd.DataFrame) -> set[str]:
    """Return the methods with the best mean of one metric as it is printed; none where only one method competes.

    Where methods of two dimensions are scored on less than the others, they do not compete.
    """
    name = group["metric"].iloc[0]
    if name != MIDDLE_IOU and name in (*EXPLANATION_METRICS, TRUE_CLASS_IOU):
        group = group[[METHODS[method].dims == 3 for method in group["method"]]]
    higher = METRICS["iou" if name == TRUE_CLASS_IOU else name].higher_is_better
    means = group["mean"].round(3)
    best = means.max() if higher else means.min()
    return set(group.loc[means == best, "method"]) if len(group) > 1 else set()


def _number(mean: float, std: float, plus_minus: str) -> str:
    return f"{mean:.3f}" if np.isnan(std) else f"{mean:.3f} {plus_minus} {std:.3f}"


def _cells(summary: pd.DataFrame, *, bold: str, published: str, plus_minus: str) -> list[list[str]]:
    """Return the rows of the table as text: the heading and a cell per method, with the given marks."""
    rows = []
    for metric, group in summary.groupby("metric", sort=False):
        best, cells = _best(group), [row_heading(str(metric))]
        for cell in group.itertuples():
            text = _number(cell.mean, cell.std, plus_minus)
            text = bold.format(text) if cell.method in best else text
            if not np.isnan(cell.published_mean):
                text += published.format(_number(cell.published_mean, cell.published_std, plus_minus))
            cells.append(text)
        rows.append(cells)
    return rows


def _markdown(summary: pd.DataFrame, text: str) -> str:
    headings = ["Metric", *map(method_label, summary["method"].unique())]
    rows = _cells(summary, bold="**{}**", published=" (published {})", plus_minus="±")
    table = pd.DataFrame(rows, columns=headings).to_markdown(index=False, disable_numparse=True)
    return f"**Table 1.** {text}\n\n{table}\n"


def _html(summary: pd.DataFrame, text: str) -> str:
    headings = ["Metric", *map(method_label, summary["method"].unique())]
    rows = _cells(summary, bold="<b>{}</b>", published="<br><small>(published {})</small>", plus_minus="±")
    table = pd.DataFrame(rows, columns=headings).to_html(index=False, escape=False, border=0)
    return page("Table 1", f"<p>{escape(text)}</p>\n{table}")


def _latex(summary: pd.DataFrame, text: str) -> str:
    headings = ["Metric", *map(method_label, summary["method"].unique())]
    published = r" {{\footnotesize (published {})}}"
    rows = _cells(summary, bold=r"\textbf{{{}}}", published=published, plus_minus=r"$\pm$")
    lines = [" & ".join(cells).replace("↑", r"$\uparrow$").replace("↓", r"$\downarrow$") for cells in [headings, *rows]]
    body = " \\\\\n".join([rf"{lines[0]} \\ \midrule" + "\n" + lines[1], *lines[2:]])
    caption_text = text.replace("±", r"$\pm$").replace("%", r"\%").replace("_", r"\_")
    return (
        "\\begin{table}\n\\centering\n"
        f"\\caption{{{caption_text}}}\n"
        f"\\begin{{tabular}}{{l{'c' * (len(headings) - 1)}}}\n\\toprule\n{body} \\\\\n\\bottomrule\n"
        "\\end{tabular}\n\\end{table}\n"
    )
