"""What a network pays under the corrected protocol, on all pairs and on the synapses, against dense matrices and loops."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.linalg
import torch

from graphcortex.study import Protocol, Variant, build_network, build_penalties, network_edges
from graphcortex.study.protocol import CHOICES
from graphcortex.study.wiring import wire
from graphcortex.tasks import get_task
from tests.study._small import lengths
from tests.study.test_weights import looped

CORRECTED = Protocol.corrected()
SUFFIXES = ("", "+sparse")
PENALTIES = ("W", "WD", "WDC", "WD*", "WD*C", "WDC*", "WD*C*", "WD*[shuffled]C")


def naive_communicability(W: np.ndarray) -> np.ndarray:
    """Out-strength at the source, in-strength at the target, zero where one is zero; the exponential is scipy's."""
    N, A = len(W), np.zeros(W.shape)
    for i in range(N):
        for j in range(N):
            if W[i, j] != 0:
                A[i, j] = abs(W[i, j]) / np.sqrt(np.abs(W[i]).sum() * np.abs(W[:, j]).sum())
    return scipy.linalg.expm(A)


def sorted_without_diagonal(C: np.ndarray) -> np.ndarray:
    return np.sort((C * ~np.eye(len(C), dtype=bool)).ravel())


def naive_penalty(graph, variant: Variant, W: np.ndarray, seed: int) -> float:
    """Follow the corrected protocol: lambda everywhere, a self-connection as long as the shortest connection."""
    if variant.distance is None:
        return 0.3 * np.abs(W).sum()
    D, C = lengths(graph, f"W{variant.distance}", CORRECTED, seed=seed), naive_communicability(W)
    if variant.communicability == "C":
        return 0.3 * (np.abs(W) * D * C).sum()
    cost = 0.3 * (np.abs(W) * D).sum()
    if variant.communicability == "C*":
        anatomy = naive_communicability(wire(graph, variant, seed=seed).count_matrix().numpy())
        cost += 0.1 * np.abs(sorted_without_diagonal(anatomy) - sorted_without_diagonal(C)).mean()
    return cost


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", PENALTIES)
def test_corrected_penalties_follow_the_formula(name, suffix):
    graph, variant, seed = looped(8), Variant.parse(name + suffix), 3
    rnn = build_network(graph, variant, get_task("go_nogo"), CORRECTED, seed=seed).rnn.double()
    penalties = build_penalties(graph, variant, CORRECTED, seed=seed).double()
    source, target = network_edges(graph, variant, seed=seed)
    rng = np.random.default_rng(0)
    for values in (rnn.edge_weight.detach().numpy(), rng.normal(size=source.numel())):
        rnn.set_edge_weight(torch.from_numpy(np.array(values)))
        W = np.zeros((8, 8))
        W[source, target] = values
        total = sum(penalty(rnn).item() for penalty in penalties)
        assert total == pytest.approx(naive_penalty(graph, variant, W, seed), rel=1e-5)


@pytest.mark.parametrize("name", PENALTIES)
def test_the_scale_is_a_factor_of_all_that_a_variant_pays(name):
    graph, variant = looped(8), Variant.parse(name)
    rnn = build_network(graph, variant, get_task("go_nogo"), CORRECTED, seed=0).rnn
    whole, tenth = (
        sum(penalty(rnn).item() for penalty in build_penalties(graph, variant, protocol))
        for protocol in (CORRECTED, Protocol.parse("corrected,penalty_scale=0.1"))
    )
    assert tenth == pytest.approx(0.1 * whole, rel=1e-6)


@pytest.mark.parametrize("method", CHOICES["communicability_method"])
def test_every_method_serves_a_sparse_network(method):
    graph, variant = looped(8), Variant.parse("WD*C+sparse")
    protocol = replace(CORRECTED, communicability_method=method, communicability_probes=400)
    rnn = build_network(graph, variant, get_task("go_nogo"), protocol, seed=0).rnn
    (exact,) = build_penalties(graph, variant, CORRECTED)
    (penalty,) = build_penalties(graph, variant, protocol)
    assert penalty(rnn).item() == pytest.approx(exact(rnn).item(), rel=0.2 if method == "stochastic" else 1e-5)
    penalty(rnn).backward()
    assert bool(torch.isfinite(rnn.edge_weight.grad).all())


@pytest.mark.parametrize("wiring", ["degree", "degree-length"])
def test_c_star_compares_with_the_rewired_anatomy(wiring):
    graph = looped(9)
    loops = graph.synapses.edge_index[0] == graph.synapses.edge_index[1]
    graph.synapses.edge_index, graph.synapses["count"] = (
        graph.synapses.edge_index[:, ~loops],
        graph.synapses["count"][~loops],
    )
    for variant in (Variant.parse(f"WD*C*@{wiring}"), Variant.parse("WD*C*")):
        rnn = build_network(graph, variant, get_task("go_nogo"), CORRECTED, seed=1).rnn.double()
        W = rnn.edge_weight.detach().view(9, 9).numpy()
        total = sum(penalty(rnn).item() for penalty in build_penalties(graph, variant, CORRECTED, seed=1).double())
        assert total == pytest.approx(naive_penalty(graph, variant, W, 1), rel=1e-5)


def test_a_self_connection_is_free_as_published_and_not_when_corrected():
    graph, variant = looped(8), Variant.parse("WD*")
    rnn = build_network(graph, variant, get_task("go_nogo"), CORRECTED, seed=0).rnn
    rnn.set_edge_weight(torch.eye(8).flatten())
    (published,), (corrected,) = (build_penalties(graph, variant, p) for p in (Protocol.published(), CORRECTED))
    assert published(rnn).item() == 0
    D = lengths(graph, "WD*", CORRECTED)
    assert corrected(rnn).item() == pytest.approx(0.3 * 8 * D[~np.eye(8, dtype=bool)].min(), rel=1e-5)
