"""Write and read trained models: weights, and the settings that they need."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch

from explainct.due.interpolation.unet import OutlineModel
from explainct.errors import UserError
from explainct.runtime import checkpoint

ANSWERS = "tied to slices within a pixel"
"""How weights become answers. Weights of another kind may have the same shapes, and would answer wrongly."""

Model = TypeVar("Model", bound=OutlineModel)


def save_model(model: OutlineModel, path: Path) -> None:
    """Write a model's weights, and the settings that they need, to `path`."""
    weights = {name: value.cpu() for name, value in model.state_dict().items()}
    checkpoint.save({"answers": ANSWERS, "settings": model.settings, "weights": weights}, path)


def check_answers(content: Mapping[str, Any]) -> None:
    """Check that a model's file is of this kind of answers.

    Raises:
        KeyError: it is of another kind.
    """
    if content.get("answers") != ANSWERS:
        raise KeyError("answers")


def load_model(kind: type[Model], path: Path, device: torch.device | str = "cpu") -> Model:
    """Read a model of class `kind` that `save_model` wrote, on `device`, ready to predict.

    Raises:
        UserError: the file holds something else.
    """
    content = checkpoint.load(path)
    try:
        check_answers(content)
        model = kind(content["settings"])
        model.load_state_dict(content["weights"])
    except (KeyError, RuntimeError) as error:
        raise UserError(
            f"{path} does not hold the weights of a {kind.__name__} of this version. "
            "Delete it and run the workflow again."
        ) from error
    return model.to(device).eval()
