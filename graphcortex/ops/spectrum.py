"""The spectral radius of a weighted graph, and weights rescaled to have a given one."""

from __future__ import annotations

import numpy as np
import scipy.sparse
import scipy.sparse.csgraph
import scipy.sparse.linalg
import torch

from graphcortex._checks import check_finite, check_graph, check_number
from graphcortex._typing import EdgeIndex, EdgeValues

# Below this size the dense eigenvalues take less than a second, and cannot fail to converge.
_DENSE_UP_TO = 1000
# Above it the dense ones would take from minutes to days.
_DENSE_AT_MOST = 5000
# Random and cortical graphs need fewer than ten; a ring, all of whose eigenvalues are of one size, would never end.
_MOST_RESTARTS = 300
# The rule of rescale_to_radius, see there.
_ROUNDINGS = 4
_LARGEST_EPS = 2.5e-4
_DRAWS = 3
_SAME = 0.03


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
        The spectral radius, computed in double precision; exactly 0 for a graph without cycles. Where the eigenvalues are 0 since
        weights of both signs cancel, rounding shows a small value in place of 0: about :math:`\epsilon^{1/k} \lVert W \rVert` for
        :math:`W^k = 0` and the precision :math:`\epsilon`. :func:`rescale_to_radius` tells such a value from a true radius.

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
    return _largest(_core(edge_index, weight, num_nodes))


def _core(edge_index: EdgeIndex, weight: np.ndarray, num_nodes: int) -> scipy.sparse.csr_array:
    shape = (num_nodes, num_nodes)
    return on_cycles(scipy.sparse.csr_array((weight, tuple(edge_index.cpu().numpy())), shape=shape))


def _largest(matrix: scipy.sparse.csr_array) -> float:
    """Return the largest absolute eigenvalue of a matrix all of whose neurons lie on cycles."""
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
    r"""Multiply the weights by one number, so that their spectral radius becomes ``radius``.

    Weights whose spectral radius is 0 have no such number. Without cycles the radius is exactly 0. Where excitation and inhibition
    cancel (:math:`W^k = 0` for some :math:`k`, as for :math:`W = u v^\top` with :math:`v \cdot u = 0`), the computed eigenvalues
    are not 0: rounding, a part :math:`\epsilon` of each weight, moves them to about :math:`\epsilon^{1/k} \lVert W \rVert`. The
    rule that tells such a value from a true radius:

    - Weights of one sign do not cancel. Rounding changes their radius by a part of about :math:`\epsilon`, so it is true.
    - A radius of at least half of :math:`\lVert W \rVert_F / \sqrt{n}`, the root mean square of the singular values of the
      :math:`n` neurons on cycles, is true.
    - A smaller radius is true if it changes by less than 3 % when each weight changes at random by a part of at most
      :math:`4 \epsilon`, three times over. Here :math:`\epsilon` is the precision of the dtype of the weights, or 0.00025 where
      that is less. A zero eigenvalue of index :math:`k` changes by a part of about :math:`4^{1/k} - 1`.

    Args:
        edge_index: Source (row 0) and target (row 1) of each edge, shape ``(2, E)``.
        edge_weight: Weight of each edge, shape ``(E,)``.
        num_nodes: Number of neurons.
        radius: Wanted spectral radius, greater than 0.

    Returns:
        The rescaled weights, shape ``(E,)``.

    Raises:
        ValueError: If the weights have spectral radius 0 (a graph without cycles), which no factor changes, or one that is not
            told from 0 by the rule above.
    """
    check_number(radius, "radius", above=0)
    now = spectral_radius(edge_index, edge_weight, num_nodes)
    if now == 0:
        raise ValueError(
            "edge_weight must describe a graph with at least one cycle to have its spectral radius rescaled, got "
            f"spectral radius {now:.3g}; add self-connections, or do not ask for a radius."
        )
    other = _radius_of_rounding(edge_index, edge_weight, num_nodes, now)
    if other is not None:
        raise ValueError(
            "edge_weight must have a spectral radius that is not 0 to within rounding to have it rescaled, got "
            f"{now:.3g}, which becomes {other:.3g} when the weights change by their rounding: excitation and inhibition cancel "
            "along the cycles; change the balance of the weights, or do not ask for a radius."
        )
    return edge_weight * (radius / now)


def _radius_of_rounding(edge_index: EdgeIndex, edge_weight: EdgeValues, num_nodes: int, radius: float) -> float | None:
    """Return the radius of weights that differ by rounding where it is another one, or None where it is not; see above."""
    weight = edge_weight.detach().double().cpu().numpy()
    size = _core(edge_index, weight, num_nodes).shape[0]
    largest = np.abs(weight).max()
    norm = largest * np.linalg.norm(weight / largest)  # no overflow on the way
    if not ((weight > 0).any() and (weight < 0).any()) or radius >= norm / (2 * np.sqrt(size)):
        return None
    spread = _ROUNDINGS * min(torch.finfo(edge_weight.dtype).eps, _LARGEST_EPS)
    draws = np.random.default_rng(0)
    for _ in range(_DRAWS):
        # The edges, and not the entries of the matrix: repeated edges may cancel, too.
        other = _largest(_core(edge_index, weight * (1 + spread * draws.uniform(-1, 1, weight.size)), num_nodes))
        if abs(other - radius) > _SAME * radius:
            return other
    return None
