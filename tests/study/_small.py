"""Small connectomes and a short protocol for the tests of this room."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from graphcortex.data import Connectome
from graphcortex.kernels import complete_edge_index
from graphcortex.study import Protocol, StudyConfig, Variant
from graphcortex.study.lengths import edge_lengths

SHORT = Protocol(num_train=64, num_test=32, batch_size=16, epochs=2, num_nulls=20)


def arrays(N: int = 10, seed: int = 0) -> dict:
    """Arguments of Connectome.from_arrays, with a diagonal of co-activity far above every pair, as real ones have."""
    rng = np.random.default_rng(seed)
    source, target = np.nonzero(~np.eye(N, dtype=bool))
    matrices = {}
    for name, scale in (("correlation", 0.1), ("sttc", 0.2), ("precision", 0.3)):
        noise = rng.normal(size=(N, N)) * scale
        matrices[name] = np.clip((noise + noise.T) / 2, -1, 1) + np.eye(N) * 0
        matrices[f"self_{name}"] = np.ones(N) if name != "precision" else 1 + rng.random(N)
    wired = rng.random(source.size) < 0.3
    wired[source == N - 1] = False  # the last neuron has no outputs
    return {
        "pos": rng.uniform([500, 400, 600], [1300, 800, 1050], size=(N, 3)),
        "synapse_index": np.stack([source[wired], target[wired]]),
        "count": rng.integers(1, 5, wired.sum()),
        "coactivity_index": np.stack([source, target]),
        **{name: m[source, target] if m.ndim == 2 else m for name, m in matrices.items()},
    }


def connectome(N: int = 10, seed: int = 0, **changed) -> Connectome:
    return Connectome.from_arrays(**{**arrays(N, seed), **changed})


def matrix(values: torch.Tensor) -> np.ndarray:
    """Return the values of all ordered pairs as a square matrix, float64."""
    n = round(values.numel() ** 0.5)
    return values.detach().double().view(n, n).numpy()


def lengths(graph: Connectome, variant: str, protocol: Protocol | str = "published", seed: int = 0) -> np.ndarray:
    """Return the distances of a variant between all pairs as a square matrix."""
    protocol = Protocol.parse(protocol) if isinstance(protocol, str) else protocol
    edge_index = complete_edge_index(graph.num_neurons)
    got = edge_lengths(graph, Variant.parse(variant), protocol, edge_index, seed=seed)
    assert got.dtype == torch.float32
    return matrix(got)


class SmallConfig(StudyConfig):
    """A study of a small connectome under a short protocol; all else is that of any study."""

    def protocols(self) -> dict[str, Protocol]:
        return dict.fromkeys(self.protocol, replace(SHORT, epochs=self.epochs, functional=self.functional))

    def load_connectomes(self) -> dict[str, Connectome]:
        return {name: connectome(12) for name in self.connectome}
