import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from graphcortex.metrics import busiest_edges
from graphcortex.ops import communicability, edge_traffic, spatial_communicability
from graphcortex.testing.strategies import Edges, edges


def random_graph(num_nodes=30, num_edges=200):
    rng = torch.Generator().manual_seed(0)
    key = torch.randperm(num_nodes**2, generator=rng)[:num_edges]
    weight = torch.randn(num_edges, generator=rng, dtype=torch.float64)
    return Edges(torch.stack([key // num_nodes, key % num_nodes]), weight, num_nodes)


def test_the_table_holds_each_edges_own_numbers():
    graph = random_graph()
    lengths = torch.rand(200, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    table = busiest_edges(*graph, edge_length=lengths, top=None)
    assert list(table["rank"]) == list(range(1, 201))
    assert table["traffic"].is_monotonic_decreasing
    place = {tuple(pair): e for e, pair in enumerate(graph.edge_index.t().tolist())}
    order = torch.tensor([place[pair] for pair in zip(table["source"], table["target"], strict=True)])
    C = communicability(*graph)
    columns = {
        "weight": graph.edge_weight,
        "length": lengths,
        "communicability": C,
        "cost": graph.edge_weight.abs() * lengths * C,
        "traffic": edge_traffic(*graph),
        "share": edge_traffic(*graph) / edge_traffic(*graph).sum(),
    }
    for name, values in columns.items():
        assert_close(torch.tensor(table[name].to_numpy()), values[order], msg=name)
    assert table["share"].sum() == pytest.approx(1)


def test_by_cost_the_shares_are_those_of_the_penalty():
    graph = random_graph()
    lengths = torch.rand(200, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    table = busiest_edges(*graph, edge_length=lengths, by="cost", top=10)
    assert len(table) == 10
    assert table["cost"].is_monotonic_decreasing
    total = spatial_communicability(graph.edge_index, graph.edge_weight, lengths, 30).item()
    assert (table["share"] * total).tolist() == pytest.approx(table["cost"].tolist())


@given(graph=edges(), top=st.sampled_from([None, 1, 4]))
def test_degenerate_graphs_have_a_table(graph, top):
    table = busiest_edges(*graph, top=top)
    size = graph.edge_index.size(1)
    assert len(table) == (size if top is None else min(top, size))
    assert table.notna().all().all()


@given(graph=edges(repeated=False), data=st.data())
def test_the_ranking_does_not_depend_on_the_names_of_neurons(graph, data):
    names = torch.tensor(data.draw(st.permutations(range(graph.num_nodes))))
    renamed = busiest_edges(names[graph.edge_index], graph.edge_weight, graph.num_nodes, top=None)
    expected = busiest_edges(*graph, top=None)
    assert renamed["traffic"].tolist() == pytest.approx(expected["traffic"].tolist(), rel=1e-9, abs=1e-12)


def test_a_bridge_is_busier_than_a_stronger_edge_that_leads_nowhere():
    """Two groups talk through one edge; elsewhere a much stronger one joins two neurons."""
    group = [(i, j) for i in range(4) for j in range(4) if i != j]
    pairs = [*group, *[(i + 4, j + 4) for i, j in group], (0, 4), (8, 9)]
    weight = torch.ones(len(pairs), dtype=torch.float64)
    weight[-2], weight[-1] = 3.0, 100.0
    table = busiest_edges(torch.tensor(pairs).t(), weight, 10, top=1)
    assert (table["source"][0], table["target"][0]) == (0, 4)


PAIR = torch.tensor([[0, 1], [1, 0]])
BAD = {
    "unknown order": (torch.ones(2), {"by": "weight"}),
    "cost without lengths": (torch.ones(2), {"by": "cost"}),
    "no rows": (torch.ones(2), {"top": 0}),
    "lengths of other edges": (torch.ones(2), {"edge_length": torch.ones(3)}),
    "a NaN weight": (torch.tensor([1.0, math.nan]), {}),
}


@pytest.mark.parametrize(("weight", "options"), BAD.values(), ids=BAD.keys())
def test_rejects(weight, options):
    with pytest.raises(ValueError, match=r"must .*got"):
        busiest_edges(PAIR, weight, 2, **options)
