"""Maps of all classes: Input x Gradient, relevance and Grad-CAM, against captum, each other and zennit."""

import sys
from copy import deepcopy
from types import ModuleType

import pytest
import torch
from captum.attr import InputXGradient
from torch import nn
from torch.testing import assert_close

from explainct.errors import UserError
from explainct.learning.explain.class_maps import CLASS_MAPS, map_maker
from explainct.learning.explain.explainers import Logits
from explainct.learning.explain.relevance import TOLERANCE, RelevanceNetwork
from explainct.learning.networks.densenet import ExplainableDenseNet
from explainct.learning.networks.parts import MeanPool, Sum
from explainct.learning.networks.resnet import ExplainableResNet
from explainct.learning.networks.small_resnet import SmallResNet

CLASSES = 6


@pytest.fixture(params=[2, 3])
def network(request):
    """A network whose batch normalisations have statistics and weights of their own."""
    torch.manual_seed(0)
    network = SmallResNet(dims=request.param, outputs=CLASSES, width=0.5)
    for module in network.modules():
        if isinstance(module, (nn.BatchNorm2d, nn.BatchNorm3d)):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.1)
    network.train()
    for _ in range(3):
        network(images())
    return network.eval()


def images(count=3):
    return torch.rand(count, 1, 16, 24, 24, generator=torch.Generator().manual_seed(count))


def test_input_x_gradient_is_captums(network):
    maps = map_maker("input_x_gradient", network)(images())
    for number in range(CLASSES):
        theirs = InputXGradient(Logits(network)).attribute(images().requires_grad_(), target=number)
        assert_close(maps[:, number], theirs[:, 0])


def test_grad_cam_is_the_rectified_gradient_weighted_sum(network):
    maps = map_maker("grad_cam", network)(images())
    logits, features = network(images())
    for number in range(CLASSES):
        (gradient,) = torch.autograd.grad(logits[:, number].sum(), features, retain_graph=True)
        expected = (gradient.sum((2, 3, 4), keepdim=True) * features).sum(1).relu()
        assert_close(maps[:, number], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("rule", ["zplus", "epsilon"])
def test_relevance_is_conserved(network, rule):
    propagation = RelevanceNetwork(network, rule)
    relevance = propagation.relevance(images())
    logits, _ = network(images())
    assert relevance.shape == (3, CLASSES, *images().shape[2:])
    if rule == "zplus":
        expected = logits - network.head.bias
        error = (relevance.flatten(2).sum(2) - expected).abs() / relevance.flatten(2).abs().sum(2)
        assert error.max() <= TOLERANCE


def test_images_of_zeros_keep_their_relevance(network):
    dark = images()
    dark[:, :, :, :12] = 0
    relevance = RelevanceNetwork(network).relevance(dark)
    expected = network(dark)[0] - network.head.bias
    assert_close(relevance.flatten(2).sum(2), expected, rtol=1e-3, atol=1e-3)


def test_a_unit_without_a_positive_weight_keeps_its_relevance(network):
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Conv3d)):
            module.weight.data[0] = -module.weight.data[0].abs()
        if isinstance(module, (nn.BatchNorm2d, nn.BatchNorm3d)):
            module.weight.data[0], module.bias.data[0] = 1.0, 3.0
    relevance = RelevanceNetwork(network).relevance(images())
    expected = network(images())[0] - network.head.bias
    assert_close(relevance.flatten(2).sum(2), expected, rtol=1e-3, atol=1e-3)


def test_epsilon_relevance_is_input_x_gradient(network):
    network = deepcopy(network).double()
    expected = map_maker("input_x_gradient", network)(images().double())
    assert_close(RelevanceNetwork(network, "epsilon").relevance(images().double()), expected, rtol=1e-6, atol=1e-9)


def test_the_rule_zplus_is_another_method_than_input_x_gradient(network):
    maps = [map_maker(name, network)(images()).flatten(2) for name in ("lrp", "input_x_gradient")]
    assert torch.cosine_similarity(*maps, dim=2).abs().median() < 0.7


def test_maps_leave_the_network_as_it_was(network):
    before = deepcopy(network.state_dict())
    modes = [module.training for module in network.modules()]
    for name in CLASS_MAPS:
        map_maker(name, network)(images())
    assert [module.training for module in network.modules()] == modes
    assert all(parameter.grad is None and parameter.requires_grad for parameter in network.parameters())
    assert_close(network.state_dict(), before)


class Plain(nn.Module):
    """One residual block whose sum is a module or an operator."""

    def __init__(self, *, functional):
        super().__init__()
        self.first, self.second = nn.Conv3d(1, 4, 3, padding=1, bias=False), nn.Conv3d(4, 4, 3, padding=1, bias=False)
        self.relus = nn.ModuleList(nn.ReLU() for _ in range(2))
        self.sum, self.pool, self.head = Sum(), MeanPool(), nn.Linear(4, 2)
        self.functional = functional

    def forward(self, images):
        hidden = self.relus[0](self.first(images))
        branch = self.second(hidden)
        total = hidden + branch if self.functional else self.sum(hidden, branch)
        features = self.relus[1](total)
        return self.head(self.pool(features)), features


def test_the_guard_trips_on_a_functional_sum_and_not_on_its_module():
    torch.manual_seed(0)
    plain = Plain(functional=False)
    RelevanceNetwork(plain).relevance(images())
    plain.functional = True
    with pytest.raises(UserError, match=r"not conserved in Plain.*small_resnet"):
        RelevanceNetwork(plain).relevance(images())


def test_networks_with_functional_operations_are_refused():
    torch.manual_seed(0)
    with pytest.raises(UserError, match="not conserved in ExplainableResNet"):
        RelevanceNetwork(ExplainableResNet(dims=2, width=1 / 16, max_pool=False).eval()).relevance(images())
    with pytest.raises(UserError, match=r"ExplainableDenseNet: its layer \S+ normalises"):
        RelevanceNetwork(ExplainableDenseNet(dims=2))


def test_logits_that_are_no_numbers_are_refused(network):
    broken = deepcopy(network)
    nn.init.constant_(broken.head.bias, float("nan"))
    with pytest.raises(UserError, match="not conserved"):
        RelevanceNetwork(broken).relevance(images())


def test_unknown_maps_are_refused(network):
    with pytest.raises(UserError, match=r"`monitoring.maps` names `lime`.*input_x_gradient, lrp, grad_cam"):
        map_maker("lime", network)


def chain(dims):
    convolution = (nn.Conv2d, nn.Conv3d)[dims - 2]
    return nn.Sequential(
        *(convolution(1, 6, 3, stride=2, padding=1), nn.ReLU(), convolution(6, 8, 3, padding=1), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(8 * 4**dims, 3)),
    )


class OfChain(nn.Module):
    """A chain with logits and features, as networks of this project return them."""

    def __init__(self, layers, dims):
        super().__init__()
        self.layers, self.dims = layers, dims

    def forward(self, images):
        logits = self.layers(images if self.dims == 3 else images[:, :, 0])
        return logits, logits


@pytest.mark.parametrize("dims", [2, 3])
def test_zplus_is_zennits_where_it_is_installed(dims, monkeypatch):
    try:
        import torchvision  # noqa: F401
    except ImportError:
        # zennit's package imports torchvision for rules that are not used here.
        blocks = ModuleType("torchvision.models.resnet")
        blocks.Bottleneck = blocks.BasicBlock = type("Block", (), {})
        for name in ("torchvision", "torchvision.models"):
            monkeypatch.setitem(sys.modules, name, ModuleType(name))
        monkeypatch.setitem(sys.modules, blocks.__name__, blocks)
    composites = pytest.importorskip("zennit.composites")
    rules = pytest.importorskip("zennit.rules")
    torch.manual_seed(2)
    layers = chain(dims).eval()
    batch = torch.rand(2, 1, *(8,) * dims)
    ours = RelevanceNetwork(OfChain(layers, dims)).relevance(batch if dims == 3 else batch[:, :, None])
    composite = composites.LayerMapComposite(
        [
            (nn.ReLU, rules.Pass()),
            ((nn.Conv2d, nn.Conv3d), rules.ZPlus(zero_params="bias")),
            (nn.Linear, rules.Epsilon(epsilon=1e-9)),
        ]
    )
    with composite.context(layers) as modified:
        inputs = batch.clone().requires_grad_()
        logits = modified(inputs)
        for number in range(3):
            start = torch.zeros_like(logits)
            start[:, number] = logits.detach()[:, number]
            (theirs,) = torch.autograd.grad(logits, inputs, start, retain_graph=True)
            assert_close(ours[:, number].reshape(theirs.shape), theirs, rtol=1e-3, atol=1e-5)
