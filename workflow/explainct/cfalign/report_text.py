"""The words of a nodule's report: from a template by rule, or by a command of the user (CF-Align, section 5.4)."""

import json
import shlex
import subprocess
from collections.abc import Mapping
from typing import Any

from explainct.data.samples.attributes import ATTRIBUTES
from explainct.errors import UserError

NOTICE = "Research use, not for diagnosis."
SMALL_MM, LARGE_MM = 6.0, 8.0
"""Sizes at which the follow-up of a single solid nodule changes (MacMahon et al., Fleischner Society, 2017)."""
COMMAND_SECONDS = 300


def follow_up(size_mm: float, malignant: bool) -> str:
    """Return the follow-up wording, by size (Fleischner 2017, single solid nodule, high risk) and prediction.

    Args:
        size_mm: the nodule's larger side in-plane.
        malignant: what the network predicts; it only ever asks for more.

    >>> follow_up(5.0, False)
    'No follow-up is suggested by size alone.'
    """
    if size_mm < SMALL_MM and not malignant:
        return "No follow-up is suggested by size alone."
    if size_mm <= LARGE_MM and not malignant:
        return "A CT after 6 to 12 months is suggested."
    return "A CT after 3 months, PET/CT or tissue sampling is suggested."


def report_text(content: Mapping[str, Any]) -> str:
    """Return a report in sentences, in the order of the paper's prompt: finding, impression, follow-up.

    Args:
        content: the report as its schema has it.
    """
    prediction, counterfactual = content["prediction"], content["counterfactual"]
    found = ", ".join(f"{name} {content['attributes'][name]}" for name in ATTRIBUTES)
    malignant = prediction["class"] == "malignant"
    etiology = (
        "These features may suggest a malignant etiology."
        if malignant
        else "These features suggest that the nodule is likely benign."
    )
    if counterfactual["reached_class"] == "none":
        change = "No change on the grid makes the network say the other class."
    else:
        change = (
            f"The network would say {counterfactual['reached_class']} after a change, {_brighter(counterfactual)} in "
            f"sum, of which {counterfactual['change_in_box']:.0%} lie in the nodule's box; "
            f"{counterfactual['largest_possible_in_box']:.0%} could."
        )
        if not counterfactual["stationary"]:
            change += " The solver did not converge, so this change is not the smallest one."
    return "\n".join(
        [
            f"{content['notice']} Cohort: {content['cohort']}.",
            "",
            "FINDINGS",
            f"A nodule of {content['size_mm']:.0f} mm lies {_from_centre(content['position_mm'])} of the image. "
            f"By its readers: {found}.",
            "",
            "IMPRESSION",
            f"The network ({prediction['method']}) predicts {prediction['class']}, with a probability of malignancy of "
            f"{prediction['probability_malignant']:.2f}, which is not calibrated. {etiology}",
            f"{content['explanation']['grad_cam_in_box']:.0%} of Grad-CAM lie in the nodule's box, which is "
            f"{content['explanation']['box_share_of_image']:.0%} of the image.",
            change,
            "",
            "FOLLOW-UP",
            content["follow_up"],
            "",
        ]
    )


def commanded_text(command: str, content: Mapping[str, Any]) -> str:
    """Return what a command of the user writes when it reads a report as JSON; the notice stands first.

    Args:
        command: the command with its arguments, run without a shell.
        content: the report as its schema has it.

    Raises:
        UserError: the command is missing, fails, takes more than five minutes, or writes nothing.
    """
    try:
        done = subprocess.run(
            shlex.split(command),
            input=json.dumps(content),
            capture_output=True,
            text=True,
            check=True,
            timeout=COMMAND_SECONDS,
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise UserError(
            f"Setting `counterfactual.report_command` is `{command}`, which failed: {error}. "
            "Mend it, or leave it empty for the template."
        ) from error
    if not done.stdout.strip():
        raise UserError(f"Setting `counterfactual.report_command` is `{command}`, which wrote nothing. Mend it.")
    return f"{content['notice']}\n\n{done.stdout}"


def _from_centre(position: Mapping[str, float]) -> str:
    """Return where a nodule lies from the middle of its image, in whole mm."""
    right, below = round(position["right_of_centre"]), round(position["below_centre"])
    parts = [f"{abs(right)} mm {'right' if right > 0 else 'left'}"] if right else []
    parts += [f"{abs(below)} mm {'below' if below > 0 else 'above'}"] if below else []
    return f"{' and '.join(parts)} of the middle" if parts else "in the middle"


def _brighter(counterfactual: Mapping[str, Any]) -> str:
    return "brighter" if counterfactual["brighter"] else "darker"
