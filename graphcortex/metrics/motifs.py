"""Motifs: which ways of linking three neurons are more frequent than in random graphs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from graphcortex._typing import EdgeIndex, EdgeValues
from graphcortex.graphs import SimpleGraph, simple_graph
from graphcortex.metrics._result import Result
from graphcortex.metrics._triads import TRIADS, triad_counts
from graphcortex.metrics.ensemble import Nulls, as_nulls

_LABELS = tuple(TRIADS.values())
_UNDIRECTED = {"201": "path", "300": "triangle"}
_CLOSED = np.array([label in ("030T", "120U", "030C", "120C", "120D", "210", "300") for label in _LABELS])


@dataclass(frozen=True, eq=False, kw_only=True)
class Motifs(Result):
    """How often each connected motif of three neurons occurs; the value is the share of closed ones.

    Attributes:
        names: MAN label of each motif, K = 13 of them; ``("path", "triangle")`` for an undirected graph.
        counts: How often each occurs, int64, shape ``(K,)``.
        counts_null_mean: Its mean over the random graphs, float64, shape ``(K,)``; NaN where there are none.
        counts_null_sd: Its standard deviation over them, shape ``(K,)``.
    """

    names: tuple[str, ...]
    counts: torch.Tensor
    counts_null_mean: torch.Tensor
    counts_null_sd: torch.Tensor

    @property
    def counts_z(self) -> torch.Tensor:
        """The z-score of each count, float64, shape ``(K,)``; NaN where the random graphs do not vary."""
        z = (self.counts - self.counts_null_mean) / self.counts_null_sd
        return torch.where(self.counts_null_sd > 0, z, math.nan)

    @property
    def profile(self) -> torch.Tensor:
        """The z-scores as a vector of length 1, comparable between graphs of any size; 0 where they are NaN."""
        z = self.counts_z.nan_to_num()
        return z / z.norm() if bool(z.any()) else z

    def table(self) -> pd.DataFrame:
        """Return a row per motif: ``count``, ``null_mean``, ``null_sd`` and ``z``, by its name."""
        columns = {
            "count": self.counts,
            "null_mean": self.counts_null_mean,
            "null_sd": self.counts_null_sd,
            "z": self.counts_z,
        }
        rows = pd.Index(self.names, name="motif")
        return pd.DataFrame({name: column.numpy() for name, column in columns.items()}, index=rows)


def motifs(
    edge_index: EdgeIndex,
    edge_weight: EdgeValues | None,
    num_nodes: int,
    *,
    directed: bool = True,
    threshold: float = 0.0,
    null: str | Nulls | None = None,
) -> Motifs:
    r"""Count the connected subgraphs of three neurons by their kind, and compare them with random graphs.

    Every three neurons that hang together count once, as the subgraph with all the edges among them. The 13 kinds are named
    by their mutual, asymmetric and null pairs (Holland & Leinhardt), and stand in the order of Milo et al.:

    == ====== ================================== == ====== ================================
    1  021D   A <- B -> C                        8  201    A <-> B <-> C
    2  021C   A -> B -> C                        9  030C   A -> B -> C -> A
    3  111U   A <-> B -> C                       10 120C   A -> B -> C, A <-> C
    4  021U   A -> B <- C                        11 120D   A <- B -> C, A <-> C
    5  030T   A -> B -> C, A -> C (feed-forward) 12 210    A -> B <-> C, A <-> C
    6  120U   A -> B <- C, A <-> C               13 300    A <-> B <-> C, A <-> C
    7  111D   A <-> B <- C
    == ====== ================================== == ====== ================================

    .. math:: z_m = \frac{n_m - \langle n_m \rangle_0}{\sigma_0(n_m)}, \qquad
        \text{value} = \frac{\sum_{m \text{ closed}} n_m}{\sum_m n_m},

    where a closed motif has all three pairs linked (5, 6 and 9 to 13). The value is in :math:`[0, 1]`.

    The counts are exact. Time grows with the pairs of links of a neuron to others with no fewer links than it has, which hubs
    do not raise much.

    Args:
        edge_index: Source (row 0) and target (row 1) of each edge, shape ``(2, E)``. Repetition and self-loops are ignored.
        edge_weight: Weight of each edge, shape ``(E,)``, which says where there is none (0); None for an unweighted graph.
        num_nodes: Number of neurons.
        directed: Whether edges keep their direction. If not, there are two motifs, the path and the triangle.
        threshold: Edges that are not above it in size are no edges; at least 0, in the unit of the weights.
        null: Random graphs to compare with; ``"degree"`` is what motifs are defined by.

    Returns:
        The counts and their z-scores. The value is NaN, with the reason, if no three neurons hang together.

    Raises:
        ValueError: If the arguments do not describe one graph, or are out of range.

    References:
        Milo et al. (2002). Network motifs: simple building blocks of complex networks. Science 298.
        https://doi.org/10.1126/science.298.5594.824

        Milo et al. (2004). Superfamilies of evolved and designed networks. Science 303.
        https://doi.org/10.1126/science.1089167

        Holland & Leinhardt (1970). A method for detecting structure in sociometric data. Am. J. Sociol. 76.
        https://doi.org/10.1086/224954

    Example:
        >>> feed_forward = torch.tensor([[0, 0, 1], [1, 2, 2]])
        >>> found = motifs(feed_forward, None, num_nodes=4)
        >>> found.value, {name: count for name, count in zip(found.names, found.counts.tolist()) if count}
        (1.0, {'030T': 1})
    """
    graph = simple_graph(edge_index, edge_weight, num_nodes, directed=directed, threshold=threshold)
    return motifs_of(graph, threshold=threshold, null=null)


def motifs_of(graph: SimpleGraph, *, threshold: float = 0.0, null: str | Nulls | None = None) -> Motifs:
    """Count the motifs of a simple graph; see :func:`motifs`."""
    nulls = as_nulls(null)
    graph = graph.unweighted()
    kept = slice(None) if graph.directed else [_LABELS.index(label) for label in _UNDIRECTED]
    found = _statistics(graph)
    counts = found[1:][kept]
    reason = "" if counts.any() else "no three neurons hang together"
    mean = sd = np.full(counts.size, math.nan)
    fields = {}
    if nulls is not None and not reason:
        ensemble = nulls.distribution(_statistics, graph)
        mean = ensemble.values[:, 1:].mean(0)[kept]
        sd = ensemble.values[:, 1:].std(0, ddof=1)[kept] if len(ensemble.values) > 1 else sd
        fields = ensemble.fields()
    return Motifs(
        value=float(found[0]),
        reason=reason,
        threshold=threshold,
        names=_LABELS if graph.directed else tuple(_UNDIRECTED.values()),
        counts=torch.from_numpy(counts).long(),
        counts_null_mean=torch.tensor(mean),
        counts_null_sd=torch.tensor(sd),
        **fields,
    )


def _statistics(graph: SimpleGraph) -> np.ndarray:
    """Return the share of closed motifs and the 13 counts, float64, shape ``(14,)``."""
    counts = triad_counts(graph)
    share = counts[_CLOSED].sum() / counts.sum() if counts.any() else math.nan
    return np.concatenate(([share], counts))
