"""What every network of the registry promises, in two and three dimensions."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from explainct.errors import UserError
from explainct.learning.networks.classifier import build_network, load_classifier, map_shape, save_classifier
from explainct.learning.networks.parts import Sum
from explainct.learning.networks.registry import NETWORKS
from explainct.learning.networks.small_resnet import SmallResNet
from explainct.runtime.device import choose_compute

SETTINGS = {"width": 0.25, "max_pool": False}


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_keeps_the_contract(name, dims, tmp_path):
    torch.manual_seed(0)
    network = build_network(name, dims=dims, outputs=6, settings=SETTINGS)
    images = torch.rand(2, 1, 32, 32, 32)
    network.eval()
    with torch.no_grad():
        logits, features = network(images)
        assert logits.shape == (2, 6)
        assert features.min() >= 0
        assert_close(logits, network.head(features.mean((2, 3, 4))))
    assert tuple(features.shape[2:]) == map_shape(name, (32, 32, 32), dims=dims, outputs=6, settings=SETTINGS)
    assert network.settings == {"dims": dims, "outputs": 6, **SETTINGS}
    names = dict(network.named_modules())
    assert all(module in names for step in network.layers.values() for module in step)
    if dims == 2:
        assert features.shape[2] == 1
        assert_close(network(images[:, :, 16:17])[0], logits)
    save_classifier(name, network, tmp_path / "model.pt")
    with torch.no_grad():
        assert_close(load_classifier(tmp_path / "model.pt", choose_compute("cpu"))(images)[0], logits)


@pytest.mark.parametrize("dims", [2, 3])
def test_every_relu_and_sum_of_the_small_network_is_called_once(dims):
    network = SmallResNet(dims=dims, outputs=6).eval()
    calls = []
    for module in network.modules():
        if isinstance(module, (nn.ReLU, Sum)):
            module.register_forward_hook(lambda module, *_: calls.append(module))
    network(torch.rand(1, 1, 16, 16, 16))
    assert len(calls) == len(set(calls)) == sum(isinstance(module, (nn.ReLU, Sum)) for module in network.modules())


def test_the_small_network_has_the_stated_size_and_refuses_no_channels():
    assert sum(p.numel() for p in SmallResNet(dims=2, outputs=6).parameters()) / 1e6 == pytest.approx(0.175, abs=0.001)
    with pytest.raises(UserError, match=r"width of 0.01 leaves"):
        SmallResNet(width=0.01)
