"""Explainers against backward passes and loops by hand, and what all of them promise."""

import warnings
from copy import deepcopy
from itertools import product

import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn.functional import conv_transpose3d, interpolate
from torch.testing import assert_close

from explainct.errors import UserError
from explainct.learning.explain import explainers as attributions
from explainct.learning.explain.explainers import BASELINE, EXPLAINERS, explain
from explainct.learning.explain.parameter_randomisation import randomisation_check, rank_correlation
from explainct.learning.networks.resnet import ExplainableResNet
from explainct.seeds import derived_seed

CLASSES = torch.tensor([0, 1, 1])
CAMS = ("grad_cam", "grad_cam_closed", "grad_cam_plus_plus", "hires_cam")


def random_images(*shape):
    return torch.rand(3, 1, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


IMAGES = random_images(8, 16, 16)
LARGE = random_images(16, 32, 32)  # the classifier has features of 2 x 2 x 2 positions
SMALL = random_images(4, 6, 8)


class SmallNetwork(nn.Module):
    """Two convolutions, one ReLU module that works in place on both, pooling and one linear layer."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv3d(1, 4, 3, padding=1)
        self.conv2 = nn.Conv3d(4, 5, 2, stride=2)
        self.act = nn.ReLU(inplace=True)
        self.head = nn.Linear(5, 2)

    def forward(self, images):
        features = self.act(self.conv2(self.act(self.conv1(images))))
        return self.head(features.flatten(2).mean(2)), features


class CurvedNetwork(SmallNetwork):
    """The same with a head that weighs positions differently and is not linear."""

    def __init__(self):
        super().__init__()
        self.curved = nn.Sequential(nn.Flatten(), nn.Linear(5 * 2 * 3 * 4, 6), nn.Tanh(), nn.Linear(6, 2))

    def forward(self, images):
        _, features = super().forward(images)
        return self.curved(features), features


class GuidedRule(torch.autograd.Function):
    @staticmethod
    def forward(ctx, inputs):
        ctx.save_for_backward(inputs)
        return inputs.clamp_min(0)

    @staticmethod
    def backward(ctx, gradient):
        (inputs,) = ctx.saved_tensors
        return gradient * (gradient > 0) * (inputs > 0)


class GuidedReLU(nn.Module):
    """A ReLU with the rule of guided backpropagation, as an autograd function."""

    def forward(self, inputs):
        return GuidedRule.apply(inputs)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    network = ExplainableResNet(width=1 / 16, max_pool=False)
    # One training pass gives batch normalisation statistics that differ from its initial ones.
    network(torch.rand(4, 1, 8, 16, 16))
    return network.double().eval()


@pytest.fixture(scope="module")
def small():
    torch.manual_seed(3)
    return SmallNetwork().double().eval()


@pytest.fixture(scope="module")
def curved():
    torch.manual_seed(4)
    return CurvedNetwork().double().eval()


def untrained(seed, dims=3):
    with torch.random.fork_rng():
        torch.manual_seed(derived_seed(seed, "explain", "randomisation"))
        return ExplainableResNet(dims=dims, width=1 / 16, max_pool=False).double().eval()


def gradient_of_own_logit(network, images):
    images = images.clone().requires_grad_()
    total = sum(network(images)[0][sample, label] for sample, label in enumerate(CLASSES))
    return torch.autograd.grad(total, images)[0]


def features_and_gradient_of(network, sample):
    features = network(SMALL[sample, None])[1].detach().requires_grad_()
    (gradient,) = torch.autograd.grad(network.curved(features)[0, CLASSES[sample]], features)
    return features[0].detach(), gradient[0]


def hooks(network):
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return sum(len(getattr(module, kind)) for module in network.modules() for kind in kinds)


def test_grad_cam_closed_form_and_hires_cam_agree_for_pooling_and_a_linear_layer(network):
    expected = attributions.grad_cam(network, LARGE, CLASSES)
    assert expected.shape == (3, 2, 2, 2)
    assert expected.std((1, 2, 3)).min() > 1e-6
    for other in (attributions.grad_cam_closed, attributions.hires_cam):
        assert_close(other(network, LARGE, CLASSES), expected, rtol=1e-9, atol=1e-14)


def test_cams_of_a_curved_head_equal_loops_by_hand(curved):
    hires, plain = (method(curved, SMALL, CLASSES) for method in (attributions.hires_cam, attributions.grad_cam))
    assert (hires - plain).abs().max() > 1e-3
    for sample in range(3):
        features, gradient = features_and_gradient_of(curved, sample)
        assert_close(hires[sample], sum(g * f for g, f in zip(gradient, features, strict=True)))
        assert_close(plain[sample], sum(g.mean() * f for g, f in zip(gradient, features, strict=True)))


def test_grad_cam_plus_plus_equals_equation_19_by_hand(curved):
    maps = attributions.grad_cam_plus_plus(curved, SMALL, CLASSES)
    for sample in range(3):
        features, gradient = features_and_gradient_of(curved, sample)
        expected = torch.zeros(features.shape[1:], dtype=torch.float64)
        for channel, slopes in zip(features, gradient, strict=True):
            weight = 0.0
            for g in slopes.flatten().tolist():
                alpha = g**2 / (2 * g**2 + float(channel.sum()) * g**3) if g else 0.0
                weight += alpha * max(g, 0.0)
            expected += weight * channel
        assert expected.max() > 1e-3
        assert_close(maps[sample], expected)


def test_input_x_gradient_equals_autograd_by_hand(network):
    result = attributions.input_x_gradient(network, IMAGES.clone().requires_grad_(), CLASSES)
    assert_close(result, (IMAGES * gradient_of_own_logit(network, IMAGES))[:, 0])


def rises(network, images, classes):
    with torch.no_grad():
        above, base = (network(inputs)[0] for inputs in (images, torch.full_like(images, BASELINE)))
    return (above - base)[torch.arange(3), classes]


def test_integrated_gradients_sum_to_the_rise_of_the_logit_above_the_baseline(small, caplog):
    caplog.set_level("INFO")
    for classes in (CLASSES, 1 - CLASSES):
        result = attributions.integrated_gradients(small, SMALL.clone().requires_grad_(), classes)
        expected = rises(small, SMALL, classes)
        assert expected.abs().min() > 1e-3
        assert_close(result.sum((1, 2, 3)), expected, rtol=0.02, atol=0)
    logged = [float(record.message.split()[-3]) for record in caplog.records]
    assert len(logged) == 2
    assert max(logged) < 2


def test_integrated_gradients_are_exact_for_a_classifier_without_bias():
    # Such a network is homogeneous: its gradient is the same all the way from the baseline.
    network = untrained(1)
    result = attributions.integrated_gradients(network, IMAGES.clone().requires_grad_(), CLASSES)
    assert_close(result.sum((1, 2, 3)), rises(network, IMAGES, CLASSES), rtol=1e-6, atol=0)
    assert_close(
        result, attributions.input_x_gradient(network, IMAGES.clone().requires_grad_(), CLASSES), rtol=1e-6, atol=1e-9
    )


def test_guided_backpropagation_equals_transposed_convolutions_by_hand(small):
    hidden = small.conv1(SMALL).detach()
    last = small.conv2(hidden.relu()).detach()
    gradient = (small.head.weight[CLASSES] / last[0, 0].numel())[..., None, None, None].expand_as(last).detach()
    gradient = gradient.relu() * (last > 0)
    gradient = conv_transpose3d(gradient, small.conv2.weight.detach(), stride=2)
    gradient = gradient.relu() * (hidden > 0)
    expected = conv_transpose3d(gradient, small.conv1.weight.detach(), padding=1)[:, 0]
    result = attributions.guided_backpropagation(small, SMALL.clone().requires_grad_(), CLASSES)
    assert_close(result, expected)
    assert (result - gradient_of_own_logit(small, SMALL)[:, 0]).abs().max() > 1e-3


def test_guided_backpropagation_of_the_classifier_equals_an_autograd_function(network):
    guided = deepcopy(network)
    for module in list(guided.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.ReLU):
                setattr(module, name, GuidedReLU())
    assert sum(isinstance(module, GuidedReLU) for module in guided.modules()) == 9
    expected = gradient_of_own_logit(guided, IMAGES)[:, 0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = attributions.guided_backpropagation(network, IMAGES.clone().requires_grad_(), CLASSES)
    assert_close(result, expected, rtol=1e-9, atol=1e-14)
    assert (result - gradient_of_own_logit(network, IMAGES)[:, 0]).abs().max() > 0.1 * expected.abs().max()


def test_occlusion_equals_a_loop_over_windows(small):
    images = random_images(2, 3, 33)  # windows of 1, 1 and 4, the last one cut at the border
    fall, covered = (torch.zeros(3, 2, 3, 33, dtype=torch.float64) for _ in range(2))
    with torch.no_grad():
        before = small(images)[0].gather(1, CLASSES[:, None])
        for k, i, j in product(range(2), range(3), range(0, 31, 2)):
            hidden = images.clone()
            hidden[:, 0, k, i, j : j + 4] = 0
            after = small(hidden)[0].gather(1, CLASSES[:, None])
            fall[:, k, i, j : j + 4] += before - after
            covered[:, k, i, j : j + 4] += 1
    assert (fall > 0).any()
    assert (fall < 0).any()
    # Captum adds up in single precision.
    assert_close(attributions.occlusion(small, images, CLASSES), (fall / covered).float())


@pytest.mark.parametrize("name", EXPLAINERS)
def test_maps_are_scaled_attributions_by_the_stated_rule(curved, small, name):
    network = small if name == "grad_cam_closed" else curved
    raw = EXPLAINERS[name].attribute(network, SMALL.clone().requires_grad_(), CLASSES).detach()
    if name in CAMS:
        expected = interpolate(raw.relu()[:, None], SMALL.shape[2:], mode="trilinear", align_corners=True)[:, 0]
    else:
        expected = raw.relu() if name == "occlusion" else raw.abs()
    expected = expected / expected.amax((1, 2, 3), keepdim=True).clamp_min(1e-12)
    result = explain(network, SMALL, CLASSES, name)
    assert_close(result, expected)
    assert result.min() >= 0
    assert result.max() == 1


@pytest.mark.parametrize("name", EXPLAINERS)
def test_chunks_change_nothing_and_repetition_no_bit(small, name):
    whole = explain(small, SMALL, CLASSES, name)
    assert torch.equal(explain(small, SMALL, CLASSES, name), whole)
    for batch_size in (1, 2):
        assert_close(explain(small, SMALL, CLASSES, name, batch_size=batch_size), whole, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", EXPLAINERS)
def test_frozen_networks_are_explained_and_without_autograd(small, name):
    frozen = deepcopy(small).requires_grad_(False)
    with torch.no_grad():
        result = explain(frozen, SMALL, CLASSES, name)
    assert torch.equal(result, explain(small, SMALL, CLASSES, name))
    assert not result.requires_grad


@pytest.mark.parametrize("name", EXPLAINERS)
def test_a_classifier_of_two_dimensions_is_explained_by_the_plane_it_sees(name):
    images = random_images(3, 32, 32) if name in CAMS else random_images(3, 8, 8)
    result = explain(untrained(2, dims=2), images, CLASSES, name)
    assert result.shape == (3, *images.shape[2:])
    assert result.max() == 1
    if name in CAMS:
        assert_close(result, result[:, 1:2].expand_as(result))
    else:
        assert result[:, [0, 2]].max() == 0
    assert not torch.equal(explain(untrained(2, dims=2), images, 1 - CLASSES, name), result)


@pytest.mark.parametrize("name", EXPLAINERS)
def test_the_classifier_is_left_as_it_was(network, name):
    network = deepcopy(network).train()
    network.trunk.bn1.eval()
    modes = [module.training for module in network.modules()]
    weights = deepcopy(network.state_dict())
    images = random_images(2, 8, 8)
    result = explain(network, images, CLASSES, name)
    assert result.shape == (3, 2, 8, 8)
    assert torch.isfinite(result).all()
    assert [module.training for module in network.modules()] == modes
    assert hooks(network) == 0
    assert not images.requires_grad
    assert all(parameter.grad is None for parameter in network.parameters())
    assert all(torch.equal(value, weights[key]) for key, value in network.state_dict().items())


@pytest.mark.parametrize("name", EXPLAINERS)
def test_nothing_stays_behind_when_the_network_fails(small, name):
    failing = deepcopy(small).train()
    during = []

    def fail(pooled):
        during.append(hooks(failing))
        raise RuntimeError("no memory")

    failing.head.forward = fail
    with pytest.raises(RuntimeError, match="no memory"):
        explain(failing, SMALL, CLASSES, name)
    assert (during[0] > 0) == (name == "guided_backpropagation")
    assert hooks(failing) == 0
    assert all(module.training for module in failing.modules())


def test_an_unknown_explainer_is_named_with_the_known_ones(small):
    with pytest.raises(UserError, match=r"`lime`.*" + ", ".join(EXPLAINERS)):
        explain(small, SMALL, CLASSES, "lime")


@pytest.mark.parametrize("name", ["grad_cam_closed", "input_x_gradient"])
@pytest.mark.filterwarnings("ignore:An input array is constant")
def test_the_cascade_starts_at_the_head_and_ends_with_an_untrained_network(network, name):
    weights, state = deepcopy(network.state_dict()), torch.get_rng_state()
    table = randomisation_check(network, LARGE, CLASSES, name, 7)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, weights[key]) for key, value in network.state_dict().items())
    layers = ["fc", "layer4", "layer3", "layer2", "layer1", "conv1"]
    assert table["layer"].tolist() == [layer for layer in layers for _ in range(3)]
    assert table["sample"].tolist() == [0, 1, 2] * 6
    without_head = deepcopy(network)
    without_head.trunk.fc = untrained(7).trunk.fc
    trained = explain(network, LARGE, CLASSES, name)
    for layer, peer in (("fc", without_head), ("conv1", untrained(7))):
        for sample, maps in enumerate(explain(peer, LARGE, CLASSES, name)):
            expected = pd.Series(maps.flatten()).corr(pd.Series(trained[sample].flatten()), method="spearman")
            found = table[(table["layer"] == layer) & (table["sample"] == sample)]["spearman"].item()
            assert found == pytest.approx(expected, abs=1e-9, nan_ok=True)
    assert table["spearman"].dropna().between(-1, 0.999).all()
    assert table["spearman"].notna().any()


def test_the_check_depends_on_its_seed_alone(network):
    check = [randomisation_check(network, IMAGES, CLASSES, "input_x_gradient", seed) for seed in (1, 1, 2)]
    pd.testing.assert_frame_equal(check[0], check[1], check_exact=True)
    assert not check[0].equals(check[2])


def test_rank_correlation_of_equal_reversed_and_constant_maps():
    maps = torch.rand(2, 3, 4, generator=torch.Generator().manual_seed(5))
    assert rank_correlation(maps, maps**3) == pytest.approx(1)
    assert rank_correlation(maps, -maps) == pytest.approx(-1)
    assert pd.isna(rank_correlation(maps, torch.zeros(2, 3, 4)))
