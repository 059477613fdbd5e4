"""The table of a summary as it is read: units, what the graph is, and what is said of mistakes."""

from __future__ import annotations

import math

import pytest
import torch

from graphcortex.metrics import Nulls, graph_overlap, rich_club, strongest_edges, summary

N = 30
NODES = torch.arange(N)
RING = torch.cat([torch.stack((NODES, (NODES + step) % N)) for step in (1, 2)], dim=1)
FEW = Nulls("degree", 5)


def dense(seed: int) -> tuple[torch.Tensor, torch.Tensor, int]:
    weight = torch.randn(N * N, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.cartesian_prod(NODES, NODES).T, weight, N


def test_the_text_says_what_the_graph_is_and_the_units():
    found = summary(dense(0), pos=100 * torch.rand(N, 3), null=FEW, num_permutations=20)
    lines = str(found).splitlines()
    wiring, threshold = found.about["wiring"], found.about["threshold"]
    assert lines[0].startswith(
        f"30 neurons, 900 edges; wiring: {wiring} edges with |w| > {threshold:.4g} (the quantile 0.9)"
    )
    assert "5 x degree" in lines[1]
    assert len(lines) == 3 + len(found)
    assert {"weight entropy (bit)", "wiring length (mean, um)", "modularity"} <= {line[:30].strip() for line in lines}
    assert repr(found) == str(found)
    assert max(len(line) for line in lines[2:]) < 90


def test_without_random_graphs_nothing_is_said_of_them():
    lines = str(summary((RING, None, N), null=None)).splitlines()
    assert lines[0] == "30 neurons, 60 edges; wiring: 60 edges with |w| > 0, density 0.06897, unweighted"
    assert lines[1].split() == ["value", "null", "z", "p"]


def test_large_numbers_are_written_out():
    lines = str(summary((RING, torch.full((60,), 1e5), N), null=None, only=["spectral_radius"])).splitlines()
    assert lines[-1].split() == ["spectral", "radius", "200,000"]


def test_a_network_that_diverged_says_so_in_every_row():
    lines = str(summary((RING, torch.full((60,), math.nan), N), null=None)).splitlines()
    assert lines[0] == "30 neurons, 60 edges"
    assert all("diverged" in line for line in lines[2:])


def test_the_initial_graph_has_the_quantile_of_its_own_weights():
    """Weights that shrank: the threshold of the learned graph would let all initial weights through."""
    now, before = dense(0), dense(1)
    now = (now[0], 0.01 * now[1], N)
    found = summary(now, initial=before, null=None, num_permutations=20, only=["initial_overlap"])["initial_overlap"]
    sizes = [float(weight.abs().quantile(0.9)) for weight in (now[1], before[1])]
    expected = graph_overlap(
        *now, *before[:2], threshold=sizes[0], other_threshold=sizes[1], num_permutations=20, rng=0
    )
    assert found.value == expected.value < 0.2
    assert found.share_of_first == expected.share_of_first
    same = summary(now, initial=(now[0], 7 * now[1], N), null=None, num_permutations=20, only=["initial_overlap"])
    assert same["initial_overlap"].value == 1


def test_the_graph_of_the_pairs_is_that_of_strongest_edges():
    graph = dense(2)
    found = summary(graph, null=FEW, only=["rich_club"])["rich_club"]
    assert found.value == rich_club(strongest_edges(*graph), None, N, null=FEW).value


MISTAKES = {
    "a matrix": (lambda: summary(torch.rand(4, 4)), r"got Tensor. The graph of a matrix W is \(W.nonzero"),
    "a string": (
        lambda: summary((RING, None, N), only="modularity"),
        r"a list of names, got .* write \['modularity'\]",
    ),
    "a typo": (lambda: summary((RING, None, N), only=["modulrity"]), "got modulrity; there are modularity, "),
    "no positions": (lambda: summary((RING, None, N), only=["wiring_length"]), r"wiring_length \(which needs pos\)"),
    "no nulls": (lambda: summary((RING, None, N), null=None, only=["small_worldness"]), r"\(which needs null\)"),
}


@pytest.mark.parametrize(("call", "says"), MISTAKES.values(), ids=MISTAKES.keys())
def test_rejects(call, says):
    with pytest.raises(ValueError, match=says):
        call()


def test_a_name_that_is_not_there_lists_those_that_are():
    found = summary((RING, None, N), null=None, only=["modularity", "clustering"])
    assert "modularity" in found
    assert "modulrity" not in found
    with pytest.raises(KeyError, match=r"modulrity.*modularity, clustering"):
        found["modulrity"]
