"""The benchmark of supervision: what it runs and writes, not how fast this machine is."""

import pandas as pd
import torch
from torch.testing import assert_close

from due.explain.cam import class_activation_maps
from due.explain.maps import postprocess
from due.supervise.published import published_loss
from due.train import benchmark
from due.train.device import choose_compute
from due.train.networks import ExplainableResNet

SETTINGS = {"lambda": 1.0, "batch_size": 3, "learning_rate": 0.001, "width": 1 / 32, "max_pool": False}
COMPUTE = choose_compute("cpu")


def test_table_compares_each_method_with_its_reference(tmp_path):
    out = tmp_path / "speed.csv"
    benchmark.benchmark_supervision(grid=(16, 32, 32), settings=SETTINGS, repeats=(1, 2), compute=COMPUTE, out=out)
    table = pd.read_csv(out)
    assert list(table.columns) == ["case", "seconds_ours", "seconds_other", "speedup", "steps"]
    assert list(table.case) == [*benchmark.CASES, "due_per_sample_loop"]
    assert (table.iloc[:, 1:] > 0).all(axis=None)
    assert_close(torch.tensor(table.speedup), torch.tensor(table.seconds_other / table.seconds_ours), rtol=1e-4, atol=0)
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


def test_the_published_way_takes_one_pass_more_for_each_lesion(monkeypatch):
    torch.manual_seed(0)
    network = ExplainableResNet(width=1 / 32, max_pool=False).train()
    images, labels, target, _ = batch = benchmark._random_batch(4, (16, 32, 32), COMPUTE)
    assert labels.tolist() == [1, 0, 1, 0]
    seen = []
    monkeypatch.setattr(benchmark, "published_loss", lambda *args: seen.append(args) or published_loss(*args))
    expected = []
    for sample in (0, 2):
        _, features = network(images[sample, None])
        maps = class_activation_maps(features, network.head.weight, labels[sample, None])
        expected.append(postprocess(maps, (16, 32, 32), "due").detach())
    before = int(network.trunk.bn1.num_batches_tracked)
    benchmark._per_sample_step(network, torch.optim.SGD(network.parameters(), lr=0.0), batch, compute=COMPUTE)
    assert int(network.trunk.bn1.num_batches_tracked) == before + 3
    ((maps, annotation, weights),) = seen
    assert_close(maps.detach(), torch.cat(expected))
    assert torch.equal(annotation, target[[0, 2]])
    assert weights.amin() == 0
    assert weights.amax() == 1
