import pytest
import torch
from torch.testing import assert_close

from graphcortex.ops import (
    communicability,
    communicability_matrix,
    edge_length,
    in_strength,
    out_strength,
    sample_communicability,
    spatial_communicability,
    total_communicability,
    wasserstein_1d,
)
from graphcortex.ops._expm import expm_contraction
from tests.second_derivatives import NO_ROADS, ROADS

each_road = pytest.mark.parametrize("road", ROADS.values(), ids=ROADS.keys())
# With the usual 1e-10 the column of a neuron without outputs is of 1e5, and costs the exponential of PyTorch its digits.
EPSILON = 0.1
each_normalization = pytest.mark.parametrize("normalization", ["both", "source"])

# Neuron 4 receives nothing, neuron 3 sends nothing; one edge joins a neuron with itself, and one pair is joined twice.
EDGES = torch.tensor([[0, 1, 2, 0, 1, 4, 2, 0], [1, 2, 0, 3, 1, 2, 3, 1]])
WEIGHT = torch.tensor([0.7, -1.3, 0.4, 2.0, 0.9, -0.6, 1.1, 0.5], dtype=torch.float64)
SAME = torch.tensor([0, 1, 2, 3, 4, 5, 6, 0])  # the last edge repeats the first, and is as long
LENGTH = torch.tensor([3.0, 1.0, 2.0, 4.0, 0.5, 2.5, 1.5, 3.0], dtype=torch.float64)


def naive_matrix(weight, normalization):
    """Return the communicability by the formula, in PyTorch's own operations."""
    W = torch.zeros(5, 5, dtype=weight.dtype).index_put(tuple(EDGES), weight, accumulate=True).abs()
    sent, received = W.sum(1), W.sum(0)
    if normalization == "source":
        left = right = (sent + EPSILON) ** -0.5
    else:
        left, right = (torch.where(s > 0, torch.where(s > 0, s, 1.0) ** -0.5, 0.0) for s in (sent, received))
    return torch.linalg.matrix_exp(left[:, None] * W * right)


def naive_cost(weight, length, normalization, exponent=1.0):
    W = torch.zeros(5, 5, dtype=weight.dtype).index_put(tuple(EDGES), weight, accumulate=True).abs()
    D = torch.zeros(5, 5, dtype=weight.dtype).index_put(tuple(EDGES[:, :-1]), length[:-1])
    C = naive_matrix(weight, normalization)
    return (W * D * torch.where(W > 0, torch.where(W > 0, C, 1.0) ** exponent, 0.0)).sum()


def cost(weight, length, normalization, **options):
    return spatial_communicability(EDGES, weight, length, 5, normalization=normalization, epsilon=EPSILON, **options)


def reference_of(weight):
    return torch.linspace(0, 2, weight.numel(), dtype=weight.dtype)


# (ours, by the formula), each of the weights and the normalization.
RIGHT = {
    "matrix": (
        lambda w, n: communicability_matrix(EDGES, w, 5, normalization=n, epsilon=EPSILON).square().sum(),
        lambda w, n: naive_matrix(w, n).square().sum(),
    ),
    "edges": (
        lambda w, n: (
            communicability(EDGES, w, 5, method="exact-dense", normalization=n, epsilon=EPSILON).square().sum()
        ),
        lambda w, n: naive_matrix(w, n)[tuple(EDGES)].square().sum(),
    ),
    "spatial": (
        lambda w, n: cost(w, LENGTH, n, method="exact-dense"),
        lambda w, n: naive_cost(w, LENGTH, n),
    ),
    "spatial, to a power": (
        lambda w, n: cost(w, LENGTH, n, method="exact-dense", exponent=2.0),
        lambda w, n: naive_cost(w, LENGTH, n, 2.0),
    ),
    "spatial, in the lengths": (
        lambda x, n: cost(WEIGHT, x[SAME] ** 2, n, method="exact-dense") ** 2,
        lambda x, n: naive_cost(WEIGHT, x[SAME] ** 2, n) ** 2,
    ),
    "distance of communicabilities": (
        lambda w, n: wasserstein_1d(
            communicability_matrix(EDGES, w, 5, normalization=n, epsilon=EPSILON), reference_of(torch.ones(25).double())
        ),
        lambda w, n: (naive_matrix(w, n).flatten().sort().values - reference_of(torch.ones(25).double())).abs().mean(),
    ),
    "distance, squared": (
        lambda w, n: wasserstein_1d(w**3, reference_of(w)) ** 2,
        lambda w, n: ((w**3).sort().values - reference_of(w)).abs().mean() ** 2,
    ),
    "strengths": (
        lambda w, n: (out_strength(EDGES, w, 5) ** 3 * in_strength(EDGES, w, 5)).sum(),
        lambda w, n: (
            torch.zeros(5).double().index_add(0, EDGES[0], w.abs()) ** 3
            * torch.zeros(5).double().index_add(0, EDGES[1], w.abs())
        ).sum(),
    ),
    "lengths of edges": (
        lambda x, n: edge_length(EDGES[:, SAME != 4], torch.stack([x[:5], x[2:7]], 1)).square().sum() ** 2,
        lambda x, n: (torch.stack([x[:5], x[2:7]], 1)[EDGES[:, SAME != 4]].diff(dim=0) ** 2).sum() ** 2,
    ),
}

REFUSED = {
    "edges in blocks": lambda w, n: communicability(
        EDGES, w, 5, method="exact-blocked", normalization=n, epsilon=EPSILON
    ).sum(),
    "edges in blocks, squared": lambda w, n: (
        communicability(EDGES, w, 5, method="exact-blocked", normalization=n, epsilon=EPSILON).square().sum()
    ),
    "spatial in blocks": lambda w, n: cost(w, LENGTH, n, method="exact-blocked"),
    "spatial in blocks, to a power": lambda w, n: cost(w, LENGTH, n, method="exact-blocked", exponent=2.0),
    "spatial in blocks, in the lengths": lambda x, n: cost(WEIGHT, x**2, n, method="exact-blocked"),
    "spatial by probes": lambda w, n: cost(w, LENGTH, n, method="stochastic", rng=0),
    "spatial by probes, in the lengths": lambda x, n: cost(WEIGHT, x**2, n, method="stochastic", rng=0),
    "total": lambda w, n: total_communicability(EDGES, w, 5, normalization=n, epsilon=EPSILON).sum(),
    "sample": lambda w, n: sample_communicability(EDGES, w, 5, normalization=n, epsilon=EPSILON, rng=0).square().sum(),
}


@each_road
@each_normalization
@pytest.mark.parametrize(("ours", "formula"), RIGHT.values(), ids=RIGHT.keys())
def test_a_second_derivative_is_right_by_every_road(ours, formula, normalization, road):
    results = [road(lambda x, f=function: f(x, normalization), WEIGHT) for function in (ours, formula)]
    assert_close(*results, rtol=1e-9, atol=1e-10)


@each_road
@each_normalization
@pytest.mark.parametrize("function", REFUSED.values(), ids=REFUSED.keys())
def test_a_second_derivative_is_refused_by_every_road(function, normalization, road):
    with pytest.raises(RuntimeError, match=r"must be differentiated only once, got .*take method='exact-dense'"):
        road(lambda x: function(x, normalization), LENGTH)


@pytest.mark.parametrize("function", REFUSED.values(), ids=REFUSED.keys())
def test_a_graph_that_is_recorded_and_not_used_gives_the_same_gradient(function):
    gradients = []
    for create_graph in (False, True):
        x = LENGTH.clone().requires_grad_()
        gradients.append(torch.autograd.grad(function(x, "both"), x, create_graph=create_graph)[0].detach())
    assert_close(*gradients, rtol=0, atol=0)


@pytest.mark.parametrize("function", REFUSED.values(), ids=REFUSED.keys())
def test_what_does_not_depend_on_communicability_may_be_differentiated_again(function):
    x, y = LENGTH.clone().requires_grad_(), LENGTH.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(function(x, "both") + (y**3).sum(), y, create_graph=True)
    assert_close(torch.autograd.grad(gradient.sum(), y)[0], 6 * LENGTH)


@pytest.mark.parametrize("road", NO_ROADS.values(), ids=NO_ROADS.keys())
@pytest.mark.parametrize("method", ["exact-dense", "exact-blocked"])
def test_transforms_of_functions_are_refused(method, road):
    with pytest.raises(RuntimeError):
        road(lambda w: communicability(EDGES, w, 5, method=method).sum(), WEIGHT)


def test_gradgradcheck_of_the_exponential():
    matrix = torch.rand(4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64) / 4
    assert torch.autograd.gradgradcheck(expm_contraction, matrix.requires_grad_())


def test_the_recorded_derivative_of_the_exponential_is_the_other():
    generator = torch.Generator().manual_seed(0)
    matrix, grad = (torch.rand(7, 7, generator=generator, dtype=torch.float64) / 7 for _ in range(2))
    matrix.requires_grad_()
    gradients = [
        torch.autograd.grad(expm_contraction(matrix), matrix, grad, create_graph=create_graph)[0].detach()
        for create_graph in (False, True)
    ]
    assert_close(*gradients, rtol=1e-13, atol=1e-14)
