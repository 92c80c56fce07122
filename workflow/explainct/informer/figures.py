"""Pictures of the monitoring study: bootstrapped F1 as published, risk over coverage, and class maps of a nodule."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from explainct.data.samples.attributes import ATTRIBUTES
from explainct.data.samples.folds import rotating_fold
from explainct.data.samples.nodules import read_images
from explainct.informer.page import uncertainty_label
from explainct.informer.published import published_table
from explainct.informer.rules import MAP_LABELS, rules_of
from explainct.learning.explain.class_maps import map_maker
from explainct.learning.networks.classifier import load_classifier
from explainct.report.plot_style import RC, save_figure
from explainct.runtime.device import choose_compute
from explainct.scoring.metrics.distinctiveness import distinctiveness

COLORS = {"published": "#0072B2", "control": "#999999", "ours": "#D55E00"}
"""Colours of rules that are as published, controls, and ours."""
LINES = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#999999", "#000000", "#56B4E9", "#882255")


def alarm_boxplot(*, resamples_file: Path, maps: Sequence[str], cohort: str, png: Path, pdf: Path) -> None:
    """Draw the mean F1 of every rule on 30 bootstrapped test sets, as Figure 3 of INFORMER does.

    Args:
        resamples_file: the table of `explainct.informer.evaluation.published_resamples`.
        maps: names of the class maps of the study.
        cohort: the cohort in words, for the title.
        png: picture for the report.
        pdf: picture for a paper.
    """
    rules, table = rules_of(maps), pd.read_csv(resamples_file)
    medians = published_table().set_index("rule")["median"]
    printed = ", ".join(f"{name} {value}" for name, value in medians.items())
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(8.4, 0.3 * len(rules) + 1.4), layout="constrained")
        axes = figure.subplots()
        boxes = axes.boxplot(
            [table.loc[table["rule"] == rule.name, "mean_f1"] for rule in rules],
            orientation="horizontal",
            patch_artist=True,
            medianprops={"color": "black"},
            flierprops={"markersize": 3},
        )
        for box, rule in zip(boxes["boxes"], rules, strict=True):
            box.set_facecolor(COLORS[rule.source])
        axes.set(yticks=range(1, len(rules) + 1), yticklabels=[rule.label for rule in rules])
        axes.invert_yaxis()
        axes.grid(axis="x", alpha=0.3, linewidth=0.5)
        axes.set_xlabel("mean F1")
        handles = [matplotlib.patches.Patch(color=color, label=source) for source, color in COLORS.items()]
        figure.legend(handles=handles, loc="outside lower center", ncols=3)
        title = f"Mean F1 on 30 bootstrapped test sets, {cohort}"
        figure.suptitle(f"{title}\nMedians printed in the paper, on chest X-rays: {printed}", fontsize=8.5)
        save_figure(figure, png, pdf)


def risk_coverage_figure(*, curves_file: Path, errors_file: Path, cohort: str, png: Path, pdf: Path) -> None:
    """Draw the error rate of the most certain predictions over their share, for each score.

    Args:
        curves_file: the risk-coverage curves of `explainct.informer.evaluation.error_detection`.
        errors_file: its first table, with the areas under the curves.
        cohort: the cohort in words, for the title.
        png: picture for the report.
        pdf: picture for a paper.
    """
    curves, errors = pd.read_csv(curves_file), pd.read_csv(errors_file).set_index("score")
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(7.6, 5.2), layout="constrained")
        axes = figure.subplots()
        for number, (name, row) in enumerate(errors.iterrows()):
            curve = curves[curves["score"] == name]
            label = f"{uncertainty_label(str(name))} (area {row['aurc']:.3f})"
            style = "-" if name == "risk" else "--" if str(name).startswith("d_") else ":"
            axes.plot(curve["coverage"], curve["risk"], style, color=LINES[number % len(LINES)], label=label)
        axes.set(xlabel="share of predictions that are kept", ylabel="error rate", xlim=(0, 1), ylim=(0, None))
        axes.grid(alpha=0.3, linewidth=0.5)
        figure.legend(loc="outside lower center", ncols=2, fontsize=8)
        figure.suptitle(f"Abstaining from the least certain predictions, {cohort}")
        save_figure(figure, png, pdf)


def class_maps_figure(
    *,
    labels_file: Path,
    images_file: Path,
    model_file: Path,
    maps: Sequence[str],
    window: tuple[float, float],
    cohort: str,
    device: str,
    threads: int,
    png: Path,
    pdf: Path,
) -> None:
    """Draw the class maps of the first test nodule of fold 0 that has the most attributes, with their distinctiveness.

    Args:
        labels_file: the table of `explainct.informer.labels.label_nodules`.
        images_file: the HDF5 file of the nodules' images.
        model_file: the classifier of fold 0.
        maps: names of class maps.
        window: HU that become 0 and 1.
        cohort: the cohort in words, for the title.
        device: `auto`, `cpu` or `cuda`.
        threads: threads of the CPU.
        png: picture for the report.
        pdf: picture for a paper.
    """
    table, compute = pd.read_parquet(labels_file), choose_compute(device, threads)
    names = list(ATTRIBUTES)
    test = table.iloc[rotating_fold(table["group"].to_numpy(), 0).test]
    nodule = test.loc[test[names].sum(axis=1).idxmax()]
    image = read_images(images_file, np.array([nodule["row"]]), window)
    network = load_classifier(model_file, compute)
    batch = torch.from_numpy(image).to(compute.device)
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(1.45 * (1 + len(names)), 1.6 * len(maps) + 0.5), layout="constrained")
        panels = figure.subplots(len(maps), 1 + len(names), squeeze=False)
        for row, name in zip(panels, maps, strict=True):
            found = map_maker(name, network)(batch)
            d = distinctiveness(found)[0]
            planes = found[0, :, found.shape[2] // 2].detach().cpu().numpy()
            row[0].imshow(image[0, 0, image.shape[2] // 2], cmap="gray", vmin=0, vmax=1)
            row[0].set_title(MAP_LABELS[name], fontsize=8)
            for axes, plane, value, attribute in zip(row[1:], planes, d, names, strict=True):
                limit = float(np.abs(plane).max()) or 1.0
                axes.imshow(plane, cmap="RdBu_r", vmin=-limit, vmax=limit)
                axes.set_title(f"{attribute}: {nodule[attribute]}\nd = {value:.2f}", fontsize=8)
        for axes in panels.flat:
            axes.set_axis_off()
        figure.suptitle(f"Class maps of one test nodule, {cohort}")
        save_figure(figure, png, pdf)
