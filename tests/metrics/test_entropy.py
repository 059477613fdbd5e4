from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import gaussian_kde

from graphcortex.metrics import entropy, weight_entropy


def naive_entropy(weights: torch.Tensor, num_points: int = 100) -> float:
    """Follow the protocol with scipy, line by line."""
    w = weights.double().numpy().ravel()
    density = gaussian_kde(w, bw_method="scott")(np.linspace(w.min(), w.max(), num_points))
    total = 0.0
    for p in density / density.sum():
        if p > 0:
            total -= p * math.log2(p)
    return total


def draws(kind: str, count: int = 2000) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    normal = torch.randn(count, generator=generator, dtype=torch.float64)
    return {
        "normal": normal,
        "log-normal": normal.exp(),
        "clipped at zero": normal.clamp(min=0),
        "two far peaks": normal * 0.01 + torch.sign(normal),
        "one outlier": torch.cat([normal, torch.tensor([1e4], dtype=torch.float64)]),
        "tiny": normal * 1e-30,
        "shifted": normal + 1000,
        "single precision": normal.float(),
        "two weights": normal[:2],
    }[kind]


KINDS = [
    "normal",
    "log-normal",
    "clipped at zero",
    "two far peaks",
    "one outlier",
    "tiny",
    "shifted",
    "single precision",
    "two weights",
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("num_points", [100, 2, 37])
def test_matches_scipy(kind, num_points):
    weights = draws(kind)
    found = weight_entropy(weights, num_points=num_points)
    assert found.value == pytest.approx(naive_entropy(weights, num_points), abs=1e-9)
    assert found.reason == ""
    assert (found.num_weights, found.num_points) == (weights.numel(), num_points)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("num_points", [100, 2, 37])
def test_binning_stays_within_what_it_says(kind, num_points):
    found = weight_entropy(draws(kind), num_points=num_points, method="binned")
    exact = weight_entropy(draws(kind), num_points=num_points)
    assert found.value == pytest.approx(exact.value, abs=0.0005)
    assert found.bandwidth == pytest.approx(exact.bandwidth, rel=1e-9)
    assert (found.method, exact.method) == ("binned", "kde")


@pytest.mark.parametrize("kind", ["normal", "shifted"])
def test_bandwidth_is_scotts_in_the_unit_of_the_weights(kind):
    weights = draws(kind) * 3
    kde = gaussian_kde(weights.numpy())
    assert weight_entropy(weights).bandwidth == pytest.approx(math.sqrt(kde.covariance[0, 0]), rel=1e-9)


weights = st.lists(st.integers(-32, 32), min_size=1, max_size=30).map(
    lambda eighths: torch.tensor(eighths).double() / 8
)


@given(w=weights)
def test_lies_between_zero_and_the_logarithm_of_the_points(w):
    assert 0 <= weight_entropy(w, num_points=20).value <= math.log2(20) + 1e-12


@given(w=weights)
def test_binning_stays_within_what_it_says_for_few_weights(w):
    exact = weight_entropy(w, num_points=20)
    found = weight_entropy(w, num_points=20, method="binned")
    assert found.value == pytest.approx(exact.value, abs=0.002)
    assert (found.num_weights, found.reason) == (exact.num_weights, exact.reason)


def test_binning_keeps_every_weight():
    w = draws("log-normal").numpy()
    grid, mass = entropy._linear_bins(w, w.min(), w.max(), 0.01)
    assert mass.sum() == pytest.approx(w.size, rel=1e-12)
    assert grid @ mass == pytest.approx(w.sum(), rel=1e-12)  # shared linearly, a weight keeps its place on average
    assert mass.min() >= -1e-9
    assert (grid[0], grid[-1]) == (w.min(), w.max())


def test_binning_does_not_depend_on_the_chunks(monkeypatch):
    whole = weight_entropy(draws("normal"), method="binned").value
    monkeypatch.setattr(entropy, "_CHUNK", 64)
    assert weight_entropy(draws("normal"), method="binned").value == pytest.approx(whole, abs=1e-12)


@given(w=weights, scale=st.sampled_from([-4.0, 0.5, 1e-200, 1e200]), data=st.data())
def test_does_not_depend_on_scale_sign_or_order(w, scale, data):
    order = torch.tensor(data.draw(st.permutations(range(w.numel()))))
    assert weight_entropy(scale * w[order]).value == pytest.approx(weight_entropy(w).value, abs=1e-9)


@given(w=weights)
def test_does_not_depend_on_a_shift(w):
    assert weight_entropy(w + 16).value == pytest.approx(weight_entropy(w).value, abs=1e-9)


@pytest.mark.parametrize("value", [0.0, -3.5, 1e300])
@pytest.mark.parametrize("count", [1, 4])
def test_equal_weights_have_none(value, count):
    found = weight_entropy(torch.full((count,), value, dtype=torch.float64))
    assert found.value == 0
    assert math.copysign(1, found.value) == 1
    assert found.reason == "all weights are equal"


def test_is_largest_for_spread_weights():
    spread = weight_entropy(torch.linspace(0, 1, 5000)).value
    assert math.log2(100) - 0.02 < spread < math.log2(100)
    assert weight_entropy(draws("one outlier")).value < 1


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_diverged_network_has_none_and_says_so(bad):
    found = weight_entropy(torch.tensor([0.1, bad, 0.2, bad]))
    assert math.isnan(found.value)
    assert found.reason == "2 of 4 weights are NaN or infinite: the network diverged"


def test_no_weights_have_none():
    found = weight_entropy(torch.zeros(0))
    assert math.isnan(float(found))
    assert found.reason == "there are no weights"


def test_takes_a_parameter_as_it_is(device):
    parameter = torch.nn.Parameter(draws("normal", 100).reshape(10, 10).to(device))
    assert weight_entropy(parameter).value == pytest.approx(naive_entropy(draws("normal", 100)), abs=1e-9)


BAD_ARGUMENTS = {
    "whole numbers": (torch.arange(3), 100),
    "no tensor": ([0.1, 0.2], 100),
    "one point": (torch.rand(3), 1),
    "half a point": (torch.rand(3), 2.5),
}


def test_rejects_an_unknown_method():
    with pytest.raises(ValueError, match=r"method must .*got"):
        weight_entropy(torch.rand(3), method="histogram")


@pytest.mark.parametrize(("edge_weight", "num_points"), BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS.keys())
def test_rejects(edge_weight, num_points):
    with pytest.raises(ValueError, match=r"must .*got"):
        weight_entropy(edge_weight, num_points=num_points)
