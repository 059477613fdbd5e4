from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
import torch
from hypothesis import given

from graphcortex.testing import AttributedGraph, assert_deterministic, assert_leaves_input_alone, edges
from tests.testing.laws.functions import GRAPH, dense, total


def noisy_total(edge_index, edge_weight, num_nodes, *, rng=0):
    generator = rng if isinstance(rng, torch.Generator) else torch.Generator().manual_seed(rng)
    return edge_weight.sum() + torch.rand((), generator=generator)


def numpy_total(edge_index, edge_weight, num_nodes, *, rng):
    return edge_weight.sum() + rng.random()


def states():
    return repr((random.getstate(), np.random.get_state(), torch.get_rng_state().tolist()))  # noqa: NPY002


@given(graph=edges())
def test_what_draws_from_its_argument_alone_passes(graph):
    before = states()
    assert_deterministic(total, graph)
    assert_deterministic(noisy_total, graph)
    assert_deterministic(noisy_total, graph, rng=torch.Generator().manual_seed(3))
    assert_deterministic(numpy_total, graph, rng=np.random.default_rng(3))
    assert states() == before


def test_a_generator_that_is_given_is_not_used_up():
    generator = torch.Generator().manual_seed(3)
    before = generator.get_state()
    assert_deterministic(noisy_total, GRAPH, rng=generator)
    assert torch.equal(generator.get_state(), before)


COUNTER = itertools.count()


def borrows(edge_index, edge_weight, num_nodes):
    with torch.random.fork_rng():
        return torch.rand(())


def draws_twice_from(edge_index, edge_weight, num_nodes, *, rng=0):
    return next(COUNTER)


def seeds_torch(edge_index, edge_weight, num_nodes):
    torch.manual_seed(0)
    return torch.rand(())


IMPURE = {
    "Python": (lambda e, w, n: random.random(), "draws from, or seeds, the global generator of Python's random"),
    "NumPy": (lambda e, w, n: np.random.rand(), "draws from, or seeds, the global generator of NumPy"),  # noqa: NPY002
    "torch": (lambda e, w, n: torch.rand(()), "draws from, or seeds, the global generator of torch"),
    "seeds NumPy": (lambda e, w, n: np.random.seed(0) or 0.0, "draws from, or seeds, the global generator of NumPy"),  # noqa: NPY002
    "seeds torch": (seeds_torch, "draws from, or seeds, the global generator of torch"),
    "borrows and returns": (borrows, "depends on something besides its arguments"),
    "counts its calls": (draws_twice_from, "depends on something besides its arguments"),
}


@pytest.mark.parametrize(("function", "message"), IMPURE.values(), ids=IMPURE.keys())
def test_what_is_not_determined_is_caught_and_nothing_is_left_changed(function, message):
    before = states()
    with pytest.raises(AssertionError, match=rf"(?s){message}.*graph = Edges\("):
        assert_deterministic(function, GRAPH)
    assert states() == before


def writes_weight(edge_index, edge_weight, num_nodes):
    return edge_weight.abs_().sum()


def writes_index(edge_index, edge_weight, num_nodes):
    edge_index.fill_(0)
    return 0.0


def writes_module(edge_index, edge_weight, num_nodes, module):
    module += 1
    return 0.0


def writes_nan(edge_index, edge_weight, num_nodes):
    edge_weight[0] = torch.nan
    return 0.0


@given(graph=edges())
def test_what_only_reads_passes(graph):
    assert_leaves_input_alone(total, graph)
    assert_leaves_input_alone(dense, graph._replace(edge_weight=graph.edge_weight * torch.nan))
    assert_leaves_input_alone(lambda e, w, n: e.size(1), graph._replace(edge_weight=None))


NEGATIVE = GRAPH._replace(edge_weight=-GRAPH.edge_weight)
WRITING = {
    "weights": (writes_weight, NEGATIVE, r"edge_weight is now \[1.0, 2.0, 4.0\]"),
    "NaN": (writes_nan, NEGATIVE, r"edge_weight is now \[nan"),
    "edges": (writes_index, NEGATIVE, r"edge_index is now \[\[0"),
    "a membership": (
        writes_module,
        AttributedGraph(GRAPH, node={"module": torch.arange(3)}),
        r"module is now \[1, 2, 3\]",
    ),
    "a tensor's shape": (lambda e, w, n: w.resize_(2).sum(), NEGATIVE, r"edge_weight is now"),
}


@pytest.mark.parametrize(("function", "graph", "message"), WRITING.values(), ids=WRITING.keys())
def test_what_writes_is_caught_and_the_graph_stays(function, graph, message):
    shown = repr(graph)
    with pytest.raises(AssertionError, match=rf"(?s)writes into its input: {message}.*graph = "):
        assert_leaves_input_alone(function, graph)
    assert repr(graph) == shown
