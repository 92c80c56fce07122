"""The benchmark of supervision: what it runs and writes, not how fast this machine is."""

import pandas as pd
from torch import tensor
from torch.testing import assert_close

from explainct.benchmarks import supervision as benchmark
from explainct.learning.networks.resnet import ExplainableResNet
from explainct.runtime.device import choose_compute

SETTINGS = {"lambda": 1.0, "batch_size": 3, "learning_rate": 0.001, "width": 1 / 32, "max_pool": False}
PREDICTOR = {"size": 16, "width": 8, "latent": 4}
COMPUTE = choose_compute("cpu")


def test_table_compares_each_method_with_its_reference(tmp_path):
    out = tmp_path / "speed.csv"
    benchmark.benchmark_supervision(
        grid=(16, 32, 32),
        settings=SETTINGS,
        predictor=PREDICTOR,
        repeats=(1, 2),
        device="cpu",
        threads=1,
        out_file=out,
    )
    table = pd.read_csv(out)
    assert list(table.columns) == ["case", "seconds_ours", "seconds_other", "speedup", "steps"]
    assert list(table.case) == [*benchmark.CASES, "published_loop"]
    assert (table.iloc[:, 1:] > 0).all(axis=None)
    assert_close(tensor(table.speedup), tensor(table.seconds_other / table.seconds_ours), rtol=1e-4, atol=0)
    assert table.seconds_other[: len(benchmark.CASES)].nunique() == 1
    assert table.seconds_ours.iloc[-1] == table.seconds_ours[2]
    assert (table.steps == 2).all()


def test_slow_steps_are_timed_less_often(monkeypatch):
    clock = iter(range(0, 10**6, 40))
    monkeypatch.setattr(benchmark, "_now", lambda compute: next(clock))
    network = ExplainableResNet(width=1 / 32, max_pool=False)
    steps = {"quick": lambda *args, compute: None}
    times = benchmark._time(steps, network, (), 0.1, (2, 9), COMPUTE)
    assert times == {"quick": [40, 40, 40]}
