"""The confidence study as tables and a page: every map, every form of GAX, and the published numbers beside them."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from explainct.gax.evaluation import (
    classifier_table,
    detector_table,
    distribution_table,
    evidence_tables,
    form_table,
    reached_table,
)
from explainct.gax.names import step_name
from explainct.gax.page import TITLE, study_parts
from explainct.gax.published import published_table
from explainct.report.study_text import study_markdown, study_page
from explainct.runtime.files import write_csv, write_text


def compare_heatmaps(
    *,
    scores_files: Sequence[Path],
    heatmaps_files: Sequence[Path],
    forms_file: Path,
    methods: Sequence[str],
    steps: Sequence[float],
    cohort: str,
    seed: int,
    classifiers_file: Path,
    distributions_file: Path,
    detectors_file: Path,
    reached_file: Path,
    forms_table_file: Path,
    evidence_file: Path,
    differences_file: Path,
    md: Path,
    html: Path,
) -> None:
    """Write the tables of the confidence study, and what they say.

    Args:
        scores_files: the tables of `explainct.gax.heatmap_scores.score_heatmaps`.
        heatmaps_files: the tables of `explainct.gax.heatmaps.generate_heatmaps`.
        forms_file: the first table of `explainct.gax.forms.compare_forms`.
        methods: the methods; the others are compared with the first one.
        steps: root mean squares of fixed steps; the first one set the targets of GAX.
        cohort: the cohort in words.
        seed: seed of the bootstraps.
        classifiers_file: becomes the table of `classifier_table`; this and the next ones are described in
            `explainct.gax.evaluation`.
        distributions_file: becomes the table of `distribution_table`.
        detectors_file: becomes the table of `detector_table`.
        reached_file: becomes the table of `reached_table`, by method, seed and class.
        forms_table_file: becomes the table of `form_table`.
        evidence_file: becomes the first table of `evidence_tables`.
        differences_file: becomes its second one.
        md: what was found, in prose and tables, for reading.
        html: the same as a page.

    Raises:
        UserError: maps of lesions are missing for a classifier, or one patient has all lesions.
    """
    scores = pd.concat([pd.read_parquet(path) for path in scores_files], ignore_index=True)
    heatmaps = pd.concat([pd.read_parquet(path) for path in heatmaps_files], ignore_index=True)
    evidence, differences = evidence_tables(heatmaps, reference=methods[0], seed=seed)
    tables = {
        "classifiers": classifier_table(scores),
        "distributions": distribution_table(scores),
        "detectors": detector_table(scores, seed=seed),
        "reached": reached_table(heatmaps, ["method", "seed", "label"]),
        "forms": form_table(pd.read_parquet(forms_file)),
        "evidence": evidence,
        "evidence_differences": differences,
    }
    files = [classifiers_file, distributions_file, detectors_file, reached_file, forms_table_file, evidence_file]
    for table, path in zip(tables.values(), [*files, differences_file], strict=True):
        write_csv(table, path)
    test = scores[scores["split"] == "test"]
    what = (
        f"{test['sample_id'].nunique()} test samples of {test['patient_id'].nunique()} patients, "
        f"{len(scores_files)} classifiers, {cohort}"
    )
    parts = study_parts(tables | {"published": published_table()}, what, step_name(steps[0]))
    write_text(study_markdown(TITLE, parts), md)
    write_text(study_page(TITLE, parts), html)
