"""What products find of small dense graphs is what igraph finds."""

from __future__ import annotations

import networkx
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphcortex.graphs import simple_graph
from graphcortex.metrics import _dense, clustering, path_statistics
from graphcortex.metrics._dense import is_dense, linked_neighbours, pairs_by_distance
from graphcortex.testing import edges


@given(graph=edges(max_nodes=9), directed=st.booleans())
def test_pairs_by_distance_are_those_of_networkx(graph, directed):
    found = simple_graph(graph.edge_index, None, graph.num_nodes, directed=directed)
    peer = (networkx.DiGraph if directed else networkx.Graph)()
    peer.add_nodes_from(range(graph.num_nodes))
    peer.add_edges_from(found.edge_index.T.tolist())
    distances = [d for _, row in networkx.all_pairs_shortest_path_length(peer) for d in row.values() if d]
    assert pairs_by_distance(found).tolist() == np.bincount(distances, minlength=1)[1:].tolist()


@given(graph=edges(max_nodes=9))
def test_linked_neighbours_are_twice_the_triangles_of_networkx(graph):
    found = simple_graph(graph.edge_index, None, graph.num_nodes, directed=False)
    peer = networkx.Graph(found.edge_index.T.tolist())
    triangles = networkx.triangles(peer)
    assert linked_neighbours(found).tolist() == [2 * triangles.get(u, 0) for u in range(graph.num_nodes)]


@pytest.mark.parametrize("directed", [False, True])
@pytest.mark.parametrize("density", [0.12, 0.5, 1.0])
def test_both_ways_give_the_same(monkeypatch, directed, density):
    drawn = torch.rand(150, 150, generator=torch.Generator().manual_seed(0)) < density
    edge_index = drawn.nonzero().T.contiguous()
    assert is_dense(simple_graph(edge_index, None, 150, directed=directed))

    def look():
        paths = path_statistics(edge_index, None, 150, directed=directed)
        return [paths.value, paths.path_length, paths.reachable, *clustering(edge_index, None, 150).local.tolist()]

    by_products = look()
    monkeypatch.setattr(_dense, "MOST_NODES", 0)
    assert by_products == pytest.approx(look(), rel=1e-13)


def test_sparse_and_large_graphs_are_walked():
    ring = torch.stack((torch.arange(50), (torch.arange(50) + 1) % 50))
    assert not is_dense(simple_graph(ring, None, 50))
    pairs = torch.triu_indices(1001, 1001, 1)
    assert not is_dense(simple_graph(pairs, None, 1001))
