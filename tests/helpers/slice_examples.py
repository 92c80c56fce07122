"""Slices with known shapes, what is known around target slices, and networks that know the answer."""

from dataclasses import replace

import numpy as np
import torch

from explainct.due.interpolation.classical import clipped_field
from explainct.due.interpolation.gaps import Surroundings
from explainct.due.interpolation.noise_schedule import signal_and_noise
from explainct.due.interpolation.slice_patches import LesionPatches, Place

SIZE = 16


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def disc(radius: float, centre: tuple[float, float] = (7.5, 7.5), size: int = SIZE) -> np.ndarray:
    i, j = np.indices((size, size))
    return ((i - centre[0]) ** 2 + (j - centre[1]) ** 2 <= radius**2).astype(np.float32)


def hook(size: int = SIZE) -> np.ndarray:
    """Return a shape whose eight orientations differ."""
    mask = np.zeros((size, size), np.float32)
    mask[2:9, 3:6] = mask[7:9, 3:11] = 1
    return mask


EMPTY = np.zeros((SIZE, SIZE), np.float32)
RING = disc(6) - disc(2)
PIECES = disc(2, (4, 4)) + disc(2.5, (11, 10))
# Of equal areas, or mirror images of one another, or the same.
SHAPES = {
    "hook": hook(),
    "mirrored": hook()[:, ::-1].copy(),
    "transposed": hook().T.copy(),
    "upside_down": hook()[::-1].copy(),
    "moved": np.roll(hook(), (3, 2), (0, 1)),
    "empty": EMPTY,
    "full": np.ones_like(EMPTY),
    "ring": RING,
    "pieces": PIECES,
    "disc": disc(5),
}


def around_of(
    context_slices: list[np.ndarray],
    context_z: list[float],
    z: float,
    shown: list[bool] | None = None,
    pixel_mm: float = 0.7,
) -> Surroundings:
    """Return what is known around one target slice, given the four context slices."""
    return Surroundings(
        fields=torch.from_numpy(np.stack([clipped_field(patch) for patch in context_slices]))[None],
        disagreement=disagreement_of(context_slices)[None],
        context_z=torch.tensor([context_z], dtype=torch.float32),
        shown=torch.tensor([[True] * 4 if shown is None else shown]),
        z=torch.tensor([z], dtype=torch.float32),
        pixel_mm=torch.tensor([pixel_mm]),
    )


def disagreement_of(context_slices: list[np.ndarray]) -> torch.Tensor:
    """Return what some reader could have left out or added: nothing of an empty slice, and different for each shape."""
    return torch.from_numpy(np.stack([0.25 * (np.roll(patch, 1, 0) - patch) for patch in context_slices])).float()


def several(*parts: Surroundings) -> Surroundings:
    names = ("fields", "disagreement", "context_z", "shown", "z", "pixel_mm")
    return Surroundings(*(torch.cat([getattr(part, name) for part in parts]) for name in names))


def three_slices() -> Surroundings:
    """Return what is known around three target slices, of which the second lacks both outer context slices."""
    hooks = [SHAPES["hook"], SHAPES["moved"], SHAPES["disc"], SHAPES["ring"]]
    return several(
        around_of(hooks, [0, 2, 5, 7], 3),
        around_of(hooks[::-1], [0, 1, 3, 4], 2.5, [False, True, True, False], 0.9),
        around_of([disc(3), PIECES, hook().T, disc(6)], [-3, -1, 1, 3], 0),
    )


def reversed_z(around: Surroundings) -> Surroundings:
    """Return the same slices upside down in z."""
    return replace(
        around,
        fields=around.fields.flip(1),
        disagreement=around.disagreement.flip(1),
        context_z=-around.context_z.flip(1),
        shown=around.shown.flip(1),
        z=-around.z,
    )


def lesion_of(patches: list[np.ndarray], z_mm: list[float], name: str = "P0", pixel_mm: float = 0.8) -> LesionPatches:
    masks = np.stack(patches).astype(np.float32)
    return LesionPatches(
        f"{name}-s0-n0",
        masks,
        np.array(z_mm, float),
        pixel_mm,
        name,
        Place(0, 0, 1, 1),
        disagreement_of(patches).numpy(),
    )


class Known(torch.nn.Module):
    """A network that answers from the planes alone; `answer` takes planes [B, P, S, S] and levels [B] to logits."""

    def __init__(self, answer) -> None:
        super().__init__()
        self.nothing = torch.nn.Parameter(torch.zeros(()))
        self.answer = answer

    def forward(self, planes: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
        return self.answer(planes, level)


def shown_nearest(planes: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
    """Be sure that the target slice is the nearest annotated one; the noisy slice comes before the conditions."""
    return 10_000 * planes[:, 1:2]


def exactly(p: float):
    """Return the exact logit of pixels that are inside with probability `p`, given the noisy slice (Bayes' rule)."""

    def answer(planes: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
        signal, noise = signal_and_noise(level[:, None, None, None])
        return torch.logit(torch.tensor(p)) + 2 * signal * planes[:, :1] / noise**2

    return answer
