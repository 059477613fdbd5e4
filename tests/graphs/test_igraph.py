from __future__ import annotations

import random
import subprocess
import sys

import numpy as np
import pytest
import torch

from graphcortex.graphs import _igraph
from graphcortex.metrics import assortativity, modularity, small_worldness
from tests.metrics.graphs import TRIANGLES, clustered


def test_a_graph_has_the_nodes_and_pairs_given():
    graph = _igraph.build(*np.array([[0, 1], [2, 4]]), 6, directed=False)
    assert graph.vcount() == 6
    assert graph.get_edgelist() == [(0, 2), (1, 4)]
    assert not graph.is_directed()


def test_path_lengths_count_each_pair_once_and_leave_out_the_unlinked():
    line = _igraph.build(*np.array([[0, 1, 2], [1, 2, 3]]), 6, directed=False)
    assert _igraph.path_lengths(line).tolist() == [3, 2, 1]
    assert _igraph.path_lengths(_igraph.build(*np.zeros((2, 0), dtype=np.int64), 3, directed=False)).tolist() == []


def test_pythons_generator_is_left_alone_and_does_not_matter():
    graph = clustered(60, 3)
    kept = graph.edge_index[:, graph.edge_weight.abs() > 2]
    values = []
    for seed in (0, 1):
        random.seed(seed)
        before = random.getstate()
        found = modularity(kept, None, 60)
        values.append((found.value, found.membership.tolist(), assortativity(kept, None, 60).value))
        values[-1] += (small_worldness(kept, None, 60, num_nulls=3).value,)
        assert random.getstate() == before
    assert values[0] == values[1]


def test_igraph_is_loaded_only_when_it_is_used():
    code = (
        "import random, sys; before = random.getstate();"
        "import graphcortex.metrics as m; assert 'igraph' not in sys.modules;"
        "import torch; m.modularity(torch.tensor([[0], [1]]), None, 2); assert 'igraph' in sys.modules;"
        "assert random.getstate() == before"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


@pytest.mark.parametrize("metric", [modularity, assortativity])
def test_edges_may_be_on_any_device(metric, device):
    found, expected = metric(TRIANGLES.to(device), None, 6), metric(TRIANGLES, None, 6)
    assert found.value == pytest.approx(expected.value, nan_ok=True)
    assert all(v.device == torch.device("cpu") for v in vars(found).values() if isinstance(v, torch.Tensor))
