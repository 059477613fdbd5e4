import pytest
import torch
from hypothesis import given
from torch.testing import assert_close

from graphcortex.ops import in_strength, out_strength
from graphcortex.testing.strategies import edges

END = {"out": (out_strength, 0), "in": (in_strength, 1)}
each_end = pytest.mark.parametrize(("strength", "row"), END.values(), ids=END.keys())


@each_end
@given(graph=edges())
def test_matches_naive(strength, row, graph):
    expected = [0.0] * graph.num_nodes
    for e in range(graph.edge_index.size(1)):
        expected[int(graph.edge_index[row, e])] += abs(float(graph.edge_weight[e]))
    assert strength(*graph).tolist() == expected


@given(graph=edges())
def test_what_leaves_arrives(graph):
    assert_close(out_strength(*graph).sum(), in_strength(*graph).sum())
    assert_close(out_strength(*graph), in_strength(graph.edge_index.flip(0), graph.edge_weight, graph.num_nodes))


@each_end
def test_gradient_is_the_sign(strength, row, device, dtype):
    edge_index = torch.tensor([[0, 1, 2], [1, 1, 0]], device=device)
    weight = torch.tensor([2.0, -3.0, 0.0], device=device, dtype=dtype, requires_grad=True)
    strength(edge_index, weight, 3).sum().backward()
    assert weight.grad.tolist() == [1, -1, 0]


BAD_ARGUMENTS = {
    "one weight is missing": (torch.zeros(2, 4).long(), torch.ones(3), 3),
    "a neuron too many": (torch.tensor([[0], [3]]), torch.ones(1), 3),
    "whole weights": (torch.zeros(2, 1).long(), torch.ones(1).long(), 3),
}


@each_end
@pytest.mark.parametrize("arguments", BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS.keys())
def test_rejects(strength, row, arguments):
    with pytest.raises(ValueError, match=r"must .*got"):
        strength(*arguments)
