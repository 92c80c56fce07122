"""The monitoring study as tables: every rule, every score, and the published numbers beside them."""

import logging
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from explainct.informer.evaluation import (
    Draws,
    class_aucs,
    error_detection,
    likelihood_ratios,
    published_resamples,
    rule_differences,
    score_table,
    scores_by_draw,
    uncertainties,
)
from explainct.informer.page import TITLE, study_parts
from explainct.informer.published import published_table
from explainct.informer.rules import MAP_NAMES, decide, rules_of
from explainct.report.study_text import study_markdown, study_page
from explainct.runtime.files import write_csv, write_parquet, write_text

log = logging.getLogger(__name__)


def compare_alarms(
    *,
    scores_file: Path,
    maps: Sequence[str],
    cohort: str,
    seed: int,
    decisions_file: Path,
    aucs_file: Path,
    f1_file: Path,
    differences_file: Path,
    resamples_file: Path,
    errors_file: Path,
    curves_file: Path,
    likelihood_file: Path,
    published_file: Path,
    md: Path,
    html: Path,
) -> None:
    """Tune every rule on validation nodules, apply it to the test nodules of each fold, and write what came out.

    Args:
        scores_file: the table of `explainct.informer.scores.score_monitored`.
        maps: names of the class maps in it.
        cohort: the cohort in words.
        seed: seed of the bootstraps.
        decisions_file: becomes the table of `explainct.informer.rules.decide`.
        aucs_file: becomes the table of `class_aucs`; this and the next ones are described in `informer.evaluation`.
        f1_file: becomes the table of `score_table`.
        differences_file: becomes the table of `rule_differences`, against no alarm, entropy, a random score, the
            F1-optimal threshold and INFORMER with each map.
        resamples_file: becomes the table of `published_resamples`.
        errors_file: becomes the first table of `error_detection`.
        curves_file: becomes its second one, the risk-coverage curves.
        likelihood_file: becomes the table of `likelihood_ratios`.
        published_file: becomes the table of `explainct.informer.published.published_table`.
        md: what was found, in prose and tables, for reading.
        html: the same as a page.

    Raises:
        UserError: validation labels of a class are all the same, or scores are not finite.
    """
    rules = rules_of(maps)
    decisions = decide(pd.read_parquet(scores_file), rules)
    draws = Draws(decisions, seed=seed)
    values = scores_by_draw(decisions, rules, draws)
    informer = [f"informer_{MAP_NAMES[name]}" for name in maps]
    references = ["no_alarm", "entropy", "swap_random", "f1_threshold", *informer]
    errors, curves = error_detection(decisions, uncertainties(decisions, maps), draws)
    tables = {
        "aucs": class_aucs(decisions, draws),
        "f1": score_table(values),
        "differences": rule_differences(values, rules, references),
        "resamples": published_resamples(decisions, rules, seed=seed),
        "errors": errors,
        "likelihood": likelihood_ratios(decisions, maps),
        "published": published_table(),
    }
    size = {name: decisions[name].nunique() for name in ("lesion_id", "patient_id", "fold")}
    what = f"{size['lesion_id']} nodules of {size['patient_id']} patients in {size['fold']} folds, {cohort}"
    write_parquet(decisions, decisions_file)
    files = [aucs_file, f1_file, differences_file, resamples_file, errors_file, likelihood_file, published_file]
    for table, path in zip(tables.values(), files, strict=True):
        write_csv(table, path)
    write_csv(curves, curves_file)
    parts = study_parts(tables, rules, what)
    write_text(study_markdown(TITLE, parts), md)
    write_text(study_page(TITLE, parts), html)
    for sentence in tables["differences"].query("rule == 'calibrated'").itertuples():
        log.info("calibrated - %s: %+.3f [%+.3f, %+.3f]", *sentence[2:])
