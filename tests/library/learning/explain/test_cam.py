"""Class activation maps against captum, autograd and MONAI, on the network that is trained."""

import pytest
import torch
from captum.attr import LayerGradCam
from monai.visualize import GradCAM
from torch.testing import assert_close

from explainct.learning.explain.cam import class_activation_maps, gradcam
from explainct.learning.networks.resnet import ExplainableResNet


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    network = ExplainableResNet(width=1 / 32, max_pool=False)
    # One training pass gives batch normalisation statistics that differ from its initial ones.
    network(torch.rand(4, 1, 16, 32, 32))
    return network.double().eval()


IMAGES = torch.rand(4, 1, 16, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
CLASSES = torch.tensor([0, 1, 1, 0])


class Logits(torch.nn.Module):
    """The network without its features, for libraries that expect one output."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, images):
        return self.network(images)[0]


def captum_maps(network, *, create_graph):
    cam = LayerGradCam(Logits(network), network.trunk.layer4)
    return cam.attribute(IMAGES, CLASSES, grad_kwargs={"create_graph": create_graph})[:, 0]


def parameter_gradients(network, maps):
    """The gradient of a function of the maps that weighs every position differently."""
    weights = torch.linspace(-1, 2, maps.numel(), dtype=maps.dtype).view_as(maps)
    parameters = dict(network.named_parameters())
    gradients = torch.autograd.grad(
        (weights * maps.sin()).sum(), list(parameters.values()), allow_unused=True, retain_graph=True
    )
    return dict(zip(parameters, gradients, strict=True))


def test_closed_form_equals_captum_for_mixed_classes(network):
    _, features = network(IMAGES)
    maps = class_activation_maps(features, network.head.weight, CLASSES)
    expected = captum_maps(network, create_graph=False)
    assert expected.abs().max() > 1e-6
    assert_close(maps, expected, rtol=1e-10, atol=1e-15)


def test_closed_form_equals_captum_in_single_precision(network):
    _, features = network(IMAGES)
    maps = class_activation_maps(features.float(), network.head.weight.float(), CLASSES)
    assert (maps - captum_maps(network, create_graph=False)).abs().max() < 1e-6


def test_gradients_of_all_parameters_equal_those_through_captum(network):
    _, features = network(IMAGES)
    own = parameter_gradients(network, class_activation_maps(features, network.head.weight, CLASSES))
    captum = parameter_gradients(network, captum_maps(network, create_graph=True))
    for name, expected in captum.items():
        if expected is None:
            assert name == "trunk.fc.bias"
            assert own[name] is None
        else:
            assert_close(own[name], expected, rtol=1e-8, atol=1e-14, msg=name)
    assert own["trunk.fc.weight"].abs().max() > 0


def test_detached_maps_are_equal_but_leave_the_head_alone(network):
    _, features = network(IMAGES)
    maps = class_activation_maps(features, network.head.weight, CLASSES, detach_weight=True)
    assert torch.equal(maps, class_activation_maps(features, network.head.weight, CLASSES))
    own = parameter_gradients(network, maps)
    assert own["trunk.fc.weight"] is None
    published = parameter_gradients(network, captum_maps(network, create_graph=False))
    assert_close(own["trunk.conv1.weight"], published["trunk.conv1.weight"], rtol=1e-8, atol=1e-14)


@pytest.mark.parametrize("create_graph", [True, False])
def test_autograd_form_equals_the_closed_form(network, create_graph):
    logits, features = network(IMAGES)
    maps = gradcam(features, logits, CLASSES, create_graph=create_graph)
    exact = class_activation_maps(features, network.head.weight, CLASSES, detach_weight=not create_graph)
    assert_close(maps, exact, rtol=1e-10, atol=1e-15)
    own, expected = parameter_gradients(network, maps), parameter_gradients(network, exact)
    assert_close(own["trunk.conv1.weight"], expected["trunk.conv1.weight"], rtol=1e-8, atol=1e-14)
    if create_graph:
        assert_close(own["trunk.fc.weight"], expected["trunk.fc.weight"], rtol=1e-8, atol=1e-14)
    else:
        assert own["trunk.fc.weight"] is None


def test_autograd_form_serves_other_heads_and_leaves_the_graph_to_the_caller():
    torch.manual_seed(2)
    features = torch.randn(3, 5, 2, 2, 2, dtype=torch.float64, requires_grad=True)
    head = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(40, 6), torch.nn.SiLU(), torch.nn.Linear(6, 2))
    logits, classes = head.double()(features), torch.tensor([1, 0, 1])
    maps = gradcam(features, logits, classes, create_graph=False)
    for sample in range(3):
        one = features[sample, None].detach().requires_grad_()
        (gradient,) = torch.autograd.grad(head(one)[0, classes[sample]], one)
        expected = sum(gradient[0, channel].mean() * one[0, channel] for channel in range(5))
        assert_close(maps[sample], expected, rtol=1e-10, atol=1e-15)
    logits.sum().backward()
    assert features.grad is not None


def test_equals_monai_for_a_single_sample(network):
    monai = GradCAM(nn_module=Logits(network), target_layers="network.trunk.layer4")
    _, features = network(IMAGES[:1])
    own, other = [], []
    for label in (0, 1):
        own.append(class_activation_maps(features, network.head.weight, torch.tensor([label])).relu())
        other.append(monai.compute_map(IMAGES[:1], class_idx=label)[:, 0].detach())
    assert torch.cat(other).max() > 1e-6
    assert_close(torch.cat(own), torch.cat(other), rtol=1e-8, atol=1e-14)


def test_half_precision_features_give_maps_in_the_precision_of_the_weight():
    features, weight = torch.rand(2, 3, 2, 2, 2).bfloat16(), torch.rand(2, 3)
    maps = class_activation_maps(features, weight, torch.tensor([1, 0]))
    assert maps.dtype == torch.float32
    assert_close(maps[0], torch.einsum("cdhw,c->dhw", features[0].float(), weight[1]) / 8)
