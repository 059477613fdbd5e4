"""How alike pairs of neurons are: from a matrix, or from features of the neurons."""

from __future__ import annotations

import numpy as np
import torch

from graphcortex._checks import check_choice, check_finite

MEASURES = ("correlation", "cosine", "orientation", "direction")

_CHUNK_ENTRIES = 1 << 20


class MatrixSimilarity:
    """Similarities that stand in a matrix, shape ``(N, N)``."""

    def __init__(self, matrix: np.ndarray, directed: bool):
        self._matrix = matrix if directed else (matrix + matrix.T) / 2
        self.num_numbers = 1
        self.magnitude = float(np.abs(self._matrix).max(initial=0.0))

    def __call__(self, source: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Return the similarity of each pair, in the shape of ``source``."""
        return self._matrix[source, target]

    def sum_of_pairs(self) -> float:
        """Return the summed similarity of all ordered pairs of two neurons."""
        return float(self._matrix.sum() - np.trace(self._matrix))


class FeatureSimilarity:
    """Inner products of one unit vector per neuron, shape ``(N, F)``; they are made for the pairs that are asked for."""

    def __init__(self, vectors: np.ndarray):
        self._vectors = vectors
        self.num_numbers = vectors.shape[1]
        self.magnitude = 1.0

    def __call__(self, source: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Return the similarity of each pair, in the shape of ``source``."""
        found = np.empty(source.size)
        first, second, step = source.ravel(), target.ravel(), max(1, _CHUNK_ENTRIES // self.num_numbers)
        for begin in range(0, source.size, step):
            part = slice(begin, begin + step)
            left, right = self._vectors.take(first[part], axis=0), self._vectors.take(second[part], axis=0)
            found[part] = np.einsum("pf,pf->p", left, right)
        return found.reshape(source.shape)

    def sum_of_pairs(self) -> float:
        """Return the summed similarity of all ordered pairs of two neurons."""
        total = self._vectors.sum(0)
        return float(total @ total - (self._vectors**2).sum())


def similarity_of_neurons(
    similarity: torch.Tensor | None, features: torch.Tensor | None, measure: str, num_nodes: int, directed: bool
) -> MatrixSimilarity | FeatureSimilarity:
    """Return what gives the similarity of pairs.

    Raises:
        ValueError: If not exactly one of the two is given, or it does not fit the neurons or the measure.
    """
    check_choice(measure, "measure", MEASURES)
    if (similarity is None) == (features is None):
        got = "neither" if similarity is None else "both"
        raise ValueError(f"similarity or features must be given, and one of them alone; got {got}.")
    if similarity is not None:
        if tuple(similarity.shape) != (num_nodes, num_nodes) or not similarity.is_floating_point():
            got = f"{similarity.dtype} of shape {tuple(similarity.shape)}"
            raise ValueError(f"similarity must be floating point of shape ({num_nodes}, {num_nodes}), got {got}.")
        check_finite(similarity, "similarity")
        return MatrixSimilarity(similarity.detach().double().cpu().numpy(), directed)
    angles = measure in ("orientation", "direction")
    expected = f"({num_nodes},)" if angles else f"({num_nodes}, F)"
    fits = features.dim() == (1 if angles else 2) and features.size(0) == num_nodes
    if not fits or not features.is_floating_point():
        got = f"{features.dtype} of shape {tuple(features.shape)}"
        raise ValueError(f"features must be floating point of shape {expected} for measure {measure!r}, got {got}.")
    check_finite(features, "features")
    numbers = features.detach().double().cpu().numpy()
    if angles:
        turn = numbers * (2 if measure == "orientation" else 1)
        return FeatureSimilarity(np.stack((np.cos(turn), np.sin(turn)), axis=1))
    if measure == "correlation":
        numbers = numbers - numbers.mean(1, keepdims=True)
    norm = np.linalg.norm(numbers, axis=1, keepdims=True)
    if not (norm > 0).all():
        silent = int((norm == 0).sum())
        what = "vary" if measure == "correlation" else "not be all zero"
        raise ValueError(f"features must {what} for every neuron, got {silent} of {num_nodes} neurons that do not.")
    return FeatureSimilarity(numbers / norm)
