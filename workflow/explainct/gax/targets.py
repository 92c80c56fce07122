"""On which samples GAX runs, and which score it has to reach."""

import pandas as pd

from explainct.data.samples.tasks import Task
from explainct.errors import UserError
from explainct.gax.names import TARGET_MAP


def scored_samples(scores: pd.DataFrame, samples: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of `samples.parquet` of the scored test samples, with `predicted` and `correct`."""
    seen = scores[scores["split"] == "test"].drop_duplicates("sample_id")[["sample_id", "predicted", "correct"]]
    return samples.merge(seen, on="sample_id", validate="one_to_one").sort_values("sample_id", ignore_index=True)


def class_targets(scores: pd.DataFrame, task: Task, quantile: float, fixed: float | None = None) -> pd.DataFrame:
    """Return the target of each class: a quantile of the AX scores of the correct validation predictions of the class.

    A class without any takes that of all classes together.

    Args:
        scores: the table of `explainct.gax.heatmap_scores.score_heatmaps`.
        task: names the classes.
        quantile: in (0, 1).
        fixed: the target of all classes in place of the quantile, as published; None for none.

    Returns:
        Indexed by class: `target`, the score to reach, and `samples`, how many it was chosen on.

    Raises:
        UserError: no validation sample is predicted correctly.
    """
    if fixed is not None:
        classes = pd.RangeIndex(task.outputs, name="class")
        return pd.DataFrame({"target": float(fixed), "samples": 0}, index=classes)
    known = scores[(scores["split"] == "validation") & (scores["map"] == TARGET_MAP) & scores["correct"]]
    if known.empty:
        raise UserError(
            "No validation sample of the confidence study is predicted correctly, so GAX has no target. Train the "
            "classifier longer, or raise `samples.validation`."
        )
    rows = []
    for number in range(task.outputs):
        of_class = known.loc[known["predicted"] == number, "co_true"]
        chosen = of_class if len(of_class) else known["co_true"]
        rows.append((number, float(chosen.quantile(quantile)), len(of_class)))
    return pd.DataFrame(rows, columns=["class", "target", "samples"]).set_index("class")
