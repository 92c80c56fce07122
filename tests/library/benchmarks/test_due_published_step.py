"""The published training step that ours is timed against: it does what the published code does."""

import torch
from torch.testing import assert_close

from explainct.benchmarks import due_published_step as published_loop
from explainct.benchmarks.due_published_step import PublishedWeights, published_step
from explainct.benchmarks.supervision import _random_batch
from explainct.learning.explain.cam import class_activation_maps
from explainct.learning.explain.postprocess import postprocess
from explainct.learning.losses.due_published import published_loss
from explainct.learning.networks.resnet import ExplainableResNet
from explainct.runtime.device import choose_compute

GRID = (16, 32, 32)
COMPUTE = choose_compute("cpu")


def weights_of(target):
    torch.manual_seed(1)
    return PublishedWeights(target, size=16, width=8, latent=4)


def test_one_pass_more_for_each_lesion(monkeypatch):
    torch.manual_seed(0)
    network = ExplainableResNet(width=1 / 32, max_pool=False).train()
    images, labels, target, _ = batch = _random_batch(4, GRID, COMPUTE)
    assert labels.tolist() == [1, 0, 1, 0]
    seen = []
    monkeypatch.setattr(published_loop, "published_loss", lambda *args: seen.append(args) or published_loss(*args))
    expected = []
    for sample in (0, 2):
        _, features = network(images[sample, None])
        maps = class_activation_maps(features, network.head.weight, labels[sample, None])
        expected.append(postprocess(maps, GRID, "due").detach())
    before = int(network.trunk.bn1.num_batches_tracked)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.0)
    published_step(network, optimizer, batch, weights=weights_of(target), compute=COMPUTE)
    assert int(network.trunk.bn1.num_batches_tracked) == before + 3
    ((maps, annotation, weights, mask),) = seen
    assert_close(maps.detach(), torch.cat(expected))
    assert torch.equal(annotation, target[[0, 2]])
    assert weights.shape == mask.shape == annotation.shape


def test_weights_are_one_where_annotated_and_span_each_gap():
    _, _, target, _ = _random_batch(2, GRID, COMPUTE)
    weigh = weights_of(target)
    weights = weigh.of(0)
    known = torch.ones(GRID[0], dtype=torch.bool)
    known[weigh.missing] = False
    assert known.sum() == published_loop.ANNOTATED
    assert known[[0, -1]].all()
    assert (weights[known] == 1).all()
    for gap in weigh.gaps:
        assert weights[gap].amin() == 0
        assert weights[gap].amax() == 1


def test_weights_are_drawn_anew_each_time():
    _, _, target, _ = _random_batch(2, GRID, COMPUTE)
    weigh = weights_of(target)
    assert not torch.equal(weigh.of(0), weigh.of(0))
