"""Participation: whether a neuron links evenly to all modules, or to its own alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
import scipy.sparse
import torch

from graphcortex._checks import check_choice
from graphcortex._typing import EdgeIndex, EdgeValues
from graphcortex.graphs import SimpleGraph, simple_graph
from graphcortex.metrics._result import Result
from graphcortex.metrics.ensemble import Nulls, as_nulls

COUNTED = ("all", "out", "in")


@dataclass(frozen=True, eq=False, kw_only=True)
class Participation(Result):
    """The mean participation coefficient of the neurons with edges, and both coordinates of each neuron.

    Attributes:
        coefficient: Participation coefficient of each neuron, float64, shape ``(N,)``; 0 for a neuron without edges.
        within_module_z: Within-module degree z-score of each neuron, float64, shape ``(N,)``; 0 where the module's neurons do
            not differ.
        num_linked: Number of neurons with edges that count.
        counted: Which edges of a neuron count.
        weighted: Whether an edge counts by its weight.
    """

    coefficient: torch.Tensor
    within_module_z: torch.Tensor
    num_linked: int
    counted: str = "all"
    weighted: bool = False


def participation(
    edge_index: EdgeIndex,
    edge_weight: EdgeValues | None,
    num_nodes: int,
    *,
    membership: torch.Tensor,
    directed: bool = False,
    counted: str = "all",
    weighted: bool = False,
    threshold: float = 0.0,
    null: str | Nulls | None = None,
) -> Participation:
    r"""Compute how each neuron's edges are spread over modules.

    .. math::
        P_i = 1 - \sum_m \left( \frac{\kappa_{im}}{k_i} \right)^2, \qquad
        z_i = \frac{\kappa_{i c_i} - \langle \kappa_{j c_i} \rangle_{j \in c_i}}{\sigma_{j \in c_i}(\kappa_{j c_i})},

    where :math:`\kappa_{im}` counts the edges between neuron :math:`i` and module :math:`m` (sums their weights, where
    ``weighted``), :math:`k_i = \sum_m \kappa_{im}`, :math:`c_i` is the module of :math:`i`, and mean and standard deviation
    run over the neurons of that module. :math:`P_i` is in :math:`[0, 1 - 1/C]` for :math:`C` modules: 0 if all edges reach one
    module. A hub with a low :math:`P` (below .3) is one of its module; with a high one it connects modules.

    Args:
        edge_index: Source (row 0) and target (row 1) of each edge, shape ``(2, E)``. Repetition and self-loops are ignored.
        edge_weight: Weight of each edge, shape ``(E,)``, in any unit; None for an unweighted graph.
        num_nodes: Number of neurons.
        membership: Module of each neuron, integer codes, shape ``(N,)``, as :func:`modularity` returns it.
        directed: Whether edges keep their direction.
        counted: In a directed graph, which edges of a neuron count: its outputs (``"out"``), its inputs (``"in"``) or
            ``"all"``.
        weighted: Whether an edge counts by its weight rather than as one.
        threshold: Edges that are not above it in size are no edges; at least 0, in the unit of the weights.
        null: Random graphs to compare with. Neurons keep their modules.

    Returns:
        The coefficients, and as value their mean over the neurons with edges. NaN, with the reason, if there are none.

    Raises:
        ValueError: If the arguments do not describe one graph and its modules, or are out of range.

    References:
        Guimera & Amaral (2005). Functional cartography of complex metabolic networks. Nature 433.
        https://doi.org/10.1038/nature03288

    Example:
        >>> two_pairs_and_a_bridge = torch.tensor([[0, 2, 1], [1, 3, 2]])
        >>> found = participation(two_pairs_and_a_bridge, None, 4, membership=torch.tensor([0, 0, 1, 1]))
        >>> found.value, found.coefficient.tolist()
        (0.25, [0.0, 0.5, 0.5, 0.0])
    """
    graph = simple_graph(edge_index, edge_weight, num_nodes, directed=directed, threshold=threshold)
    return participation_of(
        graph, membership=membership, counted=counted, weighted=weighted, threshold=threshold, null=null
    )


def participation_of(
    graph: SimpleGraph,
    *,
    membership: torch.Tensor,
    counted: str = "all",
    weighted: bool = False,
    threshold: float = 0.0,
    null: str | Nulls | None = None,
) -> Participation:
    """Compute the participation of the neurons of a simple graph; see :func:`participation`."""
    check_choice(counted, "counted", COUNTED)
    module = check_membership(membership, graph.num_nodes)
    nulls = as_nulls(null)
    if not weighted:
        graph = graph.unweighted()
    to_module = _edges_to_modules(graph, module, counted)
    coefficient, linked = _coefficients(to_module)
    reason = "" if linked.any() else "no neuron has edges that count"
    fields = {}
    if nulls is not None and not reason:
        fields = nulls.distribution(partial(_mean, module=module, counted=counted), graph).fields()
    return Participation(
        value=float(coefficient[linked].mean()) if linked.any() else math.nan,
        reason=reason,
        threshold=threshold,
        coefficient=torch.from_numpy(coefficient),
        within_module_z=torch.from_numpy(_within_module_z(to_module, module)),
        num_linked=int(linked.sum()),
        counted=counted,
        weighted=weighted,
        **fields,
    )


def check_membership(membership: torch.Tensor, num_nodes: int) -> np.ndarray:
    """Return modules as codes 0 .. number of modules - 1, int64, shape ``(N,)``.

    Raises:
        ValueError: If they are not one whole number per neuron.
    """
    found = membership if isinstance(membership, torch.Tensor) else torch.empty(0)
    if found.shape != (num_nodes,) or found.is_floating_point() or found.is_complex() or found.dtype == torch.bool:
        got = f"{found.dtype} of shape {tuple(found.shape)}" if found is membership else type(membership).__name__
        raise ValueError(f"membership must be a tensor of integer codes of shape ({num_nodes},), got {got}.")
    return np.unique(found.cpu().numpy(), return_inverse=True)[1]


def _edges_to_modules(graph: SimpleGraph, module: np.ndarray, counted: str) -> scipy.sparse.csr_array:
    """Return how many edges (how much weight) each neuron shares with each module, shape ``(N, C)``."""
    weight = np.ones(graph.num_edges) if graph.weight is None else graph.weight / graph.weight.max(initial=0.0)
    near, far = [], []
    if counted != "in" or not graph.directed:
        near, far = [*near, graph.source], [*far, graph.target]
    if counted != "out" or not graph.directed:
        near, far = [*near, graph.target], [*far, graph.source]
    ends = np.concatenate(near), module[np.concatenate(far)]
    shape = (graph.num_nodes, int(module.max()) + 1)
    total = scipy.sparse.csr_array((np.concatenate([weight] * len(near)), ends), shape=shape)
    total.sum_duplicates()
    return total


def _coefficients(to_module: scipy.sparse.csr_array) -> tuple[np.ndarray, np.ndarray]:
    """Return the participation coefficient of each neuron, and whether it has edges, both shape ``(N,)``."""
    total = to_module.sum(1)
    linked = total > 0
    total[~linked] = 1
    share = to_module.data / np.repeat(total, np.diff(to_module.indptr))
    neuron = np.repeat(np.arange(total.size), np.diff(to_module.indptr))
    coefficient = 1 - np.bincount(neuron, weights=share**2, minlength=total.size)
    coefficient[~linked] = 0
    return np.maximum(coefficient, 0), linked


def _mean(graph: SimpleGraph, *, module: np.ndarray, counted: str) -> float:
    coefficient, linked = _coefficients(_edges_to_modules(graph, module, counted))
    return float(coefficient[linked].mean()) if linked.any() else math.nan


def _within_module_z(to_module: scipy.sparse.csr_array, module: np.ndarray) -> np.ndarray:
    """Return the z-score of each neuron's edges to its own module among the neurons of that module, shape ``(N,)``."""
    own = to_module[np.arange(module.size), module]
    size = np.bincount(module)
    mean = np.bincount(module, weights=own) / size
    off = own - mean[module]
    sd = np.sqrt(np.bincount(module, weights=off**2) / size)
    varies = sd > 1e-12 * np.maximum(mean, np.finfo(float).tiny)  # sums of equal weights differ by rounding
    return np.divide(off, sd[module], out=np.zeros(module.size), where=varies[module])
