"""Names of maps, augmentations and methods of the confidence study, in tables and for readers."""

from explainct.config.methods import METHODS

ADVERSARIAL = "adversarial"
"""The control whose map is the sign of the score's own gradient."""
TARGET_MAP = "saliency"
"""The map whose distribution sets the targets of GAX."""
ADD, MULTIPLY, STEP = "add", "multiply", "step_"
"""Augmentations: `add` and `multiply` as published, `step_0.02` a step of that root mean square."""

MAP_LABELS = {
    "saliency": "Saliency",
    "input_x_gradient": "Input x Gradient",
    "deconvolution": "Deconvolution",
    "guided_backpropagation": "Guided Backprop",
    "deep_lift": "DeepLift",
    "grad_cam_first": "Grad-CAM, first layer",
    "grad_cam_last": "Grad-CAM, last layer",
    ADVERSARIAL: "Adversarial sign (control)",
}
AUGMENTATION_LABELS = {ADD: "x + h, h / max|h|", MULTIPLY: "x * h, h / max|h|"}


def map_label(name: str) -> str:
    """Return the name for readers of a map.

    >>> map_label("deep_lift"), map_label("grad_cam_layer2")
    ('DeepLift', 'Grad-CAM, layer2')
    """
    return MAP_LABELS.get(name) or f"Grad-CAM, {name.removeprefix('grad_cam_')}"


def step_name(rms: float) -> str:
    """Return the name of a step of a root mean square, which is a share of the range of images.

    >>> step_name(0.02)
    'step_0.02'
    """
    return f"{STEP}{rms:g}"


def augmentation_label(name: str) -> str:
    """Return the name for readers of an augmentation.

    >>> augmentation_label("step_0.02")
    'x + step of rms 0.02'
    """
    return AUGMENTATION_LABELS.get(name) or f"x + step of rms {name.removeprefix(STEP)}"


def method_label(name: str) -> str:
    """Return the name for readers of a method."""
    return METHODS[name].label
