"""The neural process: what may and what may not change its answer, and that it learns distance and doubt."""

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from explainct.due.interpolation.classical import signed_distance_field
from explainct.due.uncertainty.neural_process import UncertaintyPredictor
from explainct.due.uncertainty.z_encoding import around, outline_fields

SIZE = 16


@pytest.fixture(autouse=True)
def _same_start():
    torch.manual_seed(0)


def model(width=8, latent=4):
    torch.manual_seed(0)
    network = UncertaintyPredictor(width=width, latent=latent).eval()
    # A freshly made network hardly departs from the classical answer, so that differences would drown.
    torch.nn.init.normal_(network.leave[1].weight, std=0.3)
    torch.nn.init.normal_(network.relation[-1].weight, std=0.3)
    return network


def example(contexts=4, targets=3, size=SIZE):
    """Two gaps with random discs as contexts, 3 mm apart, all shown, and targets between, at and beside them."""
    generator = torch.Generator().manual_seed(1)
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    radius = size * (0.15 + 0.3 * torch.rand(2, contexts, 1, 1, generator=generator))
    centre = size * (0.4 + 0.2 * torch.rand(2, 2, contexts, 1, 1, generator=generator))
    slices = ((y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2).float()
    context_z = 3.0 * torch.arange(contexts).expand(2, -1) + torch.rand(2, contexts, generator=generator)
    target_z = -2 + (3 * contexts + 1) * torch.rand(2, targets, generator=generator)
    target_z[0, 0] = context_z[0, 0]
    return slices, context_z, torch.ones(2, contexts, dtype=torch.bool), target_z, torch.tensor([0.6, 1.1])


def teaching(targets=3, size=SIZE):
    mean = torch.rand(2, targets, size, size)
    return {"mean": mean, "variance": mean * (1 - mean) / 2, "taken": torch.ones(2, targets, dtype=torch.bool)}


def close(one, other, atol=1e-5):
    for a, b in zip(one, other, strict=True):
        torch.testing.assert_close(a, b, atol=atol, rtol=0)


def differ(one, other):
    return all(float((a - b).abs().max()) > 1e-3 for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(("contexts", "targets", "size"), [(1, 1, 8), (2, 5, 24), (4, 2, 16), (6, 1, 40)])
def test_any_number_of_contexts_and_targets(contexts, targets, size):
    mean, variance = model().predict(*example(contexts, targets, size))
    assert mean.shape == variance.shape == (2, targets, size, size)
    assert torch.isfinite(mean).all()
    assert mean.min() >= 0
    assert mean.max() <= 1
    assert variance.min() >= 0
    assert torch.all(variance <= mean * (1 - mean) + 1e-6)


def test_context_slices_that_are_not_shown_do_not_matter_at_all():
    slices, context_z, _, target_z, pixel_mm = example()
    network = model()
    shown = torch.tensor([[False, True, True, False], [True, False, False, False]])
    plain = network.predict(slices, context_z, shown, target_z, pixel_mm)
    slices[~shown], context_z[~shown] = torch.nan, torch.tensor([torch.inf, 1e9, -7.0, torch.nan, 0.0])
    spoilt = network.predict(slices, context_z, shown, target_z, pixel_mm)
    assert all(torch.equal(a, b) for a, b in zip(plain, spoilt, strict=True))
    for row in range(2):
        one, left = slice(row, row + 1), shown[row]
        alone = network.predict(slices[one, left], context_z[one, left], shown[one, left], target_z[one], pixel_mm[one])
        close(alone, [value[one] for value in plain])


def test_context_slices_that_are_not_shown_take_no_part_in_the_loss():
    slices, context_z, shown, target_z, pixel_mm = example()
    network, taught = model(), teaching()
    shown[:, 0] = False
    fields = outline_fields(slices)

    def loss():
        terms = network.loss(
            slices,
            context_z,
            shown,
            target_z,
            pixel_mm,
            **taught,
            fields=fields,
            generator=torch.Generator().manual_seed(0),
        )
        return torch.stack(terms)

    before = loss()
    slices[:, 0], context_z[:, 0], fields[:, 0] = torch.nan, torch.nan, 1.0
    assert torch.equal(loss(), before)


def test_only_differences_of_positions_matter():
    slices, context_z, shown, target_z, pixel_mm = example()
    network = model()
    here = network.predict(slices, context_z, shown, target_z, pixel_mm)
    close(here, network.predict(slices, context_z - 250, shown, target_z - 250, pixel_mm), atol=1e-3)
    assert differ(here, network.predict(slices, 2 * context_z, shown, 2 * target_z, pixel_mm))
    assert differ(here, network.predict(slices, context_z, shown, target_z, 2 * pixel_mm))


@pytest.mark.parametrize("seen", [[1, 1, 1, 1], [0, 1, 1, 0], [0, 1, 0, 0]])
def test_mirrored_positions_give_the_same(seen):
    slices, context_z, _, target_z, pixel_mm = example()
    network, shown = model(), torch.tensor([seen, [1, 1, 1, 1]]).bool()
    here = network.predict(slices, context_z, shown, target_z, pixel_mm)
    mirrored = network.predict(slices.flip(1), -context_z.flip(1), shown.flip(1), -target_z, pixel_mm)
    close(here, mirrored)


def test_order_of_context_slices_does_not_matter_but_their_places_do():
    slices, context_z, shown, target_z, pixel_mm = example()
    network, order = model(), [2, 0, 3, 1]
    shown[1, 2] = False
    plain = network.predict(slices, context_z, shown, target_z, pixel_mm)
    close(plain, network.predict(slices[:, order], context_z[:, order], shown[:, order], target_z, pixel_mm))
    assert differ(plain, network.predict(slices[:, order], context_z, shown, target_z, pixel_mm))


def test_targets_asked_together_or_alone_get_the_same_answer():
    slices, context_z, shown, target_z, pixel_mm = example()
    network = model()
    together = network.predict(slices, context_z, shown, target_z, pixel_mm)
    for number in range(3):
        alone = network.predict(slices, context_z, shown, target_z[:, [number]], pixel_mm)
        close([value[:, [number]] for value in together], alone)


def test_mean_latent_is_steady_and_a_draw_follows_its_generator():
    network, batch = model(), example()

    def draw(seed):
        return network.predict(*batch, latent="draw", generator=torch.Generator().manual_seed(seed)).variance

    steady = network.predict(*batch).variance
    assert torch.equal(network.predict(*batch).variance, steady)
    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))
    assert not torch.equal(draw(1), steady)


def test_where_a_target_lies_among_its_contexts():
    context_z = torch.tensor([[0.0, 2.0, 6.0, 99.0]])
    shown = torch.tensor([[True, True, True, False]])
    place = around(context_z, shown, torch.tensor([[3.0, 2.0, -1.0, 8.0]]))
    expected = torch.tensor([[0, 0.75, 0.25, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0]])
    torch.testing.assert_close(place.nearest[0], expected)
    assert place.between.tolist() == [[True, True, False, False]]
    assert place.below_mm.tolist() == [[1, 0, 0, 2]]
    assert place.above_mm.tolist() == [[3, 0, 1, 0]]


def test_fields_are_clipped_distances_to_the_outline():
    slices = torch.zeros(2, 3, 24, 24)
    slices[0, 0, 4:20, 6:9] = 1
    slices[1, 2, 12, 12] = 0.5
    fields = outline_fields(slices)
    for row, column in ((0, 0), (0, 1), (1, 2)):
        expected = torch.from_numpy(signed_distance_field(slices[row, column].numpy() >= 0.5)).float()
        torch.testing.assert_close(fields[row, column], (expected / 6).clamp(-1, 1))


def test_padding_takes_no_part_in_the_loss():
    network, taught = model(), teaching()
    slices, context_z, shown, target_z, pixel_mm = example()
    taken = taught["taken"] = torch.tensor([[True, True, True], [True, False, False]])

    def loss():
        generator = torch.Generator().manual_seed(0)
        terms = network.loss(slices, context_z, shown, target_z, pixel_mm, **taught, generator=generator)
        return torch.stack(terms)

    before = loss()
    taught["variance"][~taken], taught["mean"][~taken], target_z[~taken] = 0.2, 0.4, 99.0
    torch.testing.assert_close(loss(), before)
    taught["variance"][0, 2] = 0.2
    assert not torch.allclose(loss(), before)


def test_an_empty_margin_hardly_changes_what_a_slice_counts():
    network = model()
    slices, context_z, shown, target_z, pixel_mm = example()
    mean = slices[:, :3] * 0.8

    def reconstruction(margin):
        # Without learned convolutions the answer at a pixel does not depend on the margin, and only the weights do.
        torch.nn.init.zeros_(network.leave[1].weight)
        wide = torch.nn.functional.pad
        edge = (margin,) * 4
        taught = {"mean": wide(mean, edge), "variance": wide(mean * (1 - mean), edge)}
        taken = torch.ones(2, 3, dtype=torch.bool)
        return network.loss(wide(slices, edge), context_z, shown, target_z, pixel_mm, **taught, taken=taken)[0].item()

    near, far = reconstruction(8), reconstruction(16)
    assert far == pytest.approx(near, rel=0.3)
    # The mean over all pixels would fall to (32 / 48)^2 of it.


def test_divergence_is_that_of_torch():
    network, batch = model(), example()
    means, scales = torch.randn(2, 4), torch.randn(2, 4)
    for head, shift in ((network.prior, 0), (network.posterior, 1)):
        torch.nn.init.zeros_(head[-1].weight)
        head[-1].bias.data = torch.cat([means[shift], scales[shift]])
    _, divergence = network.loss(*batch, **teaching())
    prior, posterior = (Normal(m, 0.01 + torch.nn.functional.softplus(s)) for m, s in zip(means, scales, strict=True))
    assert divergence.item() == pytest.approx(kl_divergence(posterior, prior).sum().item(), rel=1e-5)


def test_posterior_equal_to_prior_has_no_divergence():
    network = model()
    for head in (network.prior, network.posterior):
        torch.nn.init.zeros_(head[-1].weight)
        torch.nn.init.zeros_(head[-1].bias)
    _, divergence = network.loss(*example(), **teaching())
    assert divergence.item() == pytest.approx(0, abs=1e-6)


def test_the_posterior_sees_means_and_variances():
    network, batch, taught = model(), example(), teaching()
    divergences = [
        network.loss(*batch, **taught | {name: taught[name] * factor})[1].item()
        for name, factor in (("mean", 1), ("mean", 0.5), ("variance", 0.5))
    ]
    assert len(set(divergences)) == 3


def test_a_heavy_divergence_pulls_the_posterior_to_the_prior():
    def divergence(beta):
        network, batch, taught = model(), example(), teaching()
        optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
        for _ in range(30):
            terms = network.loss(*batch, **taught)
            optimizer.zero_grad()
            (terms[0] + beta * terms[1]).backward()
            optimizer.step()
        return terms[1].item()

    assert divergence(10.0) < 0.01 < divergence(0.0)


def test_every_parameter_learns():
    network = model()
    reconstruction, divergence = network.loss(*example(), **teaching())
    (reconstruction + divergence).backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in network.parameters())


def learn(batch, steps, lr=1e-2, beta=1e-3):
    """Train a small network on what `batch` draws; whole patches are one thing or the other."""
    torch.manual_seed(0)
    network = UncertaintyPredictor(width=8, latent=2)
    optimizer = torch.optim.AdamW(network.parameters(), lr=lr)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps)
    for _ in range(steps):
        positions, taught = batch()
        reconstruction, divergence = network.loss(*positions, **taught)
        optimizer.zero_grad()
        (reconstruction + beta * divergence).backward()
        optimizer.step()
        schedule.step()
    return network.eval()


def patches(values, size=8):
    return values[..., None, None].expand(*values.shape, size, size)


def test_prediction_grows_with_distance_when_variance_does():
    def batch():
        gap = 4 + 16 * torch.rand(8, 1)
        z = gap * torch.rand(8, 4)
        variance = 0.02 * torch.minimum(z, gap - z)
        contexts = patches((torch.rand(8, 2) < 0.5).float())
        places = torch.cat([torch.zeros_like(gap), gap], dim=1)
        taught = {"mean": patches(torch.full_like(z, 0.5)), "variance": patches(variance), "taken": z > -1}
        # Outlines that run through all pixels leave the mean undecided.
        return (contexts, places, places > -1, z, torch.ones(8)), taught | {"fields": 0 * contexts}

    network = learn(batch, 150)
    shown, contexts = torch.ones(1, 2, dtype=torch.bool), torch.ones(1, 2, 8, 8)

    def predicted(gap, z):
        where = torch.tensor([[0.0, gap]]), shown, torch.tensor([z])
        return network.predict(contexts, *where, torch.ones(1), fields=0 * contexts).variance.mean((-2, -1))[0]

    z = [1.0, 3.0, 5.0, 8.0]
    assert predicted(16.0, z).diff().min() > 0
    torch.testing.assert_close(predicted(16.0, z), 0.02 * torch.tensor(z), atol=0.04, rtol=0)
    # The same relative position in a shorter gap is nearer to its contexts.
    assert predicted(6.0, [3.0]).item() == pytest.approx(0.06, abs=0.03)


def test_a_context_that_is_hidden_leaves_its_variance():
    # The slice is what the upper context is, without any doubt; but that one is hidden in half of the examples.
    contexts = torch.cartesian_prod(torch.arange(2.0), torch.arange(2.0)).repeat(4, 1)
    shown = torch.stack([torch.ones(16), torch.arange(16) < 8], dim=1).bool()
    z, places = torch.full((16, 1), 3.0), torch.tensor([0.0, 4.0]).expand(16, 2)
    taught = {"mean": patches(contexts[:, 1:]), "variance": patches(0 * z), "taken": z > 0, "partial": ~shown[:, 1]}

    def batch():
        # All that there is, each as often: with a heavy divergence the latent tells nothing of the slice to predict.
        return (patches(contexts), places, shown, z, torch.ones(16)), taught

    network = learn(batch, 120, beta=0.1)
    asked = torch.tensor([[True, False], [True, True]])
    mean, variance = network.predict(
        torch.ones(2, 2, 8, 8), torch.tensor([[0.0, 4.0]] * 2), asked, torch.full((2, 1), 3.0), torch.ones(2)
    )
    hidden, seen = mean.mean((-2, -1)).flatten().tolist()
    assert 0.2 < hidden < 0.8
    assert seen > 0.9
    # 0.25 is the variance of a fair coin; without what is hidden it would be 0, as it is taught.
    hidden, seen = variance.mean((-2, -1)).flatten().tolist()
    assert hidden > 0.15
    assert seen < 0.05
