from __future__ import annotations

import math
from itertools import combinations, permutations

import networkx
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphcortex.graphs import simple_graph
from graphcortex.metrics import _triads, motifs
from graphcortex.metrics._triads import TRIADS, triad_counts
from graphcortex.metrics.ensemble import Nulls
from graphcortex.testing import assert_invariant_to_edge_order, assert_invariant_to_relabelling
from graphcortex.testing.strategies import edges
from tests.metrics.graphs import BAD_EDGES, NO_EDGES, RING, STAR, TRIANGLES, clustered
from tests.metrics.naive import naive_matrix, networkx_of


def naive_counts(A: np.ndarray) -> list[int]:
    """Look at every three neurons, and give them the least number that their nine entries make in any order."""
    found = dict.fromkeys(TRIADS, 0)
    for three in combinations(range(len(A)), 3):
        numbers = []
        for order in permutations(three):
            entries = [A[i, j] for i in order for j in order]
            numbers.append(int(sum(entry * 2**place for place, entry in enumerate(entries))))
        if min(numbers) in found:
            found[min(numbers)] += 1
    return list(found.values())


@given(graph=edges(max_nodes=8))
def test_matches_naive(graph):
    found = motifs(*graph)
    naive = naive_counts(naive_matrix(graph, directed=True, weighted=False))
    assert found.counts.tolist() == naive
    assert found.names == tuple(TRIADS.values())
    closed = sum(count for name, count in zip(found.names, naive, strict=True) if name in CLOSED)
    assert found.value == pytest.approx(closed / sum(naive) if sum(naive) else math.nan, nan_ok=True)
    assert bool(found.reason) == (sum(naive) == 0)


CLOSED = ("030T", "030C", "120D", "120U", "120C", "210", "300")


@given(graph=edges(max_nodes=8))
def test_without_direction_matches_naive(graph):
    found = motifs(*graph, directed=False)
    naive = dict(zip(TRIADS.values(), naive_counts(naive_matrix(graph, directed=False, weighted=False)), strict=True))
    assert found.names == ("path", "triangle")
    assert found.counts.tolist() == [naive["201"], naive["300"]]
    assert sum(naive.values()) == naive["201"] + naive["300"]


@given(graph=edges(max_nodes=8), data=st.data())
def test_names_and_order_do_not_matter(graph, data):
    def counts(edge_index, edge_weight, num_nodes):
        return motifs(edge_index, edge_weight, num_nodes).counts

    assert_invariant_to_relabelling(counts, graph, data.draw(st.permutations(range(graph.num_nodes))))
    assert_invariant_to_edge_order(counts, graph, data.draw(st.permutations(range(graph.edge_index.size(1)))))


@given(graph=edges(max_nodes=8))
def test_reversed_edges_exchange_the_kinds(graph):
    there = motifs(*graph).table()["count"]
    back = motifs(graph.edge_index.flip(0), graph.edge_weight, graph.num_nodes).table()["count"]
    exchanged = {"021D": "021U", "021U": "021D", "111D": "111U", "111U": "111D", "120D": "120U", "120U": "120D"}
    assert back.to_dict() == {exchanged.get(name, name): count for name, count in there.items()}


@pytest.mark.parametrize("threshold", [1.0, 2.5])
def test_agrees_with_networkx(threshold):
    graph = clustered(50, 4)
    found = motifs(*graph, threshold=threshold)
    A = (naive_matrix(graph, directed=True) > threshold).astype(float)
    census = networkx.triadic_census(networkx_of(A, directed=True))
    assert found.counts.tolist() == [census[name] for name in found.names]


def matrix_of(name: str) -> np.ndarray:
    number = next(number for number, label in TRIADS.items() if label == name)
    return np.array([number >> place & 1 for place in range(9)], dtype=float).reshape(3, 3)


@pytest.mark.parametrize("name", TRIADS.values())
def test_each_motif_alone(name):
    edge_index = torch.from_numpy(np.stack(matrix_of(name).nonzero()))
    found = motifs(edge_index, None, 3)
    assert found.table()["count"].to_dict() == {label: int(label == name) for label in TRIADS.values()}


def test_known():
    assert motifs(RING, None, 12).table()["count"]["021C"] == 12
    assert motifs(TRIANGLES, None, 6).table()["count"]["030C"] == 2
    assert motifs(STAR, None, 5).table()["count"]["021D"] == 6
    assert motifs(STAR, None, 5, directed=False).counts.tolist() == [6, 0]
    assert motifs(TRIANGLES, None, 6, directed=False).value == 1


def test_blocks_of_rows_do_not_matter(monkeypatch):
    graph = simple_graph(*clustered(60, 3), threshold=1.5)
    whole = triad_counts(graph)
    monkeypatch.setattr(_triads, "_WEDGES_PER_BLOCK", 50)
    assert triad_counts(graph).tolist() == whole.tolist()


def test_agrees_with_the_census_of_igraph():
    graph = simple_graph(*clustered(300, 6), threshold=3.5)
    census = dict(zip(ORDER_OF_IGRAPH, graph.igraph.triad_census(), strict=True))
    assert triad_counts(graph).tolist() == [int(census[name]) for name in TRIADS.values()]


ORDER_OF_IGRAPH = (
    *("003", "012", "102", "021D", "021U", "021C", "111D", "111U"),
    *("030T", "030C", "201", "120D", "120U", "120C", "210", "300"),
)


def test_counts_are_compared_with_random_graphs():
    ring = torch.arange(60)
    forward = torch.cat([torch.stack((ring, (ring + step) % 60)) for step in (1, 2, 3)], 1)
    nulls = Nulls("degree", num=12, rng=3)
    found = motifs(forward, None, 60, null=nulls)
    table = found.table()
    assert (found.null, found.num_nulls) == ("degree", 12)
    assert table["count"]["030T"] == 3 * 60  # of the steps 1 + 1, 1 + 2 and 2 + 1
    assert table["null_mean"]["030T"] < 60
    assert found.z > 5
    assert table["z"].idxmax() == "030T"
    z = (table["count"] - table["null_mean"]) / table["null_sd"]
    assert torch.allclose(found.counts_z, torch.from_numpy(z.where(table["null_sd"] > 0).to_numpy()), equal_nan=True)
    assert float(found.profile.norm()) == pytest.approx(1)
    assert torch.equal(motifs(forward, None, 60, null=nulls).counts_null_mean, found.counts_null_mean)


def test_without_random_graphs_there_are_no_scores():
    found = motifs(STAR, None, 5)
    assert bool(found.counts_z.isnan().all())
    assert not found.profile.any()
    one = motifs(STAR, None, 5, null=Nulls(num=1))
    assert bool(one.counts_z.isnan().all())


UNDEFINED = {"no edges": (NO_EDGES, 4), "one neuron": (torch.tensor([[0], [0]]), 1), "one edge": (RING[:, :1], 5)}


@pytest.mark.parametrize("directed", [False, True])
@pytest.mark.parametrize(("edge_index", "num_nodes"), UNDEFINED.values(), ids=UNDEFINED.keys())
def test_undefined(edge_index, num_nodes, directed):
    found = motifs(edge_index, None, num_nodes, directed=directed, null="degree")
    assert math.isnan(found.value)
    assert found.reason == "no three neurons hang together"
    assert not found.counts.any()


@pytest.mark.parametrize("edge_index", BAD_EDGES.values(), ids=BAD_EDGES.keys())
def test_rejects_edges(edge_index):
    with pytest.raises(ValueError, match=r"must .*got"):
        motifs(edge_index, None, 3)


def test_rejects_an_unknown_null():
    with pytest.raises(ValueError, match=r"must .*got"):
        motifs(STAR, None, 5, null="chance")
