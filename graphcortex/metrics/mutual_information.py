"""Adjusted mutual information: how alike two partitions are, beyond chance."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy.sparse import coo_array
from scipy.special import gammaln

_BLOCK_TERMS = 2**20


def adjusted_mutual_information(first: Any, second: Any) -> float:
    r"""Compute the mutual information of two partitions, corrected for what chance gives it.

    .. math:: \text{AMI} = \frac{I - \langle I \rangle}{(H_1 + H_2) / 2 - \langle I \rangle}, \qquad
        I = \sum_{uv} \frac{n_{uv}}{N} \log \frac{N n_{uv}}{a_u b_v},

    with :math:`n_{uv}` neurons in module :math:`u` of one partition and :math:`v` of the other, modules of :math:`a_u` and
    :math:`b_v` neurons, entropies :math:`H` of the module sizes, and the mean :math:`\langle I \rangle` over all
    partitions with modules of these sizes. It is 1 for the same partition, whatever the numbers of its modules, and 0 on
    average for unrelated ones; it may be below 0.

    Args:
        first: Module of each neuron, int, shape ``(N,)``: a tensor, an array or a list.
        second: The same of another partition.

    Returns:
        The adjusted mutual information. Two partitions into one module, or into single neurons, are the same.

    Raises:
        ValueError: If they are not whole numbers, one per neuron in both, of at least one neuron.

    References:
        Vinh, Epps & Bailey (2010). Information theoretic measures for clusterings comparison. J. Mach. Learn. Res. 11.
        https://www.jmlr.org/papers/v11/vinh10a.html

    Example:
        >>> adjusted_mutual_information([0, 0, 1, 1], [5, 5, 3, 3])
        1.0
        >>> round(adjusted_mutual_information([0, 0, 1, 1], [0, 1, 0, 1]), 3)
        -0.5
    """
    u, v = _modules(first, "first"), _modules(second, "second")
    if u.size != v.size:
        raise ValueError(f"first and second must hold a module for each neuron, got {u.size} and {v.size} of them.")
    N = u.size
    shape = (int(u.max()) + 1, int(v.max()) + 1)
    n = coo_array((np.ones(N), (u, v)), shape=shape).tocsr().tocoo()
    a, b = np.bincount(u), np.bincount(v)
    if n.nnz == shape[0] == shape[1]:  # each module of one is a module of the other
        return 1.0
    share = n.data / N
    information = float((share * (np.log(share) - np.log(a[n.row] / N) - np.log(b[n.col] / N))).sum())
    expected = _expected_information(a, b, N)
    # One of the partitions is not trivial here, so the mean of the entropies exceeds what chance gives.
    return (information - expected) / ((_entropy(a, N) + _entropy(b, N)) / 2 - expected)


def _modules(partition: Any, name: str) -> np.ndarray:
    values = partition.detach().cpu().numpy() if isinstance(partition, torch.Tensor) else np.asarray(partition)
    if values.ndim != 1 or values.size == 0 or values.dtype.kind not in "iu":
        raise ValueError(
            f"{name} must hold one whole number per neuron, shape (N,) with N of at least 1; "
            f"got {values.dtype} of shape {values.shape}."
        )
    return np.unique(values, return_inverse=True)[1]


def _entropy(sizes: np.ndarray, num_nodes: int) -> float:
    share = sizes / num_nodes
    return float(-(share * np.log(share)).sum())


def _expected_information(a: np.ndarray, b: np.ndarray, num_nodes: int) -> float:
    """Return the mean mutual information over all partitions with modules of sizes ``a`` and ``b``.

    Modules of one size contribute alike, and sizes that differ are few: at most sqrt(2 N) of each partition.
    """
    N = num_nodes
    (a, times_a), (b, times_b) = (np.unique(sizes, return_counts=True) for sizes in (a, b))
    pair_a, pair_b = (ends.ravel() for ends in np.meshgrid(np.arange(a.size), np.arange(b.size), indexing="ij"))
    low = np.maximum(1, a[pair_a] + b[pair_b] - N)
    count = np.minimum(a[pair_a], b[pair_b]) - low + 1
    ends = np.cumsum(count)
    total, start = 0.0, 0
    while start < count.size:
        done = ends[start] - count[start]
        stop = max(start + 1, int(np.searchsorted(ends, done + _BLOCK_TERMS, side="right")))
        part = slice(start, stop)
        within = np.arange(ends[stop - 1] - done) - np.repeat(ends[part] - count[part] - done, count[part])
        n = np.repeat(low[part], count[part]) + within
        A, B = (np.repeat(size[pair[part]], count[part]) for size, pair in ((a, pair_a), (b, pair_b)))
        times = np.repeat(times_a[pair_a[part]] * times_b[pair_b[part]], count[part])
        # The chance of n shared neurons is hypergeometric.
        chance = np.exp(
            gammaln(A + 1)
            + gammaln(B + 1)
            + gammaln(N - A + 1)
            + gammaln(N - B + 1)
            - gammaln(N + 1)
            - gammaln(n + 1)
            - gammaln(A - n + 1)
            - gammaln(B - n + 1)
            - gammaln(N - A - B + n + 1)
        )
        total += float((times * n / N * (np.log(N) + np.log(n) - np.log(A) - np.log(B)) * chance).sum())
        start = stop
    return total
