"""Structured reports of test nodules: JSON, text, and one PDF page with pictures (CF-Align, section 5.4, Figure 6)."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch
from matplotlib.figure import Figure

from explainct.cfalign.alignment import share_inside
from explainct.cfalign.counterfactual import Problem, other_class, solve
from explainct.cfalign.networks import grad_cam, load_network
from explainct.cfalign.report_text import NOTICE, commanded_text, follow_up, report_text
from explainct.cfalign.spaces import Grid, ceiling_of_share
from explainct.cfalign.view_sets import ViewSet, read_views
from explainct.config.compared import COMPARED
from explainct.data.samples.attributes import ATTRIBUTES
from explainct.data.samples.tasks import TASKS
from explainct.errors import UserError
from explainct.report.plot_style import RC, save_figure
from explainct.runtime.device import choose_compute
from explainct.runtime.files import write_json, write_text

CLASSES = TASKS["malignancy"].labels
LETTERS = 105
"""Letters of a line of the page."""
SCHEMA = Path(__file__).with_name("nodule_report.schema.json")
"""The JSON schema of a report."""


@dataclass(frozen=True)
class Pictures:
    """What a page shows of a nodule, each [H, W]: its image, Grad-CAM, the change, and where its box lies."""

    image: np.ndarray
    cam: np.ndarray
    change: np.ndarray
    box: np.ndarray


def nodule_reports(
    *,
    table_file: Path,
    views_file: Path,
    model_file: Path,
    json_files: Sequence[Path],
    text_files: Sequence[Path],
    pdf_files: Sequence[Path],
    method: str,
    command: str,
    settings: Mapping[str, Any],
    window: tuple[float, float],
    cohort: str,
    device: str,
    threads: int,
) -> None:
    """Write a report of the first test nodules of different patients; no file holds an id.

    Args:
        table_file: the table of `explainct.cfalign.labels.label_views`.
        views_file: the HDF5 file of views.
        model_file: the network that predicts.
        json_files: become the reports as `SCHEMA` has them.
        text_files: become their text.
        pdf_files: become pages with text and pictures.
        method: the network's method.
        command: maps JSON to text; empty for the template.
        settings: `cell`, and the solver's `iterations`, `retries`, `tolerance` and `gate`.
        window: HU that become 0 and 1.
        cohort: the cohort in words.
        device: `auto`, `cpu` or `cuda`.
        threads: threads of the CPU.

    Raises:
        UserError: there are fewer test patients than reports, or the command fails.
    """
    compute = choose_compute(device, threads)
    views = read_views(table_file, views_file, "test", window)
    first = views.table.drop_duplicates("patient_id").index.to_numpy()[: len(json_files)]
    if len(first) < len(json_files):
        raise UserError(
            f"{len(json_files)} reports need as many test patients, but there are {len(first)}. "
            "Lower `counterfactual.reports`."
        )
    network = load_network(model_file, compute.device)
    shown = views.rows(first).seen_by(COMPARED[method].images)
    contents, pictures = described(network, shown, settings, method=method, cohort=cohort, device=compute.device)
    files = zip(contents, pictures, json_files, text_files, pdf_files, strict=True)
    for content, picture, json_file, text_file, pdf_file in files:
        text = commanded_text(command, content) if command else report_text(content)
        write_json(content, json_file)
        write_text(text, text_file)
        draw_page(text, picture, pdf_file)


def described(
    network: torch.nn.Module,
    views: ViewSet,
    settings: Mapping[str, Any],
    *,
    method: str,
    cohort: str,
    device: torch.device,
) -> tuple[list[dict[str, Any]], list[Pictures]]:
    """Return the content of a report and its pictures for each view.

    Args:
        network: the network that predicts.
        views: the views, as the network sees them.
        settings: see `nodule_reports`.
        method: the network's method.
        cohort: the cohort in words.
        device: where to compute.
    """
    images, boxes = (torch.from_numpy(array).float().to(device) for array in (views.images, views.boxes))
    space = Grid(settings["cell"])
    with torch.no_grad():
        probability = network(images).softmax(1)[:, 1]
    solver = {name: settings[name] for name in ("tolerance", "iterations", "retries")}
    found = solve(Problem(network, space, images, other_class(network, images)), **solver)
    predicted = (probability > 0.5).long()
    cams, change = grad_cam(network, images, predicted), space.change(images, found.z)
    values = {
        "probability": probability,
        "cam": share_inside(cams[:, None], boxes),
        "box": boxes.mean((1, 2, 3)),
        "inside": share_inside(change.abs(), boxes),
        "ceiling": ceiling_of_share(boxes, settings["cell"]),
        "sum": change.sum((1, 2, 3)),
        "flipped": found.flipped,
        "stationary": found.stationary(settings["gate"]),
    }
    numbers = {name: value.cpu().numpy() for name, value in values.items()}
    contents = [
        content_of(views, row, {name: value[row].item() for name, value in numbers.items()}, method, cohort)
        for row in range(len(views))
    ]
    arrays = (views.images[:, 0], cams.cpu().numpy(), change[:, 0].cpu().numpy(), views.boxes[:, 0])
    return contents, [Pictures(*parts) for parts in zip(*arrays, strict=True)]


def content_of(views: ViewSet, row: int, values: Mapping[str, float], method: str, cohort: str) -> dict[str, Any]:
    """Return the content of one report.

    Args:
        views: the views.
        row: which of them.
        values: `probability` of malignancy, shares `cam`, `box`, `inside` and `ceiling`, `sum` of the change, and
            whether the counterfactual is `flipped` and `stationary`.
        method: the network's method.
        cohort: the cohort in words.
    """
    nodule = views.table.iloc[row]
    malignant = values["probability"] > 0.5
    i, j = np.argwhere(views.masks[row, 0]).mean(0) - np.array(views.masks.shape[2:]) // 2
    other = CLASSES[1 - int(malignant)]
    return {
        "notice": NOTICE,
        "cohort": cohort,
        "nodule": row + 1,
        "size_mm": round(float(nodule["extent_mm"]), 1),
        "position_mm": {"right_of_centre": round(float(j), 1), "below_centre": round(float(i), 1)},
        "attributes": {
            name: attribute.positive if nodule[name] else attribute.negative for name, attribute in ATTRIBUTES.items()
        },
        "prediction": {
            "class": CLASSES[int(malignant)],
            "probability_malignant": round(values["probability"], 4),
            "method": COMPARED[method].label,
        },
        "explanation": {
            "grad_cam_in_box": share_of_one(values["cam"]),
            "box_share_of_image": share_of_one(values["box"]),
        },
        "counterfactual": {
            "reached_class": other if values["flipped"] else "none",
            "stationary": bool(values["stationary"]),
            "change_in_box": share_of_one(values["inside"]),
            "largest_possible_in_box": share_of_one(values["ceiling"]),
            "brighter": values["sum"] > 0,
        },
        "follow_up": follow_up(float(nodule["extent_mm"]), malignant),
    }


def share_of_one(value: float) -> float:
    """Return a share with four digits, in [0, 1]: sums in single precision reach a little beyond."""
    return round(min(max(value, 0.0), 1.0), 4)


def draw_page(text: str, pictures: Pictures, pdf: Path) -> None:
    """Draw a page of A4 with the text of a report above its pictures.

    Args:
        text: the report.
        pictures: image, Grad-CAM, change and box.
        pdf: the page to write.
    """
    limit = float(np.abs(pictures.change).max()) or 1.0
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(8.27, 11.69))
        figure.text(0.08, 0.95, "Report of a lung nodule", fontsize=14, va="top")
        lines = [textwrap.fill(line, LETTERS) for line in text.splitlines()]
        figure.text(0.08, 0.91, "\n".join(lines), fontsize=9, va="top", linespacing=1.4)
        panels = figure.subplots(1, 4, gridspec_kw={"left": 0.06, "right": 0.94, "bottom": 0.38, "top": 0.58})
        grey = {"cmap": "gray", "vmin": 0, "vmax": 1}
        panels[0].imshow(pictures.image, **grey)
        panels[1].imshow(pictures.image, **grey)
        panels[1].imshow(pictures.cam, cmap="inferno", alpha=0.5)
        panels[2].imshow(pictures.image + pictures.change, **grey)
        panels[3].imshow(pictures.change, cmap="RdBu_r", vmin=-limit, vmax=limit)
        for axes, title in zip(panels, ("image", "Grad-CAM", "counterfactual", "change"), strict=True):
            axes.contour(pictures.box, [0.5], colors="red", linewidths=0.8)
            axes.set_axis_off()
            axes.set_title(title)
        save_figure(figure, pdf)
