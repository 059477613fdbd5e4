import numpy as np
import pytest
import torch

from graphcortex.graphs import local_wiring


def slab(n=2000, seed=0, size=(1000.0, 800.0, 500.0)):
    return np.random.default_rng(seed).uniform(0, 1, (n, 3)) * size


@pytest.mark.parametrize("degree", [0.5, 1, 10, 60])
def test_there_are_as_many_connections_as_asked_for(degree):
    edge_index = local_wiring(slab(), degree=degree, rng=0)
    assert edge_index.shape == (2, 2000 * degree)
    assert edge_index.dtype == torch.int64


@pytest.mark.parametrize("n", [2, 3, 30])
def test_each_pair_is_there_once_sorted_and_none_of_a_neuron_with_itself(n):
    source, target = local_wiring(slab(n), degree=n - 1, reach_um=300, rng=1)
    assert bool((source != target).all())
    key = source * n + target
    assert bool((key.diff() > 0).all())
    assert 0 < key.numel() <= n * (n - 1)
    assert int(torch.stack((source, target)).max()) < n


def test_connections_reach_as_far_as_asked():
    """By the triangle inequality: a point at the distance asked for, and the answering neuron one of the eight nearest to it."""
    pos = slab(4000, size=(1000.0, 1000.0, 1000.0))
    inner = ((pos > 350) & (pos < 650)).all(1)
    offset = 1000 * (8 / 4000 * 3 / (4 * np.pi)) ** (1 / 3)  # the ball that holds eight neurons
    means = []
    for reach in (60.0, 180.0):
        source, target = local_wiring(pos, degree=20, reach_um=reach, rng=0).numpy()
        length = np.linalg.norm(pos[source] - pos[target], axis=1)[inner[source]]
        means.append(length.mean())
        assert abs(means[-1] - reach) < offset
    assert means[1] - means[0] > 60


def test_no_neuron_is_chosen_for_standing_alone():
    """Of neurons in a dense and a sparse half, those of the sparse one are not sent to more than some times as often."""
    rng = np.random.default_rng(0)
    pos = np.concatenate(
        (rng.uniform(0, 1, (1800, 3)) * (500, 500, 500), rng.uniform(0, 1, (200, 3)) * (500, 500, 500) + (500, 0, 0))
    )
    _, target = local_wiring(pos, degree=20, rng=0).numpy()
    received = np.bincount(target, minlength=2000)
    assert received.max() < 12 * received.mean()


def test_a_seed_gives_one_graph():
    assert torch.equal(local_wiring(slab(), degree=5, rng=3), local_wiring(torch.from_numpy(slab()), degree=5, rng=3))
    assert not torch.equal(local_wiring(slab(), degree=5, rng=3), local_wiring(slab(), degree=5, rng=4))


@pytest.mark.parametrize(
    ("pos", "options", "message"),
    [
        (slab(1), {}, r"pos must hold .*got \(1, 3\)"),
        (slab(5)[:, :2], {}, r"pos must hold .*got \(5, 2\)"),
        (slab(5) * np.nan, {}, "pos must hold finite"),
        (slab(5), {"degree": 5}, "degree must .*at most 4; got 5"),
        (slab(5), {"degree": 0}, "degree must .*got 0"),
        (slab(5), {"degree": 2, "reach_um": -1}, "reach_um must .*got -1"),
    ],
)
def test_rejects(pos, options, message):
    with pytest.raises(ValueError, match=message):
        local_wiring(pos, rng=0, **options)
