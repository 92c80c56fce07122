"""The benchmark of annotation: the table that it writes. Equality with pylidc is tested with the annotation."""

import numpy as np
import pandas as pd

from explainct.benchmarks.consensus import benchmark_annotation
from explainct.data.annotate.lidc_database import Database
from explainct.data.annotate.lidc_scans import cluster_scans


def test_the_benchmark_writes_both_steps_and_the_total(database, tmp_path, monkeypatch):
    few = Database(database.scans[:4], database.annotations)
    monkeypatch.setattr("explainct.benchmarks.consensus.load_database", lambda: few)
    benchmark_annotation(out_file=tmp_path / "annotation.csv")
    table = pd.read_csv(tmp_path / "annotation.csv")
    assert table["case"].tolist() == ["clustering", "consensus", "total"]
    assert (table["equal"] == table["nodules"]).all()
    assert table["nodules"].iloc[0] == sum(len(lesions) for lesions in cluster_scans(few).values()) > 0
    assert (table[["seconds_ours", "seconds_other"]] > 0).all(axis=None)
    np.testing.assert_allclose(table["speedup"], table["seconds_other"] / table["seconds_ours"], rtol=1e-4)
