"""Spectral entropy: how evenly a graph's Laplacian spreads over its modes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse

from graphcortex._random import as_seed
from graphcortex._typing import EdgeIndex, EdgeValues, RandomSource
from graphcortex.graphs import SimpleGraph, simple_graph
from graphcortex.metrics._quadrature import entropy_by_quadrature, minus_xlogx
from graphcortex.metrics._result import Result
from graphcortex.metrics._signed import DENSE_UP_TO


@dataclass(frozen=True, eq=False, kw_only=True)
class SpectralEntropy(Result):
    """The von Neumann entropy of a graph, in bits.

    Attributes:
        method: ``"dense"`` (all eigenvalues) or ``"quadrature"`` (estimated from products with the Laplacian).
        standard_error: Standard error of an estimate, in bits; 0 where all eigenvalues were computed.
    """

    standard_error: float = 0.0


def spectral_entropy(
    edge_index: EdgeIndex,
    edge_weight: EdgeValues | None,
    num_nodes: int,
    *,
    threshold: float = 0.0,
    rng: RandomSource = 0,
) -> SpectralEntropy:
    r"""Compute the von Neumann entropy of the Laplacian of the undirected graph.

    The Laplacian :math:`L = D - A` with trace 1 is a density matrix, and its entropy is

    .. math:: S = - \sum_k p_k \log_2 p_k, \qquad p_k = \frac{\lambda_k(L)}{\operatorname{tr} L}.

    :math:`A` is symmetric, with the sizes of the weights and no self-connections: a Laplacian has no negative eigenvalues
    only so. The entropy lies in :math:`[0, \log_2 (N - 1)]`: 0 for a single edge, the upper bound for a complete graph whose
    weights are equal. It does not change when all weights are scaled.

    Up to 2,000 neurons all eigenvalues are computed. Above, the entropy is estimated from random probes by stochastic
    Lanczos quadrature, with a standard error.

    Args:
        edge_index: Edges, shape ``(2, E)``. Direction is ignored, repeated edges are summed.
        edge_weight: Weight of each edge, shape ``(E,)``, in any unit; None for an unweighted graph.
        num_nodes: Number of neurons.
        threshold: Edges that are not above it in size are no edges, in the unit of the weights.
        rng: A generator, or an int seed, for the probes of a large graph.

    Returns:
        The entropy in bits. NaN, with the reason, if no edge joins two neurons.

    Raises:
        ValueError: If the arguments do not describe one graph, a weight is not finite, or the threshold is negative.

    References:
        Braunstein, Ghosh & Severini (2006). The Laplacian of a graph as a density matrix. Ann. Comb. 10.
        https://doi.org/10.1007/s00026-006-0289-3

        De Domenico & Biamonte (2016). Spectral entropies as information-theoretic tools for complex network comparison.
        Phys. Rev. X 6. https://doi.org/10.1103/PhysRevX.6.041062

    Example:
        >>> import torch
        >>> triangle = torch.tensor([[0, 1, 2], [1, 2, 0]])
        >>> round(spectral_entropy(triangle, None, num_nodes=3).value, 6)
        1.0
    """
    graph = simple_graph(edge_index, edge_weight, num_nodes, directed=False, threshold=threshold)
    return spectral_entropy_of(graph, threshold=threshold, rng=rng)


def spectral_entropy_of(graph: SimpleGraph, *, threshold: float = 0.0, rng: RandomSource = 0) -> SpectralEntropy:
    """Compute the entropy of a graph that is simple already; its direction is dropped."""
    graph = graph.undirected()
    if graph.num_edges == 0:
        return SpectralEntropy(value=float("nan"), reason="no edge joins two neurons", threshold=threshold)
    linked = np.flatnonzero(graph.degree)  # the others only add eigenvalues of 0
    A = graph.matrix[linked][:, linked]
    A = A / A.data.max()
    L = scipy.sparse.diags_array(A.sum(1)) - A
    L = scipy.sparse.csr_array(L / L.trace())
    if linked.size <= DENSE_UP_TO:
        value = float(minus_xlogx(np.linalg.eigvalsh(L.toarray())).sum())
        return SpectralEntropy(value=max(value, 0.0), method="dense", threshold=threshold)
    seed = as_seed(rng)
    value, error = entropy_by_quadrature(lambda x: L @ x, linked.size, seed)
    return SpectralEntropy(value=value, standard_error=error, method="quadrature", threshold=threshold, seed=seed)
