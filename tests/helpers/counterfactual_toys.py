"""Small smooth networks and images on which counterfactuals are solved in a moment."""

import torch

from explainct.cfalign.counterfactual import Problem, other_class, solve
from explainct.cfalign.networks import SmoothCNN
from explainct.cfalign.spaces import Grid

SIZE, CELL = 32, 8


def toy_images(count=4, seed=0, size=SIZE):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, 1, size, size, generator=generator, dtype=torch.float64)


def toy_network(seed=0, activation="silu", gain=3.0):
    """Return an untrained network whose head is steep enough that small changes matter."""
    torch.manual_seed(seed)
    network = SmoothCNN(activation=activation).double()
    with torch.no_grad():
        network.head.weight *= gain
    return network


def toy_inside(count=4, size=SIZE):
    inside = torch.zeros(count, 1, size, size, dtype=torch.float64)
    inside[:, :, 8:20, 10:24] = 1
    return inside


def toy_problem(seed=0, count=4, cell=CELL, **network):
    model = toy_network(seed, **network)
    images = toy_images(count, seed)
    return Problem(model, Grid(cell), images, other_class(model, images))


def solved(problem, tolerance=1e-10, iterations=200, retries=0, **others):
    return solve(problem, tolerance=tolerance, iterations=iterations, retries=retries, **others)
