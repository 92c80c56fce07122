"""Signed maps on the image's grid: against gradients by hand, another form of each rule, and their axioms."""

from copy import deepcopy

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from explainct.errors import UserError
from explainct.learning.explain.postprocess import upsample
from explainct.learning.explain.signed_maps import SIGNED_MAPS, find_layer, signed_map
from explainct.learning.networks.densenet import ExplainableDenseNet
from explainct.learning.networks.resnet import ExplainableResNet
from explainct.learning.networks.separate_relus import with_separate_relus
from explainct.learning.networks.small_resnet import SmallResNet

NAMES = [*SIGNED_MAPS, "grad_cam_first", "grad_cam_last"]
CLASSES = torch.tensor([0, 2, 1])


def images(depth=8):
    return torch.rand(3, 1, depth, 16, 16, generator=torch.Generator().manual_seed(depth))


@pytest.fixture(params=[(2, "small"), (3, "small"), (2, "resnet"), (3, "resnet")], ids=str)
def network(request):
    """A network of either kind whose batch normalisations have statistics of their own."""
    dims, kind = request.param
    torch.manual_seed(0)
    made = (
        SmallResNet(dims=dims, outputs=3, width=0.25)
        if kind == "small"
        else ExplainableResNet(dims=dims, outputs=3, width=1 / 16, max_pool=True)
    )
    made.train()
    with torch.no_grad():
        for _ in range(3):
            made(images())
    return made.eval()


def gradient(network, batch):
    batch = batch.clone().requires_grad_()
    logits, _ = network(batch)
    (found,) = torch.autograd.grad(logits.gather(1, CLASSES[:, None]).sum(), batch)
    return found


class Rule(torch.autograd.Function):
    """A ReLU that hands back the positive part of the gradient, of those above it or of its own."""

    @staticmethod
    def forward(ctx, inputs, guided):
        ctx.save_for_backward(inputs)
        ctx.guided = guided
        return inputs.relu()

    @staticmethod
    def backward(ctx, above):
        (inputs,) = ctx.saved_tensors
        return above.relu() * (inputs > 0) if ctx.guided else above.relu(), None


class RuleRelu(nn.Module):
    def __init__(self, guided):
        super().__init__()
        self.guided = guided

    def forward(self, inputs):
        return Rule.apply(inputs, self.guided)


def with_rule(network, guided):
    copy = with_separate_relus(network)
    for parent in list(copy.modules()):
        for name, module in list(parent.named_children()):
            if isinstance(module, nn.ReLU):
                setattr(parent, name, RuleRelu(guided))
    return copy


def test_saliency_and_input_x_gradient_are_the_gradient_with_its_sign(network):
    by_hand = gradient(network, images())
    assert_close(signed_map("saliency", network)(images(), CLASSES), by_hand)
    assert_close(signed_map("input_x_gradient", network)(images(), CLASSES), images() * by_hand)
    assert by_hand.min() < 0 < by_hand.max()


@pytest.mark.parametrize(("name", "guided"), [("guided_backpropagation", True), ("deconvolution", False)])
def test_changed_relus_hand_back_positive_parts(network, name, guided):
    by_hand = gradient(with_rule(network, guided), images())
    assert_close(signed_map(name, network)(images(), CLASSES), by_hand, rtol=1e-3, atol=1e-6)


def test_deep_lift_sums_to_the_rise_from_air(network):
    found = signed_map("deep_lift", network)(images(), CLASSES).flatten(1).sum(1)
    with torch.no_grad():
        rise = (network(images())[0] - network(torch.zeros_like(images()))[0]).gather(1, CLASSES[:, None])[:, 0]
    assert_close(found, rise, rtol=1e-3, atol=1e-4)


def test_grad_cam_of_a_layer_is_the_gradient_weighted_sum_of_its_output(network):
    kept = {}

    def keep(module, inputs, output):
        output.retain_grad()
        kept["output"] = output

    handle = find_layer(network, "first").register_forward_hook(keep)
    logits, _ = network(images())
    handle.remove()
    logits.gather(1, CLASSES[:, None]).sum().backward()
    output, space = kept["output"], tuple(range(2, kept["output"].ndim))
    cells = (output.grad.mean(space, keepdim=True) * output).sum(1).detach()
    found = signed_map("grad_cam_first", network)(images(), CLASSES)
    if output.ndim == 5:
        assert_close(found[:, 0], upsample(cells, (8, 16, 16)), rtol=1e-3, atol=1e-6)
    else:
        assert_close(found[:, 0, 4], upsample(cells[:, None], (1, 16, 16))[:, 0], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_maps_lie_where_the_network_looks_and_leave_it_as_it_was(network, name):
    before, hooks = deepcopy(network.state_dict()), [len(module._backward_hooks) for module in network.modules()]
    found = signed_map(name, network)(images(), CLASSES)
    assert found.shape == images().shape
    assert not found.requires_grad
    assert torch.isfinite(found).all()
    if network.settings["dims"] == 2:
        assert found[:, :, :4].abs().max() == 0
        assert found[:, :, 5:].abs().max() == 0
    assert found[:, :, 4].abs().max() > 0
    alone = signed_map(name, network)(images()[1:2], CLASSES[1:2])
    assert_close(alone[0], found[1], rtol=1e-3, atol=1e-5)
    assert_close(network.state_dict(), before)
    assert [len(module._backward_hooks) for module in network.modules()] == hooks
    assert all(parameter.grad is None for parameter in network.parameters())


def test_a_slice_is_an_image_of_depth_one(network):
    if network.settings["dims"] == 3:
        return
    flat = images()[:, :, 4:5]
    for name in NAMES:
        whole = signed_map(name, network)(images(), CLASSES)
        assert_close(signed_map(name, network)(flat, CLASSES), whole[:, :, 4:5], rtol=1e-3, atol=1e-6)


def test_unknown_maps_and_layers_are_refused(network):
    with pytest.raises(UserError, match=r"`confidence.maps` names `lime`.*deep_lift, grad_cam_first"):
        signed_map("lime", network)
    with pytest.raises(UserError, match=r"ResNet has no layer `layer9`; its layers are first, "):
        signed_map("grad_cam_layer9", network)
    assert find_layer(network, next(iter(network.layers))) is network.head


@pytest.mark.parametrize(
    "made",
    [
        lambda: ExplainableResNet(dims=3, width=1 / 16, max_pool=False),
        lambda: ExplainableDenseNet(dims=2),
        lambda: SmallResNet(dims=3, width=0.25),
    ],
    ids=["resnet18", "densenet121", "small_resnet"],
)
def test_a_copy_with_separate_relus_computes_the_same(made):
    torch.manual_seed(0)
    network = made().eval()
    copy = with_separate_relus(network)
    batch = torch.rand(1, 1, 8, 32, 32)
    calls = []
    for module in copy.modules():
        if isinstance(module, nn.ReLU):
            assert not module.inplace
            module.register_forward_hook(lambda module, *_: calls.append(module))
    with torch.no_grad():
        for one, other in zip(network(batch), copy(batch), strict=True):
            assert_close(one, other, rtol=1e-4, atol=1e-5)
    assert len(calls) == len(set(calls)) > 8
    assert not copy.training
