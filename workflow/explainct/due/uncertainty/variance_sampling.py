"""Mean and variance of the diffusion interpolator, of draws (DUE, section 4.3, Algorithm 1) or of its first step."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from explainct.due.interpolation.diffusion import Interpolator
from explainct.due.interpolation.filling import Filled, diffuse_gaps
from explainct.due.interpolation.gaps import Gap, by_size, gap_between
from explainct.due.interpolation.model_file import load_model
from explainct.due.interpolation.slice_patches import LesionPatches, load_patches
from explainct.due.interpolation.teaching_lesions import teaching_lesions
from explainct.errors import UserError
from explainct.runtime.device import choose_compute
from explainct.runtime.hdf5 import writing_hdf5
from explainct.seeds import numpy_generator, torch_generator

log = logging.getLogger(__name__)

PLANES = 4
"""Target slices of a gap, one anywhere in each quarter: the planes of a grid lie anywhere between slices too."""

LEAST_SHARE = 1e-3
"""Least distance of a target slice from an annotated one, in gaps."""

BLOCK = 8
"""Gaps filled together, which bounds memory."""

LOG_EVERY = 20
"""Blocks between two lines of the log."""


def choose_gaps(patches: Sequence[LesionPatches], *, count: int, max_gap: int, seed: int) -> list[Gap]:
    """Return gaps between annotated slices, with four target slices each, drawn by seed.

    They are the gaps that lesions have, and those that open when only every second, third, ... annotated slice is kept.
    A larger `count` adds gaps and leaves the first ones as they are.

    Args:
        patches: lesions with their annotated slices.
        count: number of gaps; there are fewer where the lesions have no more.
        max_gap: longest distance between kept slices, in slices.
        seed: seed of the choice, and of where the target slices lie.
    """
    places = [
        (lesion, range(0, len(lesion.patches), every), lower)
        for every in range(1, max_gap + 1)
        for lesion in patches
        for lower in range((len(lesion.patches) - 1) // every)
    ]
    order = numpy_generator(seed, "uncertainty", "gaps").permutation(len(places))[:count]
    return [_gap(*places[index], numpy_generator(seed, "uncertainty", "planes", int(index))) for index in order]


def _gap(lesion: LesionPatches, kept: range, lower: int, generator: np.random.Generator) -> Gap:
    """Return the gap above the annotated slice `kept[lower]` with target slices drawn by `generator`."""
    start, stop = lesion.z_mm[[kept[lower], kept[lower + 1]]]
    t = (np.arange(PLANES) + generator.random(PLANES)) / PLANES
    return gap_between(lesion, kept, lower, start + t.clip(LEAST_SHARE, 1 - LEAST_SHARE) * (stop - start))


def sample_variance(
    *,
    lesions_file: Path,
    slices_file: Path,
    splits_file: Path,
    samples_file: Path | None,
    model_file: Path,
    taught_by: Mapping[str, Any],
    settings: dict[str, Any],
    seed: int,
    device: str,
    threads: int,
    out_file: Path,
) -> None:
    """Make mean and variance of slices in gaps of the lesions that teach: of draws (Algorithm 1), or p and p (1 - p).

    Args:
        lesions_file: `annotate/lesions.parquet`.
        slices_file: `annotate/slices.h5`.
        splits_file: `samples/splits.parquet`; none of a patient for validation or testing teaches.
        samples_file: `samples/samples.parquet`, where samples choose the lesions.
        model_file: the trained interpolator.
        taught_by: which lesions have such gaps, see `teaching_lesions`.
        settings: `size` and `max_gap` of the section `interpolate`, `gaps` and `estimate` of `uncertainty`; and where
            draws estimate the variance, `draws` of `uncertainty`, and `steps` and `filling` of `interpolate`.
        seed: seed of the choice of gaps and of the draws.
        device: where to compute, see `choose_compute`.
        threads: CPU threads.
        out_file: HDF5 file to write, as docs/architecture.md describes it.

    Raises:
        UserError: no lesion that teaches has two annotated slices.
    """
    compute = choose_compute(device, threads)
    lesions = teaching_lesions(
        lesions_file=lesions_file, splits_file=splits_file, samples_file=samples_file, taught_by=taught_by
    )
    patches = load_patches(lesions=lesions, slices_file=slices_file, size=settings["size"])
    chosen = choose_gaps(patches, count=settings["gaps"], max_gap=settings["max_gap"], seed=seed)
    if not chosen:
        raise UserError(
            f"No training lesion in {lesions_file} has two annotated slices, so there is no gap to sample the "
            "variance of. Lower `annotate.keep_every`, or add scans to the training split."
        )
    interpolator = load_model(Interpolator, model_file, compute.device)
    sample_gaps(interpolator, chosen, settings=settings, seed=seed, out_file=out_file)


def sample_gaps(
    interpolator: Interpolator, gaps: Sequence[Gap], *, settings: Mapping[str, Any], seed: int, out_file: Path
) -> None:
    """Write mean and variance of the target slices of gaps.

    Args:
        interpolator: a trained model.
        gaps: what is filled.
        settings: `estimate`, and where that is `draws`: `draws`, `steps` and `filling`.
        seed: seed of the draws.
        out_file: HDF5 file to write.
    """
    starts = range(0, len(gaps), BLOCK)
    generator = torch_generator(seed, "uncertainty", "variance", device=interpolator.device)
    statistics: list[Filled] = []
    for done, start in enumerate(starts, start=1):
        statistics += diffuse_gaps(interpolator, gaps[start : start + BLOCK], settings, generator)
        if done % LOG_EVERY == 0 or done == len(starts):
            log.info("%d/%d gaps", len(statistics), len(gaps))
    draws = settings["draws"] if settings["estimate"] == "draws" else 0
    _write(out_file, gaps, statistics, {"draws": draws, "seed": seed})


def _write(
    out_file: Path,
    gaps: Sequence[Gap],
    statistics: Sequence[Filled],
    attributes: dict[str, int],
) -> None:
    """Write gaps and the statistics of their target slices, one group per patch size."""
    with writing_hdf5(out_file) as file:
        file.attrs.update(attributes)
        for size, numbers in by_size(gaps).items():
            group, chosen = file.create_group(str(size)), [gaps[number] for number in numbers]
            patches = {
                # [M, S, S] to [N, S, S]
                "mean": np.concatenate([statistics[number].mean.cpu().numpy() for number in numbers]),
                "variance": np.concatenate([statistics[number].variance.cpu().numpy() for number in numbers]),
                "contexts": np.stack([gap.contexts for gap in chosen]),  # [G, 4, S, S]
                "disagreement": np.stack([gap.disagreement for gap in chosen]),
            }
            content = {
                "context_z": np.stack([gap.context_z for gap in chosen]).astype(np.float32),  # [G, 4]
                "shown": np.stack([gap.shown for gap in chosen]),
                "pixel_mm": np.array([gap.pixel_mm for gap in chosen], np.float32),
                "gap": np.repeat(np.arange(len(chosen)), [len(gap.z) for gap in chosen]),  # [N]
                "z": np.concatenate([gap.z for gap in chosen]).astype(np.float32),
                **{name: values.astype(np.float16) for name, values in patches.items()},
            }
            group.create_dataset("lesion", data=[gap.lesion_id for gap in chosen], dtype=h5py.string_dtype())
            for name, values in content.items():
                group.create_dataset(name, data=values, compression="gzip")
