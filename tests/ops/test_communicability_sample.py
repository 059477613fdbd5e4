import pytest
import torch
from hypothesis import given
from torch.testing import assert_close

from graphcortex.ops import communicability_matrix, quantile_function, sample_communicability, wasserstein_1d
from graphcortex.testing.strategies import edges

each_normalization = pytest.mark.parametrize("normalization", ["both", "source"])


@each_normalization
@given(graph=edges())
def test_all_targets_give_all_entries_with_the_diagonal_zero(normalization, graph):
    matrix = communicability_matrix(*graph, normalization=normalization)
    expected = (matrix - torch.diag(matrix.diagonal())).flatten().sort().values
    found = sample_communicability(*graph, normalization=normalization, rng=0).sort().values
    assert_close(found, expected, rtol=1e-11, atol=1e-11)


@given(graph=edges())
def test_edges_of_all_targets_are_the_edges(graph):
    expected = communicability_matrix(*graph)[graph.edge_index[0], graph.edge_index[1]]
    found = sample_communicability(*graph, pairs="edges", rng=0)
    assert_close(found.sort().values, expected.sort().values, rtol=1e-11, atol=1e-11)


def test_every_pair_is_drawn_equally_often():
    """60 samples of one target of three: 20 of each, give or take 3.7; beyond 15 a false alarm in 1 of 10,000 runs."""
    edge_index, weight = torch.tensor([[0, 0, 1], [1, 2, 2]]), torch.ones(3, dtype=torch.float64)
    columns = communicability_matrix(edge_index, weight, 3)
    columns = columns - torch.diag(columns.diagonal())
    counts = torch.zeros(3)
    for seed in range(60):
        found = sample_communicability(edge_index, weight, 3, num_targets=1, rng=seed)
        assert found.shape == (3,)
        (same,) = [t for t in range(3) if torch.allclose(columns[:, t], found)]
        counts[same] += 1
    assert counts.min() >= 5
    assert counts.max() <= 35


def test_a_larger_sample_is_nearer():
    rng = torch.Generator().manual_seed(0)
    edge_index = torch.randint(60, (2, 400), generator=rng)
    weight = torch.rand(400, generator=rng, dtype=torch.float64)
    every = sample_communicability(edge_index, weight, 60, num_targets=60, rng=0)
    distance = []
    for count in (2, 10, 60):
        draws = [sample_communicability(edge_index, weight, 60, num_targets=count, rng=seed) for seed in range(10)]
        distance.append(
            sum(float(wasserstein_1d(d, quantile_function(every, num_levels=d.numel()))) for d in draws) / 10
        )
    assert distance[0] > 1.5 * distance[1] > distance[2]
    assert distance[2] == pytest.approx(0, abs=1e-14)


BAD_OPTIONS = {
    "no targets": {"num_targets": 0, "rng": 0},
    "unknown pairs": {"pairs": "some", "rng": 0},
    "no generator": {"rng": None},
    "unknown normalization": {"normalization": "target", "rng": 0},
}


@pytest.mark.parametrize("options", BAD_OPTIONS.values(), ids=BAD_OPTIONS.keys())
def test_rejects(options):
    with pytest.raises(ValueError, match=r"must .*got"):
        sample_communicability(torch.tensor([[0], [1]]), torch.ones(1), 2, **options)
