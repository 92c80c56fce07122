"""Counterfactuals: the class flips, the point is a minimum, and a sample does not know its company."""

import pytest
import torch
from counterfactual_toys import SIZE, solved, toy_images, toy_network, toy_problem
from hypothesis import given
from hypothesis import strategies as st

from explainct.cfalign.counterfactual import Problem, linearised, minimise, other_class, solve
from explainct.cfalign.elastic_net import shrunk, solve_sparse
from explainct.cfalign.lbfgs import lbfgs
from explainct.cfalign.spaces import Grid, ceiling_of_share

GATE = 1e-2


def quadratic(batch=3, size=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    root = torch.randn(batch, size, size, generator=generator, dtype=torch.float64)
    hessian = root @ root.transpose(1, 2) + torch.eye(size, dtype=torch.float64)
    return hessian, torch.randn(batch, size, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("seed", range(3))
def test_lbfgs_solves_quadratics_as_a_dense_solver_does(seed):
    hessian, right = quadratic(seed=seed)

    def evaluate(z, rows):
        image = torch.einsum("bij,bj->bi", hessian[rows], z)
        return (z * (image / 2 - right[rows])).sum(1), image - right[rows]

    found = lbfgs(
        evaluate,
        torch.zeros_like(right),
        scale=torch.ones(3, dtype=torch.float64),
        done=lambda _, gradient: gradient.norm(dim=1) < 1e-9,
        iterations=200,
    )
    torch.testing.assert_close(found, torch.linalg.solve(hessian, right), rtol=0, atol=1e-7)


@pytest.mark.parametrize("cell", [1, 8])
@pytest.mark.parametrize("seed", range(3))
def test_counterfactuals_flip_the_class_and_are_stationary(seed, cell):
    problem = toy_problem(seed, cell=cell)
    found = solved(problem, tolerance=GATE, iterations=60, retries=5)
    predicted = problem.network(problem.base).argmax(1)
    assert (predicted != problem.targets).all()
    assert found.flipped.all()
    assert (problem.logits(found.z).argmax(1) == problem.targets).all()
    assert found.stationary(GATE).all()


def test_no_point_near_a_counterfactual_has_a_lower_objective():
    problem = toy_problem()
    found = solved(problem)
    best = problem.objective(found.z, found.weight)
    generator = torch.Generator().manual_seed(1)
    for length in (1e-3, 1e-2):
        moves = length * torch.randn(found.z.shape, generator=generator, dtype=torch.float64)
        assert (problem.objective(found.z + moves, found.weight) > best).all()


def test_a_large_lambda_leaves_an_image_as_it_is_where_the_class_is_already_predicted():
    network, images = toy_network(), toy_images()
    problem = Problem(network, Grid(8), images, network(images).argmax(1))
    found = solved(problem, weight=torch.full((4,), 1e6, dtype=torch.float64))
    assert found.z.abs().max() < 1e-4
    assert found.flipped.all()


def test_a_batch_gives_what_its_samples_give_alone():
    problem = toy_problem(count=3)
    together = solved(problem)
    for row in range(3):
        alone = solved(problem.rows(torch.tensor([row])))
        torch.testing.assert_close(alone.z, together.z[[row]], rtol=1e-5, atol=1e-7)
        torch.testing.assert_close(alone.weight, together.weight[[row]], rtol=1e-6, atol=0)


def test_too_few_iterations_do_not_pass_the_gate():
    found = solved(toy_problem(), tolerance=1e-8, iterations=1)
    assert not found.stationary(1e-8).any()


def test_a_retry_lowers_lambda_until_the_class_flips():
    problem = toy_problem()
    # So large that the first try stays with the predicted class.
    weight = 100 * linearised(problem)[1]
    assert not solved(problem, tolerance=GATE, weight=weight).flipped.all()
    retried = solved(problem, tolerance=GATE, weight=weight, retries=10)
    assert retried.flipped.all()
    assert (retried.weight <= weight).all()


def test_a_constant_image_and_a_flat_network_have_defined_counterfactuals():
    network = toy_network()
    images = torch.full((2, 1, SIZE, SIZE), 0.5, dtype=torch.float64)
    found = solved(Problem(network, Grid(8), images, other_class(network, images)), tolerance=GATE, retries=3)
    assert found.z.isfinite().all()
    with torch.no_grad():
        network.head.weight.zero_()
    flat = solved(Problem(network, Grid(8), images, torch.tensor([0, 1])), tolerance=GATE)
    assert flat.z.isfinite().all()
    assert not flat.stationary(GATE).any()


def test_a_network_of_rectifiers_does_not_pass_the_gate_at_its_kinks():
    class Kink(torch.nn.Module):
        """Logits (0, m) with m = 1 - 4 |mean of the image|: its counterfactual of class 0 or 1 lies on the kink."""

        def forward(self, images):
            margin = 1 - 4 * images.flatten(1).mean(1).abs()
            return torch.stack([torch.zeros_like(margin), margin], 1)

    images = torch.full((1, 1, 8, 8), -0.5, dtype=torch.float64)
    problem = Problem(Kink(), Grid(8), images, torch.tensor([1]))
    # A small lambda asks for the maximum of the margin, which is the kink.
    found = solve(problem, weight=torch.full((1,), 1e-3, dtype=torch.float64), tolerance=GATE, iterations=60, retries=0)
    assert found.flipped.all()
    assert not found.stationary(GATE).any()


@given(st.integers(0, 10_000), st.floats(0, 2))
def test_shrinking_is_the_minimiser_of_its_objective(seed, threshold):
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(1, 5, generator=generator, dtype=torch.float64)
    found = shrunk(z, torch.tensor([[threshold]], dtype=torch.float64))

    def cost(point):
        return ((point - z) ** 2).sum() / 2 + threshold * point.abs().sum()

    for _ in range(5):
        other = found + 0.1 * torch.randn(1, 5, generator=generator, dtype=torch.float64)
        assert cost(found) <= cost(other) + 1e-12


def test_the_elastic_net_without_l1_is_the_squared_distance_and_with_it_is_sparse():
    problem = toy_problem()
    weight = solved(problem).weight
    z = minimise(problem, problem.start(), weight, tolerance=1e-10, iterations=300)
    plain = solve_sparse(problem, weight=weight, ratio=0.0, tolerance=1e-8, iterations=100)
    torch.testing.assert_close(plain.z, z, rtol=1e-3, atol=1e-5)
    sparse = solve_sparse(problem, weight=weight, ratio=0.05, tolerance=1e-8, iterations=100)
    assert plain.active.all()
    assert 0 < sparse.active.double().mean() < 0.95
    assert (sparse.residual < 1e-6).all()
    # Stationary: the smooth gradient is minus lambda times ratio times the sign on the active set, and smaller off it.
    z = sparse.z.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(problem.objective(z, weight).sum(), z)
    scaled = gradient / (0.05 * weight[:, None])
    torch.testing.assert_close(scaled[sparse.active], -z.detach()[sparse.active].sign(), rtol=0, atol=1e-3)
    assert (scaled[~sparse.active].abs() <= 1 + 1e-3).all()


def test_the_ceiling_of_the_share_is_reached_by_one_cell_and_by_no_mixture():
    masks = torch.zeros(2, 1, SIZE, SIZE, dtype=torch.float64)
    masks[0, :, 9:15, 8:20] = masks[1, :, :16] = 1
    ceiling = ceiling_of_share(masks, 8)
    grid = Grid(8)
    generator = torch.Generator().manual_seed(0)
    for z in torch.rand(20, 2, 16, generator=generator, dtype=torch.float64):
        change = grid.change(masks, z)
        assert ((change * masks).sum((1, 2, 3)) / change.sum((1, 2, 3)) <= ceiling + 1e-9).all()
    assert ceiling[1] == pytest.approx(1.0, abs=1e-9)  # a cell of the topmost row reaches no further than row 11
    assert 0 < ceiling[0] < 1
    torch.testing.assert_close(ceiling_of_share(masks, 1), torch.ones(2, dtype=torch.float64))
