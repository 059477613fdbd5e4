"""The spectral radius of a weighted graph, and weights rescaled to have a given one."""

from __future__ import annotations

import numpy as np
import scipy.sparse
import scipy.sparse.csgraph
import scipy.sparse.linalg

from graphcortex._checks import check_finite, check_graph, check_number
from graphcortex._typing import EdgeIndex, EdgeValues

# Below this size the dense eigenvalues take less than a second, and cannot fail to converge.
_DENSE_UP_TO = 1000
# Above it the dense ones would take from minutes to days.
_DENSE_AT_MOST = 5000
# Random and cortical graphs need fewer than ten; a ring, all of whose eigenvalues are of one size, would never end.
_MOST_RESTARTS = 300


class SpectrumNotFoundError(ArithmeticError):
    """Eigenvalues of a large matrix that the iterations do not find."""


def spectral_radius(edge_index: EdgeIndex, edge_weight: EdgeValues, num_nodes: int) -> float:
    r"""Compute the largest absolute eigenvalue :math:`\rho(W) = \max_k |\lambda_k|` of the weight matrix.

    Args:
        edge_index: Source (row 0) and target (row 1) of each edge, shape ``(2, E)``. Repeated edges add.
        edge_weight: Weight of each edge, shape ``(E,)``.
        num_nodes: Number of neurons. Where more than 1,000 of them lie on cycles, the value comes from Arnoldi iterations on the
            sparse matrix.

    Returns:
        The spectral radius, computed in double precision; exactly 0 for a graph without cycles.

    Raises:
        ValueError: If the shapes do not describe one graph, or a weight is not finite.
        SpectrumNotFoundError: If the iterations do not end, as on a large ring, and the graph is too large for the dense
            eigenvalues.

    Example:
        >>> import torch
        >>> round(spectral_radius(torch.tensor([[0, 1], [1, 0]]), torch.tensor([4.0, 1.0]), 2), 6)
        2.0
    """
    check_graph(edge_index, edge_weight, num_nodes)
    check_finite(edge_weight, "edge_weight")
    weight = edge_weight.detach().double().cpu().numpy()
    shape = (num_nodes, num_nodes)
    matrix = on_cycles(scipy.sparse.csr_array((weight, tuple(edge_index.cpu().numpy())), shape=shape))
    if matrix.shape[0] == 0:
        return 0.0
    if matrix.shape[0] > _DENSE_UP_TO:
        # A fixed start makes the iterations reproducible. A uniform one would be an eigenvector, or be sent to 0, wherever all
        # neurons have the same summed output, and the iterations would then see nothing else.
        start = np.random.default_rng(0).standard_normal(matrix.shape[0])
        try:
            values = scipy.sparse.linalg.eigs(
                matrix, k=1, which="LM", v0=start, maxiter=_MOST_RESTARTS, return_eigenvectors=False
            )
            return float(np.abs(values).max())
        except scipy.sparse.linalg.ArpackNoConvergence:
            # Many eigenvalues of the same size: only the dense ones are sure.
            if matrix.shape[0] > _DENSE_AT_MOST:
                raise SpectrumNotFoundError(
                    f"no eigenvalue was found in {_MOST_RESTARTS} Arnoldi restarts: too many of the {matrix.shape[0]} that "
                    f"are not 0 have nearly one size, and more than {_DENSE_AT_MOST} are too many to compute all."
                ) from None
    return float(np.abs(np.linalg.eigvals(matrix.toarray())).max())


def on_cycles(matrix: scipy.sparse.csr_array) -> scipy.sparse.csr_array:
    """Return the rows and columns of the neurons that lie on a cycle; the others only add eigenvalues of 0.

    On a graph without cycles the iterations find no eigenvalue, and rounding may show one that is not there.
    """
    matrix.eliminate_zeros()
    _, component = scipy.sparse.csgraph.connected_components(matrix, directed=True, connection="strong")
    source, target = matrix.nonzero()
    on_cycle = np.unique(source[component[source] == component[target]])
    return matrix[on_cycle][:, on_cycle]


def rescale_to_radius(edge_index: EdgeIndex, edge_weight: EdgeValues, num_nodes: int, radius: float) -> EdgeValues:
    """Multiply the weights by one number, so that their spectral radius becomes ``radius``.

    Args:
        edge_index: Source (row 0) and target (row 1) of each edge, shape ``(2, E)``.
        edge_weight: Weight of each edge, shape ``(E,)``.
        num_nodes: Number of neurons.
        radius: Wanted spectral radius, greater than 0.

    Returns:
        The rescaled weights, shape ``(E,)``.

    Raises:
        ValueError: If the weights have spectral radius 0 (a graph without cycles), which no factor changes.
    """
    check_number(radius, "radius", above=0)
    now = spectral_radius(edge_index, edge_weight, num_nodes)
    if now == 0 or now < 1e-12 * float(edge_weight.abs().max()):
        raise ValueError(
            "edge_weight must describe a graph with at least one cycle to have its spectral radius rescaled, got "
            f"spectral radius {now:.3g}; add self-connections, or do not ask for a radius."
        )
    return edge_weight * (radius / now)
