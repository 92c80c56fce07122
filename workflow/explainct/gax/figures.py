"""Pictures of the confidence study: distributions as Figures 2 and 3 of the paper, and curves of GAX as Figure 4."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from explainct.gax.evaluation import EVIDENCE
from explainct.gax.generate import FORMS
from explainct.gax.names import augmentation_label, map_label, method_label
from explainct.report.plot_style import RC, method_style, save_figure

COLORS = {"correct": "#0072B2", "wrong": "#D55E00"}
KINDS = {"co_true": "true class, as published", "co_predicted": "predicted class, no label"}
CLASS_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
BINS = 24
HISTOGRAM_KINDS = ("saliency", "deconvolution")
"""Maps whose histograms are drawn, those that the paper names as of the largest gap (section 4.1)."""


def score_boxplot(*, scores_files: Sequence[Path], method: str, cohort: str, png: Path, pdf: Path) -> None:
    """Draw the distributions of the CO scores of a method's classifiers by map, correct and wrong predictions apart.

    As Figures 2 and 3 of the paper, with the scores for the predicted class beside them, and each scale of the map in a
    row of its own. Whiskers reach to the 5th and the 95th percentile.

    Args:
        scores_files: the tables of `explainct.gax.heatmap_scores.score_heatmaps`, of which the method's are drawn.
        method: name of the method.
        cohort: the cohort in words, for the title.
        png: picture for the report.
        pdf: picture for a paper.
    """
    test = _test_scores(scores_files, method)
    augmentations, maps = list(test["augmentation"].unique()), list(test["map"].unique())
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(9.6, 0.34 * len(maps) * len(augmentations) + 1.6), layout="constrained")
        panels = figure.subplots(len(augmentations), 2, squeeze=False, sharey=True)
        for row, augmentation in zip(panels, augmentations, strict=True):
            for axes, (kind, words) in zip(row, KINDS.items(), strict=True):
                _boxes(axes, test[test["augmentation"] == augmentation], maps, kind)
                axes.set_title(f"{augmentation_label(augmentation)}; score for the {words}")
            row[0].set(yticks=range(len(maps)), yticklabels=[map_label(name) for name in maps])
            row[0].invert_yaxis()
        for axes in panels[-1]:
            axes.set_xlabel("CO score")
        handles = [Patch(color=color, label=f"{name} predictions") for name, color in COLORS.items()]
        figure.legend(handles=handles, loc="outside lower center", ncols=2)
        figure.suptitle(f"CO scores of {method_label(method)}, {cohort}")
        save_figure(figure, png, pdf)


def score_histogram(*, scores_files: Sequence[Path], method: str, cohort: str, png: Path, pdf: Path) -> None:
    """Draw histograms of the CO scores of a method's classifiers, correct and wrong predictions apart.

    Args:
        scores_files: the tables of `explainct.gax.heatmap_scores.score_heatmaps`, of which the method's are drawn.
        method: name of the method.
        cohort: the cohort in words, for the title.
        png: picture for the report.
        pdf: picture for a paper.
    """
    test = _test_scores(scores_files, method)
    augmentations = list(test["augmentation"].unique())
    maps = [name for name in HISTOGRAM_KINDS if name in set(test["map"])] or list(test["map"].unique()[:1])
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(9.6, 1.9 * len(augmentations) * len(maps) + 0.8), layout="constrained")
        panels = figure.subplots(len(augmentations) * len(maps), 2, squeeze=False)
        rows = [(name, augmentation) for name in maps for augmentation in augmentations]
        for row, (name, augmentation) in zip(panels, rows, strict=True):
            table = test[(test["map"] == name) & (test["augmentation"] == augmentation)]
            for axes, (kind, words) in zip(row, KINDS.items(), strict=True):
                edges = np.histogram_bin_edges(table[kind], BINS)
                for word, color in COLORS.items():
                    part = table.loc[table["correct"] == (word == "correct"), kind]
                    if part.empty:
                        continue
                    axes.hist(part, edges, density=True, alpha=0.6, color=color, label=f"{word} ({len(part)})")
                axes.set_title(f"{map_label(name)}, {augmentation_label(augmentation)}; {words}", fontsize=8)
        panels[0, 0].legend()
        figure.supxlabel("CO score", fontsize=9)
        figure.suptitle(f"CO scores of {method_label(method)}, each histogram of area 1, {cohort}")
        save_figure(figure, png, pdf)


def gax_curves(*, curves_file: Path, forms_file: Path, cohort: str, png: Path, pdf: Path) -> None:
    """Draw the CO score over the steps of each form of GAX, one curve an image, as Figure 4 of the paper.

    Args:
        curves_file: the curves of `explainct.gax.forms.compare_forms`.
        forms_file: its first table, with the targets.
        cohort: the cohort in words, for the title.
        png: picture for the report.
        pdf: picture for a paper.
    """
    curves, forms = pd.read_parquet(curves_file), pd.read_parquet(forms_file)
    targets, names = forms.groupby("label")["target"].first(), list(forms["form"].unique())
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(2.4 * len(names) + 1, 3.4), layout="constrained")
        panels = figure.subplots(1, len(names), sharey=True, sharex=True, squeeze=False)[0]
        for axes, name in zip(panels, names, strict=True):
            for (label, _), curve in curves[curves["form"] == name].groupby(["label", "sample_id"], sort=True):
                color = CLASS_COLORS[int(label) % len(CLASS_COLORS)]
                axes.plot(curve["iteration"], curve["score"], color=color, linewidth=0.8, alpha=0.8)
            for label, target in targets.items():
                axes.axhline(target, color=CLASS_COLORS[int(label) % len(CLASS_COLORS)], linestyle=":", linewidth=1)
            axes.set(title=FORMS[name].label, xlabel="step")
        panels[0].set_ylabel("CO score")
        handles = [
            Patch(color=CLASS_COLORS[int(label) % len(CLASS_COLORS)], label=f"class {label}, target {target:.1f}")
            for label, target in targets.items()
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=4)
        figure.suptitle(f"GAX, one curve an image, dotted: targets, {cohort}")
        save_figure(figure, png, pdf)


def evidence_figure(*, evidence_file: Path, cohort: str, png: Path, pdf: Path) -> None:
    """Draw mass over area of the maps of test lesions, by method: means with intervals, and the mean of each seed.

    Args:
        evidence_file: the first table of `explainct.gax.evaluation.evidence_tables`.
        cohort: the cohort in words, for the title.
        png: picture for the report.
        pdf: picture for a paper.
    """
    table = pd.read_csv(evidence_file, dtype={"seed": str})
    methods = list(table["method"].unique())
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(6.4, 3.6), layout="constrained")
        axes = figure.subplots()
        for number, method in enumerate(methods):
            rows = table[table["method"] == method].set_index(["metric", "seed"])
            places = np.arange(len(EVIDENCE)) + 0.7 * ((number + 0.5) / len(methods) - 0.5)
            means = rows.loc[[(metric, "all") for metric in EVIDENCE]]
            spread = (means["value"] - means["low"], means["high"] - means["value"])
            style = method_style(method)
            axes.errorbar(
                places, means["value"], spread, color=style["color"], label=style["label"], fmt="o", capsize=3
            )
            for place, metric in zip(places, EVIDENCE, strict=True):
                seeds = table[(table["method"] == method) & (table["metric"] == metric) & (table["seed"] != "all")]
                axes.plot(np.full(len(seeds), place + 0.07), seeds["value"], "x", color=style["color"], markersize=4)
        axes.axhline(1, color="#999999", linewidth=0.8)
        axes.set(xticks=range(len(EVIDENCE)), xticklabels=list(EVIDENCE.values()), ylabel="mass over area")
        figure.legend(loc="outside lower center", ncols=4)
        figure.suptitle(f"Where maps of lesions lie: 1 is an even map, crosses are single seeds, {cohort}")
        save_figure(figure, png, pdf)


def _test_scores(scores_files: Sequence[Path], method: str) -> pd.DataFrame:
    """Return the scores of a method's test samples."""
    tables = [pd.read_parquet(path) for path in scores_files]
    scores = pd.concat(tables, ignore_index=True)
    return scores[(scores["split"] == "test") & (scores["method"] == method)]


def _boxes(axes: Axes, table: pd.DataFrame, maps: Sequence[str], kind: str) -> None:
    """Draw two boxes for each map, of correct and wrong predictions; a map without either has one."""
    for offset, (word, color) in zip((-0.19, 0.19), COLORS.items(), strict=True):
        part = table[table["correct"] == (word == "correct")]
        boxes = axes.boxplot(
            [part.loc[part["map"] == name, kind] for name in maps],
            positions=[place + offset for place in range(len(maps))],
            widths=0.32,
            orientation="horizontal",
            whis=(5, 95),
            showfliers=False,
            patch_artist=True,
            manage_ticks=False,
            medianprops={"color": "black"},
        )
        for box in boxes["boxes"]:
            box.set_facecolor(color)
    axes.axvline(0, color="#999999", linewidth=0.8)
    axes.grid(axis="x", alpha=0.3, linewidth=0.5)
