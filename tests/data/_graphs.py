"""Small connectomes for the tests of this room."""

from __future__ import annotations

import torch
from hypothesis import strategies as st

from graphcortex.data import Connectome


def all_pairs(N: int) -> torch.Tensor:
    return torch.tensor([(i, j) for i in range(N) for j in range(N) if i != j], dtype=torch.int64).view(-1, 2).T


def arrays(N: int = 5, seed: int = 0, density: float = 0.4) -> dict:
    """Arguments of Connectome.from_arrays: every field is there, and no two values are alike."""
    rng = torch.Generator().manual_seed(seed)
    pairs = all_pairs(N)
    draw = torch.rand(pairs.size(1), generator=rng)
    wired = pairs[:, draw < density]
    E_c = pairs.size(1)
    return {
        "pos": torch.rand(N, 3, generator=rng, dtype=torch.float64) * 1000,
        "synapse_index": wired,
        "count": torch.randint(1, 9, (wired.size(1),), generator=rng),
        "size": torch.rand(wired.size(1), generator=rng) * 100,
        "coactivity_index": pairs,
        "correlation": torch.rand(E_c, generator=rng, dtype=torch.float64) * 2 - 1,
        "sttc": torch.rand(E_c, generator=rng, dtype=torch.float64) * 2 - 1,
        "precision": torch.randn(E_c, generator=rng, dtype=torch.float64),
        "self_correlation": torch.rand(N, generator=rng, dtype=torch.float64),
        "self_sttc": torch.rand(N, generator=rng, dtype=torch.float64),
        "self_precision": torch.rand(N, generator=rng, dtype=torch.float64) * 9,
        "root_id": torch.arange(N) + 864690000000000066,
        "nucleus_id": torch.arange(N) + 20,
        "unit_id": torch.arange(N) + 30,
        "area": torch.zeros(N, dtype=torch.int64),
        "layer": torch.arange(N) % 3,
        "cell_type": torch.arange(N) % 2,
        "names": {"area": ["V1"], "layer": ["2/3", "4", "5"], "cell_type": ["E", "I"]},
        "provenance": {"source": "test", "seed": seed, "window_s": 0.1, "steps": ["a", 1, None]},
    }


def connectome(N: int = 5, seed: int = 0, **changed) -> Connectome:
    return Connectome.from_arrays(**{**arrays(N, seed), **changed})


@st.composite
def connectomes(draw, max_neurons: int = 7):
    N = draw(st.integers(1, max_neurons))
    return connectome(N, draw(st.integers(0, 2**20)))


def same(a: Connectome, b: Connectome) -> bool:
    """Say whether two connectomes hold the same fields with the same values, to the last bit."""
    if a.node_types != b.node_types or a.edge_types != b.edge_types or dict(a._global_store) != dict(b._global_store):
        return False
    for key in (*a.node_types, *a.edge_types):
        if set(a[key].keys()) != set(b[key].keys()):
            return False
        for name, value in a[key].items():
            if value.dtype != b[key][name].dtype or not torch.equal(value, b[key][name]):
                return False
    return True
