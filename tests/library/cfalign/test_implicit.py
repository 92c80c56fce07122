"""The implicit gradient: exact on quadratics, as central differences say on networks, and gated where it is neither."""

import pytest
import torch
from counterfactual_toys import solved, toy_inside, toy_network, toy_problem
from hypothesis import given
from hypothesis import strategies as st

from explainct.cfalign.alignment import share_inside, share_outside, sum_outside
from explainct.cfalign.counterfactual import minimise, residual_of
from explainct.cfalign.elastic_net import solve_sparse
from explainct.cfalign.implicit import conjugate_gradient, implicit_gradient
from explainct.cfalign.networks import check_smooth
from explainct.errors import UserError

EXACT = {"steps": 200, "tolerance": 1e-12, "gate": 1e-6}
SEEDS = 20
CONVERGED = 1e-8


def positive(batch, size, seed):
    generator = torch.Generator().manual_seed(seed)
    root = torch.randn(batch, size, size, generator=generator, dtype=torch.float64)
    return root @ root.transpose(1, 2) / size + 0.1 * torch.eye(size, dtype=torch.float64)


@given(st.integers(0, 10_000), st.integers(1, 12))
def test_conjugate_gradients_solve_as_a_dense_solver_does(seed, size):
    hessian = positive(3, size, seed)
    right = torch.randn(3, size, generator=torch.Generator().manual_seed(seed + 1), dtype=torch.float64)
    found = conjugate_gradient(
        lambda p: torch.einsum("bij,bj->bi", hessian, p), right, steps=10 * size, tolerance=1e-12
    )
    torch.testing.assert_close(found.solution, torch.linalg.solve(hessian, right), rtol=1e-6, atol=1e-7)
    assert (found.residual < 1e-9).all()
    assert not found.negative.any()


def test_conjugate_gradients_report_negative_curvature_and_leave_the_other_samples_alone():
    hessian = torch.stack([torch.eye(3), torch.diag(torch.tensor([1.0, -1.0, 1.0]))]).double()
    right = torch.ones(2, 3, dtype=torch.float64)
    found = conjugate_gradient(lambda p: torch.einsum("bij,bj->bi", hessian, p), right, steps=20, tolerance=1e-12)
    assert found.negative.tolist() == [False, True]
    torch.testing.assert_close(found.solution[0], right[0])
    nothing = conjugate_gradient(lambda p: p, torch.zeros(2, 3), steps=5, tolerance=1e-3)
    assert nothing.residual.tolist() == [0, 0]
    assert nothing.solution.abs().sum() == 0


@pytest.mark.parametrize("chunk", [None, 1, 2])
def test_the_implicit_gradient_of_a_quadratic_is_the_exact_one(chunk):
    # z* = A^-1 B theta, so the gradient of a mean loss is B^T A^-1 dL/dz over the number of samples.
    batch, size, count = 5, 6, 4
    hessian = positive(batch, size, 0)
    generator = torch.Generator().manual_seed(2)
    linear = torch.randn(batch, size, count, generator=generator, dtype=torch.float64)
    theta = torch.randn(count, generator=generator, dtype=torch.float64, requires_grad=True)
    wanted = torch.randn(batch, size, generator=generator, dtype=torch.float64)

    def objective(z, rows):
        curved = torch.einsum("bi,bij,bj->b", z, hessian[rows], z) / 2
        return curved - torch.einsum("bi,bic,c->b", z, linear[rows], theta)

    def loss(z, rows):
        return ((z - wanted[rows]) ** 2).sum(1)

    z = torch.linalg.solve(hessian, torch.einsum("bic,c->bi", linear, theta))
    (exact,) = torch.autograd.grad(((z - wanted) ** 2).sum(1).mean(), theta)
    everyone = torch.ones(batch, dtype=torch.bool)
    found = implicit_gradient(objective, loss, z.detach(), [theta], stationary=everyone, chunk=chunk, **EXACT)
    torch.testing.assert_close(found.gradients[0], exact, rtol=1e-8, atol=1e-8)
    assert found.used.all()
    # A sample that is left out is left out of the mean.
    part = torch.tensor([True, False, True, True, False])
    found = implicit_gradient(objective, loss, z.detach(), [theta], stationary=part, chunk=chunk, **EXACT)
    (exact,) = torch.autograd.grad(
        ((torch.linalg.solve(hessian, torch.einsum("bic,c->bi", linear, theta)) - wanted) ** 2).sum(1)[part].mean(),
        theta,
    )
    torch.testing.assert_close(found.gradients[0], exact, rtol=1e-8, atol=1e-8)
    assert found.used.tolist() == part.tolist()


def test_where_no_sample_is_used_the_gradient_is_zero_and_the_loss_no_number():
    theta = torch.ones(2, dtype=torch.float64, requires_grad=True)
    none = torch.zeros(3, dtype=torch.bool)
    found = implicit_gradient(
        lambda z, _: (z * theta).sum(1),
        lambda z, _: z.sum(1),
        torch.ones(3, 2, dtype=torch.float64),
        [theta],
        stationary=none,
        **EXACT,
    )
    assert found.gradients[0].tolist() == [0, 0]
    assert found.loss != found.loss
    assert not found.used.any()


def outside_of(problem, inside):
    return lambda z, rows: share_outside(problem.space.change(problem.base[rows], z), inside[rows])


def implicit_and_differences(seed, count=2, step=1e-4):
    """Return the implicit gradient along a random direction, the central difference, and whether all samples pass."""
    problem = toy_problem(seed, count=count)
    inside, everyone = toy_inside(count), torch.arange(count)
    loss = outside_of(problem, inside)
    found = solved(problem, tolerance=1e-10, iterations=400)
    parameters = list(problem.network.parameters())
    result = implicit_gradient(
        lambda z, rows: problem.rows(rows).objective(z, found.weight[rows]),
        loss,
        found.z,
        parameters,
        stationary=found.stationary(CONVERGED),
        **EXACT,
    )
    generator = torch.Generator().manual_seed(seed)
    direction = [torch.randn(p.shape, generator=generator, dtype=p.dtype) for p in parameters]
    length = torch.stack([part.norm() for part in direction]).norm()
    direction = [part / length for part in direction]
    along = sum(float((g * d).sum()) for g, d in zip(result.gradients, direction, strict=True))

    def moved(sign):
        with torch.no_grad():
            for parameter, part in zip(parameters, direction, strict=True):
                parameter += sign * step * part
        z = minimise(problem, found.z, found.weight, tolerance=1e-11, iterations=400)
        value = loss(z, everyone).mean()
        with torch.no_grad():
            for parameter, part in zip(parameters, direction, strict=True):
                parameter -= sign * step * part
        return float(value)

    return along, (moved(1) - moved(-1)) / (2 * step), bool(result.used.all())


@pytest.fixture(scope="module")
def comparisons():
    return [implicit_and_differences(seed) for seed in range(SEEDS)]


def test_the_implicit_gradient_is_that_of_central_differences(comparisons):
    passed = [(a, b) for a, b, used in comparisons if used]
    assert len(passed) >= 18
    errors = [abs(a - b) / abs(b) for a, b in passed]
    assert max(errors) < 1e-2


def test_a_seed_that_does_not_converge_is_left_out():
    problem = toy_problem(0)
    found = solved(problem, tolerance=1e-10, iterations=2)
    result = implicit_gradient(
        lambda z, rows: problem.rows(rows).objective(z, found.weight[rows]),
        outside_of(problem, toy_inside()),
        found.z,
        list(problem.network.parameters()),
        stationary=found.stationary(CONVERGED),
        **EXACT,
    )
    assert not result.used.any()


@pytest.mark.parametrize("chunk", [1, 3])
def test_chunks_and_batches_change_nothing(chunk):
    problem, inside = toy_problem(count=4), toy_inside(4)
    found = solved(problem)
    parameters = list(problem.network.parameters())

    def gradient(rows, chunk):
        some = problem.rows(rows)
        return implicit_gradient(
            lambda z, r: some.rows(r).objective(z, found.weight[rows][r]),
            outside_of(some, inside[rows]),
            found.z[rows],
            parameters,
            stationary=torch.ones(len(rows), dtype=torch.bool),
            chunk=chunk,
            **EXACT,
        ).gradients

    whole = gradient(torch.arange(4), None)
    chunked = gradient(torch.arange(4), chunk)
    alone = [gradient(torch.tensor([row]), None) for row in range(4)]
    for number, part in enumerate(whole):
        torch.testing.assert_close(chunked[number], part, rtol=1e-7, atol=1e-10)
        mean = torch.stack([single[number] for single in alone]).mean(0)
        torch.testing.assert_close(mean, part, rtol=1e-7, atol=1e-10)


def test_the_implicit_gradient_of_sparse_counterfactuals_is_that_of_differences_on_their_active_set():
    problem, inside, ratio = toy_problem(3, count=1), toy_inside(1), 0.02
    weight = solved(problem).weight
    sparse = {"weight": weight, "ratio": ratio, "tolerance": 1e-9, "iterations": 100}
    found = solve_sparse(problem, **sparse)
    head = problem.network.head.weight
    result = implicit_gradient(
        lambda z, rows: problem.rows(rows).objective(z, weight[rows]),
        outside_of(problem, inside),
        found.z,
        [head],
        stationary=found.residual < 1e-7,
        active=found.active,
        **EXACT,
    )
    assert result.used.all()
    direction = torch.randn(head.shape, generator=torch.Generator().manual_seed(0), dtype=head.dtype)
    values, step = [], 1e-5
    for sign in (1, -1):
        with torch.no_grad():
            head += sign * step * direction
        values.append(float(outside_of(problem, inside)(solve_sparse(problem, **sparse).z, torch.arange(1))))
        with torch.no_grad():
            head -= sign * step * direction
    difference = (values[0] - values[1]) / (2 * step)
    assert float((result.gradients[0] * direction).sum()) == pytest.approx(difference, rel=2e-2)


@given(st.integers(0, 10_000))
def test_the_alignment_loss_is_zero_if_and_only_if_the_change_lies_inside(seed):
    generator = torch.Generator().manual_seed(seed)
    inside = (torch.rand(1, 1, 6, 6, generator=generator) < 0.5).double()
    change = torch.randn(1, 1, 6, 6, generator=generator, dtype=torch.float64)
    for measure in (share_outside, sum_outside):
        assert measure(change * inside, inside).item() == 0
        assert (measure(change, inside).item() > 0) == bool((inside == 0).any())
    assert 0 <= share_outside(change, inside).item() <= 1
    torch.testing.assert_close(share_outside(7 * change, inside), share_outside(change, inside))
    torch.testing.assert_close(share_inside(change.abs(), inside), 1 - share_outside(change, inside))


def test_no_change_has_no_share_outside():
    nothing = torch.zeros(1, 1, 4, 4)
    assert share_outside(nothing, nothing).item() == 0


def test_a_network_of_rectifiers_is_refused():
    check_smooth(toy_network())
    with pytest.raises(UserError, match=r"second derivatives .* has ReLU\. Use `smooth_cnn`"):
        check_smooth(toy_network(activation="relu"))


def test_the_residual_of_a_point_that_is_none_is_not_a_small_number():
    z, gradient = torch.zeros(1, 3), torch.ones(1, 3)
    assert residual_of(z, gradient, torch.ones(1)).item() > 1
