"""Generative augmentative explanation (GAX): a map that is optimised until its CO score reaches a target.

Tjoa et al., section 3. The published form is h = tanh(w * x + b) with Adam and a loss that keeps h away from x (Eq. 6).
Dark voxels of x hardly move there, since dh/dw is x (1 - h^2); and Adam moves every voxel by about its rate whatever
the gradient is, so |h| says little of where the evidence is. The normalised form takes h = tanh(v), and steps along the
gradient with a root mean square of a fixed size, so that a voxel moves as far as it matters; x + h is clipped to
[0, 1].
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import nn
from torch.nn.functional import adaptive_avg_pool3d

from explainct.errors import UserError
from explainct.gax.co_score import check_images, co_score, raw_logits
from explainct.learning.explain.postprocess import upsample

EPSILON = 1e-4
"""What keeps the similarity loss from dividing by 0 (Eq. 6)."""
BIAS = 0.01
"""Where the published bias starts."""
COARSE = 4
"""Voxels of the grid for each one of a map of low resolution, along each axis."""


@dataclass(frozen=True, kw_only=True)
class Form:
    """A form of GAX.

    Attributes:
        label: its name for readers.
        map: `scaled` for h = tanh(w * x) with or without b, `free` for tanh(v), `coarse` for tanh(v) with
            v on a grid of a quarter.
        optimiser: `adam`, or `normalised` for steps of a fixed root mean square along the gradient.
        rate: Adam's learning rate, or that root mean square.
        bias: whether h has the published bias b, for `scaled`.
        similarity: factor of the loss that keeps h away from x.
        clip: whether x + h is clipped to [0, 1].
    """

    label: str
    map: Literal["scaled", "free", "coarse"]
    optimiser: Literal["adam", "normalised"]
    rate: float
    bias: bool = False
    similarity: float = 0.0
    clip: bool = True


FORMS: dict[str, Form] = {
    "normalised": Form(label="Normalised steps (ours)", map="free", optimiser="normalised", rate=0.01),
    "low_resolution": Form(label="Low resolution (ours)", map="coarse", optimiser="normalised", rate=0.01),
    "additive_adam": Form(label="Additive, Adam", map="free", optimiser="adam", rate=0.01),
    "published": Form(
        label="Published: tanh(w * x + b)",
        map="scaled",
        optimiser="adam",
        rate=0.1,
        bias=True,
        similarity=100.0,
        clip=False,
    ),
    "published_without_bias": Form(
        label="Published: tanh(w * x)", map="scaled", optimiser="adam", rate=0.1, similarity=100.0, clip=False
    ),
}
"""All forms."""
OPTIMISERS = {"adam": torch.optim.Adam, "normalised": torch.optim.SGD}


class Generated(NamedTuple):
    """Maps of N images.

    Attributes:
        maps: the maps that were scored, float [N, 1, D, H, W] in [-1, 1].
        scores: their CO scores [N].
        iterations: steps that made each of them, int64 [N].
        reached: whether the score is at least the target, bool [N]; else the number of steps ran out.
        curves: CO score before each step, then that of the map, float [N, I + 1]; NaN after the end.
        kept: by number of the image and of steps, the maps that were asked for, float [1, D, H, W].
    """

    maps: torch.Tensor
    scores: torch.Tensor
    iterations: torch.Tensor
    reached: torch.Tensor
    curves: torch.Tensor
    kept: dict[int, dict[int, torch.Tensor]]


def generate(
    network: nn.Module,
    images: torch.Tensor,
    classes: torch.Tensor,
    targets: torch.Tensor,
    form: Form,
    *,
    iterations: int,
    keep: Sequence[int] = (),
) -> Generated:
    """Return a map of each image whose CO score for a class reaches a target, or the last one when the steps ran out.

    Images are independent of each other, and one that reached its target leaves the batch. The map that is returned is
    the one that was scored: the published code saves the map after the step that follows its score.

    Args:
        network: the classifier, in evaluation mode.
        images: float [N, 1, D, H, W] in [0, 1].
        classes: the class whose score rises, int64 [N].
        targets: CO score to reach [N].
        form: what is optimised, and how.
        iterations: most steps I.
        keep: numbers of steps after which maps are kept, 0 for the first map.

    Raises:
        UserError: images leave [0, 1], a target is not finite, or there is less than one step.
    """
    check_images(images)
    if iterations < 1 or not torch.isfinite(targets).all():
        raise UserError(
            f"GAX has {iterations} steps and the targets {targets.tolist()}; expected are 1 step or more, and finite "
            "targets. Set `confidence.iterations`, or give more correct validation predictions."
        )
    free = [_start(form, image) for image in images]
    optimiser = OPTIMISERS[form.optimiser]([part for parts in free for part in parts], lr=form.rate)
    with torch.no_grad():
        before = raw_logits(network, images)
    found = Generated(
        maps=torch.zeros_like(images),
        scores=torch.zeros(len(images), device=images.device),
        iterations=torch.zeros(len(images), dtype=torch.int64),
        reached=torch.zeros(len(images), dtype=torch.bool),
        curves=torch.full((len(images), iterations + 1), torch.nan),
        kept={number: {} for number in range(len(images))},
    )
    active = list(range(len(images)))
    with torch.enable_grad():
        for step in range(iterations + 1):
            maps = torch.stack([_heatmap(form, free[number], images[number]) for number in active])
            x = images[active]
            after = raw_logits(network, (x + maps).clamp(0, 1) if form.clip else x + maps)
            scores = co_score(before[active], after, classes[active])
            done = (scores >= targets[active]).tolist()
            _note(found, active, maps, scores, done, step, keep)
            left = [row for row, ended in enumerate(done) if not ended]
            if not left or step == iterations:
                break
            loss = (form.similarity * similarity_loss(maps, x) - scores)[left].sum()
            active = [active[row] for row in left]
            _take_step(optimiser, loss, [part for number in active for part in free[number]], form)
    return found


def similarity_loss(maps: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """Return what keeps maps [B, 1, D, H, W] away from the images [B] (Eq. 6), without its factor."""
    away = (maps - images + EPSILON).square() / (images + EPSILON)
    return 1 / away.flatten(1).mean(1)


def _start(form: Form, image: torch.Tensor) -> list[torch.Tensor]:
    """Return what is optimised of one image [1, D, H, W]: h = 0 at the start, but for the published form."""
    if form.map == "scaled":
        start = [torch.ones_like(image), torch.full_like(image, BIAS)][: 2 if form.bias else 1]
    elif form.map == "free":
        start = [torch.zeros_like(image)]
    else:
        cells = [max(1, size // COARSE) for size in image.shape[1:]]
        start = [torch.zeros_like(adaptive_avg_pool3d(image, cells))]
    return [part.requires_grad_() for part in start]


def _heatmap(form: Form, free: list[torch.Tensor], image: torch.Tensor) -> torch.Tensor:
    """Return the map of one image, [1, D, H, W] in [-1, 1]."""
    if form.map == "scaled":
        return torch.tanh(free[0] * image + (free[1] if form.bias else 0))
    return torch.tanh(free[0] if form.map == "free" else upsample(free[0], tuple(image.shape[1:])))


def _note(
    found: Generated,
    active: Sequence[int],
    maps: torch.Tensor,
    scores: torch.Tensor,
    done: Sequence[bool],
    step: int,
    keep: Sequence[int],
) -> None:
    """Write down maps and scores of the images that are still optimised, after `step` steps."""
    for row, number in enumerate(active):
        found.maps[number], found.scores[number] = maps[row].detach(), scores[row].detach()
        found.iterations[number], found.reached[number] = step, done[row]
        found.curves[number, step] = scores[row].item()
        if step in keep:
            found.kept[number][step] = maps[row].detach().clone()


def _take_step(optimiser: torch.optim.Optimizer, loss: torch.Tensor, free: list[torch.Tensor], form: Form) -> None:
    """Take one step of what is optimised; parts without a gradient, of images that are done, stay as they are."""
    optimiser.zero_grad()
    for part, gradient in zip(free, torch.autograd.grad(loss, free), strict=True):
        if form.optimiser == "normalised":
            scale = gradient.abs().amax()
            gradient = gradient / scale.where(scale > 0, 1.0)
            gradient = gradient / gradient.square().mean().sqrt().clamp_min(EPSILON)
        part.grad = gradient
    optimiser.step()
