"""The alarms of the predictions of Table 1: how well the calibrated risk finds errors, method by method."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.metrics import roc_auc_score

from explainct.informer.evaluation import COVERAGE
from explainct.report.plot_style import RC, method_style, save_figure
from explainct.runtime.files import write_csv
from explainct.scoring.metrics.selective import risk_at, selective_area, selective_risk

COLUMNS = ["error_rate", "error_at_80", "aurc", "alarms", "error_without_alarm", "error_with_alarm"]
COLUMNS += ["risk_auroc", "distinctiveness_auroc"]


def method_alarms(
    *, predictions_files: Sequence[Path], methods: Sequence[str], cohort: str, csv: Path, png: Path, pdf: Path
) -> None:
    """Write how well the alarms of each method find its errors, and draw risk over coverage.

    Args:
        predictions_files: `predictions.parquet` of each method.
        methods: the methods, in the same order.
        cohort: the cohort in words, for the title.
        csv: table to write, a row per method, means over the seeds: see `alarm_scores`.
        png: picture for the report.
        pdf: picture for a paper.
    """
    tables = [pd.read_parquet(path) for path in predictions_files]
    rows = [alarm_scores(table).mean() for table in tables]
    write_csv(pd.DataFrame(rows).assign(method=list(methods))[["method", *COLUMNS]], csv)
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(7.2, 4.4), layout="constrained")
        axes = figure.subplots()
        for method, table in zip(methods, tables, strict=True):
            curves = [selective_risk(rows["risk"].to_numpy(), _wrong(rows)) for _, rows in table.groupby("seed")]
            mean = np.mean([curve["risk"] for curve in curves], axis=0)
            style = method_style(method) | {"marker": ""}
            axes.plot(curves[0]["coverage"], mean, linewidth=1, **style)
        axes.set(xlabel="share of predictions that are kept", ylabel="error rate", xlim=(0, 1), ylim=(0, None))
        axes.grid(alpha=0.3, linewidth=0.5)
        figure.legend(loc="outside lower center", ncols=4)
        figure.suptitle(f"Abstaining by calibrated risk, {cohort}")
        save_figure(figure, png, pdf)


def alarm_scores(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return how well the alarms of a method find its errors, a row per seed.

    Args:
        predictions: the table `predictions.parquet`.

    Returns:
        `error_rate`; `error_at_80`, that of the 80 % of the smallest risk; `aurc`, the area under the risk-coverage
        curve; `alarms`, the share of predictions with an alarm; `error_without_alarm` and `error_with_alarm`, the error
        rates of those without and with one (NaN where there is none); `risk_auroc` and `distinctiveness_auroc`, the
        AUROC of the risk and of low distinctiveness as signs of errors (NaN where all or none are wrong).
    """
    rows = []
    for _, table in predictions.groupby("seed"):
        wrong, risk, alarm = _wrong(table), table["risk"].to_numpy(), table["alarm"].to_numpy(bool)
        rows.append(
            (
                wrong.mean(),
                risk_at(risk, wrong, COVERAGE),
                selective_area(risk, wrong).area,
                alarm.mean(),
                *(wrong[kept].mean() if kept.any() else np.nan for kept in (~alarm, alarm)),
                *(
                    roc_auc_score(wrong, values) if 0 < wrong.sum() < len(wrong) else np.nan
                    for values in (risk, -table["distinctiveness"].to_numpy())
                ),
            )
        )
    return pd.DataFrame(rows, columns=COLUMNS)


def _wrong(predictions: pd.DataFrame) -> np.ndarray:
    """Return which predictions are wrong, bool [N]."""
    return (predictions["predicted"] != predictions["label"]).to_numpy()
