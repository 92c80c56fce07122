"""The counterfactual study as tables: every method, with and without the planted cue, and the published numbers."""

import logging
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from explainct.cfalign.page import study_markdown, study_page
from explainct.cfalign.published import published_table
from explainct.cfalign.scores import (
    difference_table,
    explanation_table,
    score_table,
    scores_by_draw,
    training_table,
)
from explainct.runtime.files import write_csv, write_text

log = logging.getLogger(__name__)

REFERENCE = "cfalign"


def compare_aligned(
    *,
    predictions_files: Sequence[Path],
    explanations_files: Sequence[Path],
    history_files: Sequence[Path],
    methods: Sequence[str],
    strengths: Sequence[float],
    seeds: Sequence[int],
    cohort: str,
    seed: int,
    scores_file: Path,
    seeds_file: Path,
    differences_file: Path,
    explanations_file: Path,
    training_file: Path,
    published_file: Path,
    md: Path,
    html: Path,
) -> None:
    """Score every method on validation and test patients, and write what came out.

    Args:
        predictions_files: tables of `evaluate_compared`, one a method.
        explanations_files: its other tables, one a method.
        history_files: histories of all trainings: seeds within strengths within methods.
        methods: names of the methods, in the order of the files.
        strengths: strengths of the cue in training.
        seeds: seeds of the trainings.
        cohort: the cohort in words.
        seed: seed of the bootstraps.
        scores_file: becomes the table of `score_table`; this and the next ones are described in `cfalign.scores`.
        seeds_file: becomes the cohort's scores of each seed.
        differences_file: becomes the table of `difference_table` against CF-Align, ours, or the first method.
        explanations_file: becomes the table of `explanation_table`.
        training_file: becomes the table of `training_table`.
        published_file: becomes the table of `published_table`.
        md: what was found, in prose and tables, for reading.
        html: the same as a page.
    """
    predictions, explanations = (
        pd.concat([pd.read_parquet(path).assign(method=name) for name, path in zip(methods, files, strict=True)])
        for files in (predictions_files, explanations_files)
    )
    runs = [(name, strength, number) for name in methods for strength in strengths for number in seeds]
    histories = pd.concat(
        pd.read_csv(path).assign(method=name, strength=strength, seed=number)
        for (name, strength, number), path in zip(runs, history_files, strict=True)
    )
    scores, by_seed = scores_by_draw(predictions, seed=seed)
    tables = {
        "scores": score_table(scores),
        "seeds": by_seed,
        "differences": difference_table(scores, REFERENCE if REFERENCE in methods else methods[0]),
        "explanations": explanation_table(explanations, seed=seed),
        "training": training_table(histories),
        "published": published_table(),
    }
    files = (scores_file, seeds_file, differences_file, explanations_file, training_file, published_file)
    for table, path in zip(tables.values(), files, strict=True):
        write_csv(table, path)
    test = predictions[predictions["split"] == "test"]
    what = (
        f"{test['view_id'].nunique()} test views of {test['patient_id'].nunique()} patients, {cohort}; "
        f"{len(seeds)} training{'s' if len(seeds) > 1 else ''} of each method"
    )
    write_text(study_markdown(tables, methods, what), md)
    write_text(study_page(tables, methods, what), html)
    for row in tables["scores"].query("split == 'test' and metric == 'auc'").itertuples():
        log.info("%s, strength %g, %s: AUC %.3f [%.3f, %.3f]", row.method, row.strength, row.mode, *row[6:9])
