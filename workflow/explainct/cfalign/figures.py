"""Pictures of the counterfactual study: the paper's Figures 3, 4, 5 and 8, and what the reversed cue does."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from explainct.cfalign.counterfactual import Problem, other_class, solve
from explainct.cfalign.networks import grad_cam, load_network
from explainct.cfalign.published import published_table
from explainct.cfalign.spaces import Grid
from explainct.cfalign.view_sets import ViewSet, read_views
from explainct.config.compared import COMPARED
from explainct.data.samples.tasks import TASKS
from explainct.report.plot_style import RC, save_figure
from explainct.runtime.device import choose_compute

MODES = {"aligned": "#999999", "absent": "#0072B2", "reversed": "#D55E00"}
"""Colours of how the cue is shown."""
OURS = "#0072B2"
EXAMPLES = 6


def precision_figure(
    *, scores_file: Path, explanations_file: Path, methods: Sequence[str], cohort: str, png: Path, pdf: Path
) -> None:
    """Draw saliency precision and accuracy of every method, as Figure 3 of CF-Align, of the least cue in training.

    Args:
        scores_file: the table of `explainct.cfalign.scores.score_table`.
        explanations_file: the table of `explainct.cfalign.scores.explanation_table`.
        methods: names of the methods, in their order.
        cohort: the cohort in words, for the title.
        png: picture for the report.
        pdf: picture for a paper.
    """
    scores, explanations = pd.read_csv(scores_file), pd.read_csv(explanations_file)
    least = explanations["strength"].min()
    precision = explanations.query("measure == 'saliency_precision' and strength == @least")
    accuracy = scores.query("metric == 'accuracy' and split == 'test' and mode == 'absent' and strength == @least")
    printed = published_table().set_index("measure")
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(8.4, 0.34 * len(methods) + 1.5), layout="constrained")
        for axes, table, name in zip(
            figure.subplots(1, 2, sharey=True), (precision, accuracy), ("saliency_precision", "accuracy"), strict=True
        ):
            _bars(axes, table.set_index("method").loc[list(methods)])
            axes.axvline(printed.loc[name, "percent"] / 100, color="black", linestyle=":")
            axes.set(xlabel=f"{name.replace('_', ' ')} (dotted: {printed.loc[name, 'row']} in the paper)", xlim=(0, 1))
        axes.invert_yaxis()
        cue = f"trained with a cue of strength {least:g}, tested without" if least else "no planted cue"
        figure.suptitle(f"Saliency precision and accuracy, {cue}, {cohort}")
        save_figure(figure, png, pdf)


def cue_figure(*, scores_file: Path, methods: Sequence[str], cohort: str, png: Path, pdf: Path) -> None:
    """Draw the test AUC of every method with the cue aligned, absent and reversed.

    Args:
        scores_file: the table of `explainct.cfalign.scores.score_table`.
        methods: names of the methods, in their order.
        cohort: the cohort in words, for the title.
        png: picture for the report.
        pdf: picture for a paper.
    """
    table = pd.read_csv(scores_file).query("metric == 'auc' and split == 'test'")
    strengths = sorted(table["strength"].unique())
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(2.9 * len(strengths) + 1.6, 0.34 * len(methods) + 1.6), layout="constrained")
        panels = figure.subplots(1, len(strengths), sharey=True, squeeze=False)[0]
        for axes, strength in zip(panels, strengths, strict=True):
            for shift, (mode, color) in enumerate(MODES.items()):
                some = table[(table["strength"] == strength) & (table["mode"] == mode)].set_index("method")
                if len(some):
                    some = some.loc[list(methods)]
                    where = np.arange(len(methods)) + 0.22 * (shift - 1)
                    spread = np.abs(some[["low", "high"]].to_numpy() - some[["value"]].to_numpy()).T
                    axes.errorbar(some["value"], where, xerr=spread, fmt="o", color=color, markersize=4, label=mode)
            axes.axvline(0.5, color="black", linewidth=0.5)
            axes.set(xlim=(0, 1), xlabel="AUC", title=f"cue of strength {strength:g}" if strength else "no cue")
            axes.set(yticks=range(len(methods)), yticklabels=[COMPARED[name].label for name in methods])
        panels[0].invert_yaxis()
        handles, labels = panels[-1].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, title="the cue in test images")
        figure.suptitle(f"What the planted cue does, {cohort}")
        save_figure(figure, png, pdf)


def changes_figure(
    *,
    table_file: Path,
    views_file: Path,
    model_file: Path,
    method: str,
    settings: Mapping[str, Any],
    window: tuple[float, float],
    cohort: str,
    device: str,
    threads: int,
    png: Path,
    pdf: Path,
) -> None:
    """Draw counterfactual images of test views and their changes, as Figure 4 of CF-Align.

    Args:
        table_file: the table of `explainct.cfalign.labels.label_views`.
        views_file: the HDF5 file of views.
        model_file: a network, trained with the least cue.
        method: the network's method.
        settings: `cell`, and the solver's `iterations`, `retries`, `tolerance` and `gate`.
        window: HU that become 0 and 1.
        cohort: the cohort in words, for the title.
        device: `auto`, `cpu` or `cuda`.
        threads: threads of the CPU.
        png: picture for the report.
        pdf: picture for a paper.
    """
    compute = choose_compute(device, threads)
    views = examples(read_views(table_file, views_file, "test", window)).seen_by(COMPARED[method].images)
    network, images = load_network(model_file, compute.device), torch.from_numpy(views.images).to(compute.device)
    space = Grid(settings["cell"])
    solver = {name: settings[name] for name in ("tolerance", "iterations", "retries")}
    found = solve(Problem(network, space, images, other_class(network, images)), **solver)
    changes = space.change(images, found.z).cpu().numpy()[:, 0]
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(1.3 * len(views), 4.4), layout="constrained")
        for column, panels in enumerate(figure.subplots(3, len(views), squeeze=False).T):
            image, change = views.images[column, 0], changes[column]
            limit = float(np.abs(change).max()) or 1.0
            panels[0].imshow(image, cmap="gray", vmin=0, vmax=1)
            panels[1].imshow(image + change, cmap="gray", vmin=0, vmax=1)
            panels[2].imshow(change, cmap="RdBu_r", vmin=-limit, vmax=limit)
            for axes in panels:
                axes.contour(views.masks[column, 0], [0.5], colors="#E69F00", linewidths=0.6)
                axes.set_axis_off()
            words = TASKS["malignancy"].labels
            flipped = words[found_class(found.margin[column], network, images[[column]])]
            panels[0].set_title(f"readers: {words[views.labels[column]]}", fontsize=7)
            panels[1].set_title(f"now: {flipped}", fontsize=7)
            panels[2].set_title(f"up to {limit:.2f}", fontsize=7)
        figure.suptitle(f"Image, counterfactual and change (red: brighter); {COMPARED[method].label}, {cohort}")
        save_figure(figure, png, pdf)


def found_class(margin: torch.Tensor, network: torch.nn.Module, image: torch.Tensor) -> int:
    """Return the class of a counterfactual: the other one of the image's if its margin is above 0."""
    predicted = int(network(image).argmax(1))
    return 1 - predicted if float(margin) > 0 else predicted


def saliency_figure(
    *,
    table_file: Path,
    views_file: Path,
    model_files: Sequence[Path],
    methods: Sequence[str],
    window: tuple[float, float],
    cohort: str,
    device: str,
    threads: int,
    png: Path,
    pdf: Path,
) -> None:
    """Draw Grad-CAM of the predicted class of test views for each method, as Figures 5 and 8 of CF-Align.

    Args:
        table_file: the table of `explainct.cfalign.labels.label_views`.
        views_file: the HDF5 file of views.
        model_files: a network of each method, trained with the least cue.
        methods: names of the methods, in the order of the files.
        window: HU that become 0 and 1.
        cohort: the cohort in words, for the title.
        device: `auto`, `cpu` or `cuda`.
        threads: threads of the CPU.
        png: picture for the report.
        pdf: picture for a paper.
    """
    compute = choose_compute(device, threads)
    shown = examples(read_views(table_file, views_file, "test", window))
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(max(1.25 * len(methods), 4.5), 1.25 * len(shown) + 0.8), layout="constrained")
        panels = figure.subplots(len(shown), len(methods), squeeze=False)
        for column, (name, path) in enumerate(zip(methods, model_files, strict=True)):
            network, views = load_network(path, compute.device), shown.seen_by(COMPARED[name].images)
            images = torch.from_numpy(views.images).to(compute.device)
            maps = grad_cam(network, images, network(images).argmax(1)).cpu().numpy()
            for row, axes in enumerate(panels[:, column]):
                axes.imshow(views.images[row, 0], cmap="gray", vmin=0, vmax=1)
                axes.imshow(maps[row], cmap="inferno", alpha=0.5)
                axes.contour(views.boxes[row, 0], [0.5], colors="red", linewidths=0.8)
                axes.set_axis_off()
            panels[0, column].set_title(COMPARED[name].label.replace(", ", ",\n"), fontsize=7)
        figure.suptitle(f"Grad-CAM of the predicted class, boxes of nodules in red,\n{cohort}")
        save_figure(figure, png, pdf)


def examples(views: ViewSet) -> ViewSet:
    """Return the first view of six nodules of different patients, three of each class where there are as many."""
    first = views.table.drop_duplicates("patient_id")
    chosen = [index for label in (0, 1) for index in first.index[first["label"] == label][: EXAMPLES // 2]]
    return views.rows(np.array(chosen))


def _bars(axes: Axes, table: pd.DataFrame) -> None:
    """Draw values with their intervals, a bar a method."""
    spread = np.abs(table[["low", "high"]].to_numpy() - table[["value"]].to_numpy()).T
    axes.barh(range(len(table)), table["value"], xerr=spread, color=OURS, height=0.7, error_kw={"linewidth": 0.8})
    axes.set(yticks=range(len(table)), yticklabels=[COMPARED[name].label for name in table.index])
