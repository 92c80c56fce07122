"""The classifier's size, shapes and files."""

import pytest
import torch
from torch.testing import assert_close

from explainct.errors import UserError
from explainct.learning.networks.classifier import build_network, load_classifier, map_shape, save_classifier
from explainct.learning.networks.middle_slice import middle
from explainct.learning.networks.resnet import ExplainableResNet
from explainct.runtime import checkpoint
from explainct.runtime.device import choose_compute


@pytest.mark.parametrize(
    ("grid", "max_pool"), [((64, 128, 128), True), ((32, 64, 64), False)], ids=["published", "demo"]
)
def test_features_have_four_positions_along_each_axis(grid, max_pool):
    with torch.device("meta"):
        network = ExplainableResNet(width=1, max_pool=max_pool)
        logits, features = network(torch.empty(2, 1, *grid))
    assert sum(parameter.numel() for parameter in network.parameters()) / 1e6 == pytest.approx(33.16, abs=0.005)
    assert logits.shape == (2, 2)
    assert features.shape == (2, 512, 4, 4, 4)


@pytest.mark.parametrize("max_pool", [True, False])
def test_logits_are_those_of_monais_own_forward_pass(max_pool):
    torch.manual_seed(0)
    network = ExplainableResNet(width=1 / 16, max_pool=max_pool).eval()
    images = torch.rand(2, 1, 16, 32, 32)
    logits, features = network(images)
    assert_close(logits, network.trunk(images))
    assert_close(logits, network.head(features.mean((2, 3, 4))))


def test_a_width_without_channels_is_refused():
    with pytest.raises(UserError, match=r"`train.width` is 0.01.*0.015625"):
        ExplainableResNet(width=0.01, max_pool=True)


def test_saved_classifier_is_rebuilt_from_its_file_alone(tmp_path):
    torch.manual_seed(0)
    network = ExplainableResNet(width=1 / 16, max_pool=False)
    images = torch.rand(2, 1, 8, 16, 16)
    network(images)
    save_classifier("resnet18", network, tmp_path / "model.pt")
    loaded = load_classifier(tmp_path / "model.pt", choose_compute("cpu"))
    assert not loaded.training
    assert loaded.settings == {"dims": 3, "outputs": 2, "width": 1 / 16, "max_pool": False}
    # The loaded one computes channels last, which rounds differently.
    torch.testing.assert_close(loaded(images)[0], network.eval()(images)[0])


def test_another_checkpoint_is_refused(tmp_path):
    checkpoint.save({"weights": {}, "timesteps": 4}, tmp_path / "diffusion.pt")
    with pytest.raises(UserError, match=r"diffusion.pt holds timesteps, weights, not a classifier"):
        load_classifier(tmp_path / "diffusion.pt", choose_compute("cpu"))


def test_a_network_of_two_dimensions_sees_the_middle_slice_alone(tmp_path):
    torch.manual_seed(0)
    network = ExplainableResNet(dims=2, width=1 / 16, max_pool=False).eval()
    images = torch.rand(2, 1, 8, 32, 32)
    logits, features = network(images)
    assert features.shape == (2, 32, 1, 2, 2)
    assert_close(logits, network.trunk(images[:, :, middle(8)]))
    other = torch.rand_like(images)
    other[:, :, 4] = images[:, :, 4]
    assert torch.equal(network(other)[0], logits)
    assert torch.equal(network(images[:, :, 4:5])[0], logits)
    save_classifier("resnet18", network, tmp_path / "model.pt")
    torch.testing.assert_close(load_classifier(tmp_path / "model.pt", choose_compute("cpu"))(images)[0], logits)


@pytest.mark.parametrize("dims", [2, 3])
def test_the_shape_of_maps_is_known_without_computing_any(dims):
    settings = {"width": 1 / 16, "max_pool": False}
    _, features = ExplainableResNet(dims=dims, **settings)(torch.rand(2, 1, 16, 32, 32))
    assert map_shape("resnet18", (16, 32, 32), dims=dims, outputs=2, settings=settings) == tuple(features.shape[2:])


def test_the_layout_of_a_volume_does_not_change_the_gradients_of_its_slice():
    """Torch's own strides of such a slice made the backward pass write outside of its memory."""
    torch.manual_seed(0)
    network = ExplainableResNet(dims=2, width=1 / 16, max_pool=False)
    images, gradients = torch.rand(2, 1, 1, 32, 32), []
    for layout in (torch.contiguous_format, torch.channels_last_3d):
        network.zero_grad()
        network(images.to(memory_format=layout))[0][:, 1].sum().backward()
        gradients.append(network.trunk.conv1.weight.grad.clone())
    assert_close(*gradients)


def test_an_unknown_network_is_refused_with_the_known_ones():
    with pytest.raises(UserError, match=r"`train.network` is `vgg`, but networks are resnet18"):
        build_network("vgg", dims=3, outputs=2, settings={"width": 1, "max_pool": False})
