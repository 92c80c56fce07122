"""The neural process: what may and what may not change its answer, and that it learns distance."""

import pytest
import torch

from due.uncertainty.predictor import UncertaintyPredictor


def model(width=8, latent=4):
    torch.manual_seed(0)
    network = UncertaintyPredictor(width=width, latent=latent).eval()
    # A freshly made network is so certain of 0 that differences would drown.
    torch.nn.init.normal_(network.relation[-1].weight)
    torch.nn.init.normal_(network.decode_fine[-1].weight)
    return network


def example(contexts=2, targets=3, size=8):
    generator = torch.Generator().manual_seed(1)
    slices = torch.rand(2, contexts, size, size, generator=generator)
    context_z = 12 * torch.rand(2, contexts, generator=generator)
    target_z = 12 * torch.rand(2, targets, generator=generator)
    return slices, context_z, target_z, torch.tensor([0.6, 1.1])


@pytest.mark.parametrize(("contexts", "targets"), [(1, 1), (2, 5), (4, 2)])
def test_any_number_of_contexts_and_targets(contexts, targets):
    variance = model().predict(*example(contexts, targets))
    assert variance.shape == (2, targets, 8, 8)
    assert float(variance.min()) >= 0
    assert float(variance.max()) <= 0.25
    assert torch.isfinite(variance).all()


def test_only_differences_of_positions_matter():
    slices, context_z, target_z, pixel_mm = example()
    network = model()
    here = network.predict(slices, context_z, target_z, pixel_mm)
    there = network.predict(slices, context_z - 250, target_z - 250, pixel_mm)
    torch.testing.assert_close(here, there, atol=1e-4, rtol=0)
    wider = network.predict(slices, 2 * context_z, 2 * target_z, pixel_mm)
    assert float((wider - here).abs().max()) > 1e-3


def test_order_of_contexts_does_not_matter_but_their_places_do():
    slices, context_z, target_z, pixel_mm = example(contexts=3)
    network, order = model(), [2, 0, 1]
    plain = network.predict(slices, context_z, target_z, pixel_mm)
    shuffled = network.predict(slices[:, order], context_z[:, order], target_z, pixel_mm)
    torch.testing.assert_close(plain, shuffled, atol=1e-6, rtol=0)
    exchanged = network.predict(slices[:, order], context_z, target_z, pixel_mm)
    assert float((exchanged - plain).abs().max()) > 1e-3


def test_targets_asked_together_or_alone_get_the_same_answer():
    slices, context_z, target_z, pixel_mm = example()
    network = model()
    together = network.predict(slices, context_z, target_z, pixel_mm)
    for number in range(3):
        alone = network.predict(slices, context_z, target_z[:, [number]], pixel_mm)
        torch.testing.assert_close(together[:, [number]], alone, atol=1e-6, rtol=0)


def test_mean_latent_is_steady_and_a_draw_follows_its_generator():
    network, batch = model(), example()

    def draw(seed):
        return network.predict(*batch, latent="draw", generator=torch.Generator().manual_seed(seed))

    assert torch.equal(network.predict(*batch), network.predict(*batch))
    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))
    assert not torch.equal(draw(1), network.predict(*batch))


def test_padding_takes_no_part_in_the_loss():
    network = model()
    slices, context_z, target_z, pixel_mm = example()
    variance = torch.rand(2, 3, 8, 8) / 4
    taken = torch.tensor([[True, True, True], [True, False, False]])

    def loss():
        generator = torch.Generator().manual_seed(0)
        terms = network.loss(slices, context_z, target_z, pixel_mm, variance=variance, taken=taken, generator=generator)
        return torch.stack(terms)

    before = loss()
    variance[~taken], target_z[~taken] = 0.2, 99.0
    torch.testing.assert_close(loss(), before)
    variance[0, 2] = 0.2
    assert not torch.allclose(loss(), before)


def test_posterior_equal_to_prior_has_no_divergence():
    network = model()
    for head in (network.prior, network.posterior):
        torch.nn.init.zeros_(head[-1].weight)
        torch.nn.init.zeros_(head[-1].bias)
    batch, taken = example(), torch.ones(2, 3, dtype=torch.bool)
    _, divergence = network.loss(*batch, variance=torch.rand(2, 3, 8, 8) / 4, taken=taken)
    assert divergence.item() == pytest.approx(0, abs=1e-6)


def test_every_parameter_learns():
    network = model()
    taken = torch.ones(2, 3, dtype=torch.bool)
    reconstruction, divergence = network.loss(*example(), variance=torch.rand(2, 3, 8, 8) / 4, taken=taken)
    (reconstruction + divergence).backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in network.parameters())


def test_prediction_grows_with_distance_when_variance_does():
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    network = UncertaintyPredictor(width=8, latent=4)
    optimizer = torch.optim.AdamW(network.parameters(), lr=5e-3)
    for _ in range(120):
        gap = 4 + 16 * torch.rand(16, 1, generator=generator)
        z = gap * torch.rand(16, 4, generator=generator)
        nearest = torch.minimum(z, gap - z)
        variance = (0.02 * nearest)[:, :, None, None].expand(-1, -1, 4, 4)
        contexts = (torch.rand(16, 2, 1, 1, generator=generator) < 0.5).float().expand(-1, -1, 4, 4)
        reconstruction, divergence = network.loss(
            contexts,
            torch.cat([torch.zeros_like(gap), gap], dim=1),
            z,
            torch.ones(16),
            variance=variance,
            taken=torch.ones_like(z, dtype=torch.bool),
            generator=generator,
        )
        optimizer.zero_grad()
        (reconstruction + 1e-4 * divergence).backward()
        optimizer.step()
    contexts, z = torch.ones(1, 2, 4, 4), torch.tensor([[1.0, 3.0, 5.0, 8.0]])
    predicted = network.predict(contexts, torch.tensor([[0.0, 16.0]]), z, torch.ones(1)).mean((-2, -1))[0]
    assert predicted.diff().min() > 0
    torch.testing.assert_close(predicted, 0.02 * z[0], atol=0.03, rtol=0)
    # The same relative position in a shorter gap is nearer to its contexts.
    middle = network.predict(contexts, torch.tensor([[0.0, 6.0]]), torch.tensor([[3.0]]), torch.ones(1)).mean()
    assert float(middle) == pytest.approx(0.06, abs=0.03)
