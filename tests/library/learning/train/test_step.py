"""One training step, against the same step written out by hand."""

from copy import deepcopy

import pytest
import torch
from torch.nn.functional import avg_pool3d, binary_cross_entropy, cross_entropy
from torch.testing import assert_close

from explainct.config.methods import METHODS
from explainct.data.samples.tasks import TASKS
from explainct.learning.losses.due import STRENGTH
from explainct.learning.networks.classifier import map_shape
from explainct.learning.networks.resnet import ExplainableResNet
from explainct.learning.train.step import build_supervision, explanation_loss, training_step
from explainct.runtime.device import choose_compute

GRID = (16, 32, 32)
COMPUTE = choose_compute("cpu")


@pytest.fixture
def network():
    torch.manual_seed(0)
    return ExplainableResNet(width=1 / 32, max_pool=False).double()


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(1)
    images, target, weights = torch.rand(3, 4, *GRID, dtype=torch.float64, generator=generator)
    return images[:, None], torch.tensor([0, 1, 1, 0]), target, weights


def supervision_of(method):
    torch.manual_seed(2)
    settings = {"width": 1 / 32, "max_pool": False}
    cells = map_shape("resnet18", GRID, dims=METHODS[method].dims, outputs=2, settings=settings)
    supervision = build_supervision(METHODS[method], TASKS["lesion"], cells, GRID, COMPUTE)
    return supervision and supervision._replace(loss=supervision.loss.double())


def step(network, batch, method, lambda_=1.0):
    own = deepcopy(network)
    losses = training_step(
        own,
        torch.optim.SGD(own.parameters(), lr=0.1),
        batch,
        task=TASKS["lesion"],
        supervision=supervision_of(method),
        lambda_=lambda_,
        compute=COMPUTE,
    )
    return own, losses


def test_due_step_descends_the_loss_that_captum_and_plain_torch_give(network, batch):
    own, (prediction, explanation) = step(network, batch, "due", lambda_=0.7)
    images, labels, target, weights = batch
    other = deepcopy(network)
    kept = {}
    other.trunk.layer4.register_forward_hook(lambda module, inputs, output: kept.update(features=output))
    logits, _ = other(images)
    (slope,) = torch.autograd.grad(logits[:, 1][1:3].sum(), kept["features"], create_graph=True)
    raw = (slope.mean((2, 3, 4), keepdim=True) * kept["features"]).sum(1)[1:3]
    cells = [size // cell for size, cell in zip(GRID, raw.shape[1:], strict=True)]
    weight = avg_pool3d(weights[1:3], cells)
    share = avg_pool3d((weights * target)[1:3], cells) / weight
    size = raw.abs().amax((1, 2, 3), keepdim=True)
    inside = 0.01 + 0.98 * raw.clamp_min(0) / raw.amax((1, 2, 3), keepdim=True)
    cost = binary_cross_entropy(inside, share, reduction="none") + share * (-raw).clamp_min(0) / size
    each = STRENGTH * (weight * cost).sum((1, 2, 3)) / weight.sum((1, 2, 3))
    assert_close(explanation, each.mean().detach())
    # Supervision does not depend on the scale of the map, and so its gradient is that of the loss times the scale.
    expected = (size.detach()[:, 0, 0, 0] * each).mean()
    assert_close(prediction, cross_entropy(logits, labels).detach())
    (cross_entropy(logits, labels) + 0.7 * expected).backward()
    for (name, value), reference in zip(own.named_parameters(), other.parameters(), strict=True):
        before = network.get_parameter(name)
        assert_close(value, before - 0.1 * reference.grad, msg=name)


def test_statistics_of_batch_normalisation_see_the_batch_once(network, batch):
    supervised, plain = (step(network, batch, name)[0] for name in ("due", "baseline"))
    assert int(supervised.trunk.bn1.num_batches_tracked) == 1
    assert torch.equal(supervised.trunk.bn1.running_var, plain.trunk.bn1.running_var)


def test_baseline_ignores_annotations(network, batch):
    own, (_, explanation) = step(network, batch, "baseline")
    assert explanation is None
    images, labels, target, weights = batch
    other, _ = step(network, (images, labels, 1 - target, 1 - weights), "baseline")
    assert all(torch.equal(a, b) for a, b in zip(own.parameters(), other.parameters(), strict=True))


def test_explanations_of_neighbours_do_not_count(network, batch):
    images, labels, target, weights = batch
    changed = target.clone()
    changed[[0, 3]] = 1 - changed[[0, 3]]
    (_, one), (_, two) = (step(network, (images, labels, t, weights), "due")[1] for t in (target, changed))
    assert torch.equal(one, two)


@pytest.mark.parametrize(("method", "reaches"), [("due", True), ("due_published", False)])
def test_explanation_loss_reaches_the_head_unless_published(network, batch, method, reaches):
    _, features = network(batch[0])
    mask = [] if METHODS[method].mask == "none" else [(batch[2] > 0.5).double()]
    explanation_loss(features, network.head, (*batch, *mask), supervision_of(method)).backward()
    assert (network.head.weight.grad is not None) == reaches
    assert network.trunk.conv1.weight.grad.abs().max() > 0


def test_a_batch_without_lesions_has_no_explanation_loss(network, batch):
    images, _, target, weights = batch
    own, (prediction, explanation) = step(network, (images, torch.zeros(4, dtype=torch.long), target, weights), "due")
    assert explanation == 0
    assert prediction > 0
    assert all(torch.isfinite(value).all() for value in own.parameters())
