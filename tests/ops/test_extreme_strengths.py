"""Weights in float32 from the smallest number to the largest, held against float64."""

import pytest
import torch
from torch.testing import assert_close

from graphcortex.kernels import complete_edge_index
from graphcortex.losses import LengthCommunicabilityPenalty
from graphcortex.nn import GraphRNN
from graphcortex.ops import (
    communicability,
    communicability_matrix,
    edge_traffic,
    sample_communicability,
    spatial_communicability,
    total_communicability,
)

N = 6
EDGES = complete_edge_index(N)
GENERATOR = torch.Generator().manual_seed(0)
WEIGHT = torch.rand(N * N, generator=GENERATOR, dtype=torch.float64) + 0.1
LENGTH = torch.rand(N * N, generator=GENERATOR, dtype=torch.float64) * 100
LARGEST = torch.finfo(torch.float32).max


def spatial(w, d, **options):
    return spatial_communicability(EDGES, w, d, N, **options)


# Each is (weights, lengths, options) to a tensor.
MEASURES = {
    "matrix": lambda w, d, **o: communicability_matrix(EDGES, w, N, **o),
    "edges, dense": lambda w, d, **o: communicability(EDGES, w, N, method="exact-dense", **o),
    "edges, in blocks": lambda w, d, **o: communicability(EDGES, w, N, method="exact-blocked", **o),
    "sample": lambda w, d, **o: sample_communicability(EDGES, w, N, num_targets=3, rng=0, **o),
    "total": lambda w, d, **o: total_communicability(EDGES, w, N, **o),
    "traffic": lambda w, d, **o: edge_traffic(EDGES, w, N, **o),
    "spatial, dense": lambda w, d, **o: spatial(w, d, method="exact-dense", **o),
    "spatial, in blocks": lambda w, d, **o: spatial(w, d, method="exact-blocked", **o),
    "spatial, to a power": lambda w, d, **o: spatial(w, d, method="exact-blocked", exponent=0.5, **o),
    "spatial, by probes": lambda w, d, **o: spatial(w, d, method="stochastic", probes=8, rng=0, **o),
}
apart = (EDGES[0] < 3) == (EDGES[1] < 3)
# Which weights are scaled by the factor, which by its inverse, and which are 0.
SCALED = {
    "all": (EDGES[0] >= 0, None, None),
    "outputs of a neuron": (EDGES[0] == 0, None, None),
    "inputs of a neuron": (EDGES[1] == 0, None, None),
    "outputs and inputs of a neuron": ((EDGES[0] == 0) | (EDGES[1] == 0), None, None),
    "one neuron up, one down": (EDGES[0] == 0, EDGES[0] == 1, None),
    "outputs up, inputs down": (EDGES[0] == 0, (EDGES[1] == 1) & (EDGES[0] != 0), None),
    "two networks apart": (apart & (EDGES[0] < 3), apart & (EDGES[0] >= 3), ~apart),
}
FACTORS = (1e-42, 1e-38, 1e-27, 1e-20, 1e-13, 1e-9, 1e9, 1e13, 1e27, 3e38)


def value_and_gradient(measure, weight, dtype, normalization):
    w, d = (x.to(dtype, copy=True).requires_grad_() for x in (weight, LENGTH))
    value = measure(w, d, normalization=normalization)
    if value.requires_grad:
        # Not the plain sum: the sum over a column of equal entries could hide one that is wrong.
        (value * torch.linspace(1, 2, value.numel(), dtype=dtype).view(value.shape)).sum().backward()
    return [x.double() for x in (value.detach(), w.grad, d.grad) if x is not None]


def scaled_weights(factor, up, down, absent):
    weight = WEIGHT.clone()
    weight[up] *= factor
    if down is not None:
        weight[down] *= min(1 / factor, 3e38)
    if absent is not None:
        weight[absent] = 0
    return weight.clamp(max=LARGEST).float().double()


@pytest.mark.parametrize("normalization", ["both", "source"])
@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES.keys())
@pytest.mark.parametrize("scaled", SCALED.values(), ids=SCALED.keys())
@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_float32_has_the_numbers_of_float64_or_says_that_they_do_not_fit(scaled, measure, normalization):
    for factor in FACTORS:
        weight = scaled_weights(factor, *scaled)
        exact = value_and_gradient(measure, weight, torch.float64, normalization)
        try:
            short = value_and_gradient(measure, weight, torch.float32, normalization)
        except OverflowError:
            # Not for nothing: a part of the sum is as large as what float32 holds.
            assert max(float(x.abs().max()) for x in exact) > LARGEST / 10, factor
            continue
        for got, wanted in zip(short, exact, strict=True):
            # Numbers below the smallest normal one of float32 have few digits in it, or none.
            bound = 1e-4 * float(wanted.abs().max()) + torch.finfo(torch.float32).tiny
            assert float((got - wanted).abs().max()) <= bound, factor


@pytest.mark.parametrize("measure", ["spatial, dense", "spatial, in blocks", "spatial, by probes"])
def test_a_cost_that_does_not_fit_float32_is_an_error(measure):
    weight = torch.full((N * N,), 2e38)
    with pytest.raises(OverflowError, match=r"communicability must fit torch.float32, got up to .*e\+4.*\.double\(\)"):
        MEASURES[measure](weight, LENGTH.float())


def test_a_gradient_that_does_not_fit_float32_is_an_error():
    weight = torch.full((N * N,), 1e-42).requires_grad_()
    value = total_communicability(EDGES, weight, N)
    assert value.isfinite().all()
    with pytest.raises(OverflowError, match=r"the gradient of communicability must fit torch.float32, got up to"):
        (value * torch.arange(N)).sum().backward()


@pytest.mark.parametrize("factor", [1e-300, 1e-200, 1e-160, 1e160, 1e200])
@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES.keys())
def test_a_gradient_that_float64_cannot_hold_is_an_error_and_the_value_is_right(measure, factor):
    """Communicability does not depend on the unit of the weights, and the cost is proportional to it."""
    scaled = (WEIGHT * factor).requires_grad_()
    weight = WEIGHT.clone().requires_grad_()
    value, expected = measure(scaled, LENGTH), measure(weight, LENGTH)
    per_weight = value.dim() == 0  # a cost is in units of the weights
    assert_close(value / factor if per_weight else value, expected)
    if not value.requires_grad:
        return
    expected.sum().backward()
    try:
        value.sum().backward()
    except OverflowError:
        return
    assert_close(scaled.grad * (1.0 if per_weight else factor), weight.grad, rtol=1e-7, atol=1e-12)


def test_the_error_of_a_gradient_in_float64_says_what_to_do():
    weight = (WEIGHT * 1e-300).requires_grad_()
    with pytest.raises(OverflowError, match=r"must fit torch.float64, got NaN or infinity.*multiply the weights"):
        spatial(weight, LENGTH, method="exact-dense").backward()


@pytest.mark.parametrize("normalization", ["both", "source"])
def test_weights_of_zero_stay_in_their_precision(normalization):
    value = communicability(EDGES, torch.zeros(N * N), N, normalization=normalization)
    assert value.dtype is torch.float32
    assert value.view(N, N).equal(torch.eye(N))


def test_a_penalty_of_weights_near_infinity_is_nan_as_at_infinity():
    rnn = GraphRNN(1, EDGES, N)
    penalty = LengthCommunicabilityPenalty(LENGTH.float())
    with torch.no_grad():
        rnn.edge_weight.fill_(2e38)
    value = penalty(rnn)
    value.backward()
    assert value.isnan()
    assert rnn.edge_weight.grad.isnan().all()
