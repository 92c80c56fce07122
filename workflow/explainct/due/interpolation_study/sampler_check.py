"""Check the variance of draws: few steps against many, and few draws against what they tend to."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from explainct.due.interpolation.diffusion import Interpolator
from explainct.due.interpolation.filling import draw_gaps, expect_gaps, pixel_variance
from explainct.due.interpolation.gaps import ABOVE, BELOW, Gap
from explainct.due.interpolation.slice_scores import dice, pooled, region_of
from explainct.runtime.files import write_csv
from explainct.seeds import torch_generator

FEWEST_DRAWS = 2

log = logging.getLogger(__name__)


def check_variance(
    interpolator: Interpolator,
    gaps: Sequence[Gap],
    *,
    steps: Sequence[int],
    draws: int,
    seed: int,
    steps_file: Path,
    draws_file: Path,
) -> None:
    """Write how the draws' variance depends on the number of steps and on the number of draws.

    All pixels are those within 3 pixels of the slices around.

    Args:
        interpolator: a trained model.
        gaps: gaps with known slices.
        steps: lengths of the chain, ascending; the others are compared with the longest.
        draws: number of draws T of each slice.
        seed: seed of the noise.
        steps_file: CSV, a row per length: mean variance, its ratio to that of the longest chain and to p (1 - p) of the
            mean of all draws, rank correlation with the longest chain's variance, Dice of single draws and of the mean.
        draws_file: CSV, a row per number of draws 2, 4, 8, ..., in the longest chain: rank correlation of the variance
            with p (1 - p), its root mean squared error, and error AUROC.
    """
    regions = [np.repeat(region_of(gap.contexts[BELOW : ABOVE + 1])[None], len(gap.z), 0) for gap in gaps]
    truth = pooled([gap.truth >= 0.5 for gap in gaps], regions)
    device = interpolator.device
    means = expect_gaps(interpolator, gaps, torch_generator(seed, "sampler", device=device))
    expected = pooled([mean.cpu().numpy() for mean in means], regions)
    limit = expected * (1 - expected)
    rows, variances = [], {}
    for length in steps:
        generator = torch_generator(seed, "sampler", length, device=device)
        settings = {"draws": draws, "steps": length, "filling": "direct"}
        drawn = draw_gaps(interpolator, gaps, settings, generator)
        variances[length] = _variance(drawn, regions, draws)
        single = [dice(draw[0].cpu().numpy(), gap.truth) for draw, gap in zip(drawn, gaps, strict=True)]
        whole = [dice(draw.mean(0).cpu().numpy(), gap.truth) for draw, gap in zip(drawn, gaps, strict=True)]
        rows.append(
            {
                "steps": length,
                "draws": draws,
                "slices": len(np.concatenate(single)),
                "variance": variances[length].mean() * draws / (draws - 1),
                "dice_single": np.concatenate(single).mean(),
                "dice_mean": np.concatenate(whole).mean(),
            }
        )
        log.info("%d steps: variance %.4f", length, rows[-1]["variance"])
    table = pd.DataFrame(rows)
    table["ratio_to_longest"] = table["variance"] / table["variance"].iloc[-1]
    table["ratio_to_limit"] = table["variance"] / limit.mean()
    table["spearman_longest"] = [spearmanr(variances[length], variances[steps[-1]]).statistic for length in steps]
    write_csv(table, steps_file)
    write_csv(_convergence(drawn, regions, limit, (expected >= 0.5) != truth), draws_file)


def _convergence(
    drawn: Sequence[torch.Tensor], regions: Sequence[np.ndarray], limit: np.ndarray, wrong: np.ndarray
) -> pd.DataFrame:
    """Return how the variance of the first T of all draws approaches its limit [N], and ranks wrong pixels [N]."""
    rows, count = [], FEWEST_DRAWS
    while count <= len(drawn[0]):
        variance = _variance(drawn, regions, count)
        rows.append(
            {
                "draws": count,
                "spearman_limit": spearmanr(variance, limit).statistic,
                "rmse_limit": np.sqrt(np.mean((variance * count / (count - 1) - limit) ** 2)),
                "error_auroc": roc_auc_score(wrong, variance),
                "error_auroc_limit": roc_auc_score(wrong, limit),
            }
        )
        count *= 2
    return pd.DataFrame(rows)


def _variance(drawn: Sequence[torch.Tensor], regions: Sequence[np.ndarray], count: int) -> np.ndarray:
    """Return the population variance of the first draws at all pixels of the regions."""
    return pooled([pixel_variance(draws[:count]).variance.cpu().numpy() for draws in drawn], regions)
