"""Like to like: whether neurons that respond alike are linked, or more strongly."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from graphcortex._checks import check_choice, check_count
from graphcortex._random import as_seed
from graphcortex._ties import ROUNDING, rank
from graphcortex._typing import EdgeIndex, EdgeValues, RandomSource
from graphcortex.graphs import SimpleGraph, simple_graph
from graphcortex.metrics._permutation import PermutationResult, compared, permuted_values
from graphcortex.metrics._similarity import FeatureSimilarity, MatrixSimilarity, similarity_of_neurons
from graphcortex.metrics.weight_length import no_correlation, standardize

RELATIONS = ("weight", "presence")
CORRELATIONS = ("spearman", "pearson")


@dataclass(frozen=True, eq=False, kw_only=True)
class LikeToLike(PermutationResult):
    """The relation of wiring and similarity, held against permuted neurons.

    Attributes:
        relation: ``"weight"`` (a correlation over edges) or ``"presence"`` (a difference of means).
        mean_linked: Mean similarity of linked pairs.
        mean_unlinked: Mean similarity of the other pairs; NaN where there are none.
        method: ``"spearman"`` or ``"pearson"``, for the relation of weights.
    """

    relation: str
    mean_linked: float = math.nan
    mean_unlinked: float = math.nan


def like_to_like(
    edge_index: EdgeIndex,
    edge_weight: EdgeValues | None,
    num_nodes: int,
    *,
    similarity: torch.Tensor | None = None,
    features: torch.Tensor | None = None,
    measure: str = "correlation",
    relation: str = "weight",
    method: str = "spearman",
    directed: bool = True,
    threshold: float = 0.0,
    num_permutations: int = 1000,
    rng: RandomSource = 0,
) -> LikeToLike:
    r"""Relate the weight, or the presence, of edges to how alike their neurons are.

    With the similarity :math:`s_{ij}` of two neurons, the value is, for the relation of weights and of presence,

    .. math::
        \operatorname{corr}_{e} \left( |w_e|, s_{i_e j_e} \right) \in [-1, 1], \qquad
        \langle s_{ij} \rangle_{\text{linked}} - \langle s_{ij} \rangle_{\text{unlinked}},

    the correlation over edges (Spearman's or Pearson's), and the difference of means over the pairs :math:`i \ne j`, in the
    unit of the similarity. Either is positive where like goes to like. The test permutes the neurons to which the similarities
    belong: the graph stays, and so do the similarities and what they share through their neurons. A test over edges as if these
    were independent would find relations by chance.

    Similarities are given as a matrix, or made from features for the pairs that are needed, so that no N x N array exists:

    ======================  ================================================================================
    ``measure``             similarity
    ======================  ================================================================================
    ``"correlation"``       correlation of two rows of ``features``, such as traces or tuning curves
    ``"cosine"``            cosine of the angle between two rows
    ``"orientation"``       :math:`\cos 2 (\theta_i - \theta_j)` of preferred orientations in radians
    ``"direction"``         :math:`\cos (\theta_i - \theta_j)` of preferred directions in radians
    ======================  ================================================================================

    Args:
        edge_index: Source (row 0) and target (row 1) of each edge, shape ``(2, E)``. Repeated edges are summed, self-connections
            do not count.
        edge_weight: Weight of each edge, shape ``(E,)``, in any unit; None for an unweighted graph.
        num_nodes: Number of neurons.
        similarity: Similarity of each pair, floating point, shape ``(N, N)``, ``[source, target]``; the diagonal is not read.
            Without direction the mean of both is taken.
        features: What is known of each neuron instead, shape ``(N, F)``, or ``(N,)`` for angles.
        measure: How features are compared.
        relation: ``"weight"`` or ``"presence"``.
        method: ``"spearman"`` or ``"pearson"``, for the relation of weights.
        directed: Whether edges keep their direction.
        threshold: Edges that are not above it in size are no edges, in the unit of the weights.
        num_permutations: Permutations of the test.
        rng: A generator, or an int seed.

    Returns:
        The relation and its test. NaN, with the reason, where weights or similarities do not vary, or no pair is (or every
        pair is) linked.

    Raises:
        ValueError: If the arguments do not describe one graph, a number is not finite, not exactly one of ``similarity`` and
            ``features`` is given, or an option is out of range.

    References:
        Ko et al. (2011). Functional specificity of local synaptic connections in neocortical networks. Nature 473.
        https://doi.org/10.1038/nature09880

        Ding et al. (2025). Functional connectomics reveals general wiring rule in mouse visual cortex. Nature 640.
        https://doi.org/10.1038/s41586-025-08840-3

        Mantel (1967). The detection of disease clustering and a generalized regression approach. Cancer Res. 27 (the test).

    Example:
        >>> nodes = torch.arange(12)
        >>> edge_index = torch.cartesian_prod(nodes, nodes).T
        >>> angle = nodes * torch.pi / 12
        >>> weight = 2 + torch.cos(2 * (angle[edge_index[0]] - angle[edge_index[1]]))
        >>> options = {"measure": "orientation", "method": "pearson", "num_permutations": 99}
        >>> found = like_to_like(edge_index, weight, 12, features=angle, **options)
        >>> round(found.value, 2), found.p_value
        (1.0, 0.01)
    """
    graph = simple_graph(edge_index, edge_weight, num_nodes, directed=directed, threshold=threshold)
    check_choice(relation, "relation", RELATIONS)
    check_choice(method, "method", CORRELATIONS)
    check_count(num_permutations, "num_permutations")
    alike = similarity_of_neurons(similarity, features, measure, num_nodes, directed)
    done: dict[str, Any] = {"relation": relation, "threshold": threshold} | _means(graph, alike)
    seed = as_seed(rng)
    generator = np.random.default_rng(seed)
    cost = graph.num_edges * alike.num_numbers
    if relation == "presence":
        if graph.num_edges == 0 or math.isnan(done["mean_unlinked"]):
            reason = "no edge joins two neurons" if graph.num_edges == 0 else "every pair is linked"
            return LikeToLike(value=math.nan, reason=reason, **done)
        pairs, total = _num_pairs(graph), _sum_of_pairs(graph, alike)

        def difference(block: np.ndarray) -> np.ndarray:
            linked = alike(block[:, graph.source], block[:, graph.target]).sum(-1)
            return linked / graph.num_edges - (total - linked) / (pairs - graph.num_edges)

        value = done["mean_linked"] - done["mean_unlinked"]
        shuffled = permuted_values(difference, generator, num_nodes, num_permutations, cost)
        return LikeToLike(value=value, **done, **compared(value, shuffled, "neurons", seed))
    done["method"] = method
    own = alike(graph.source, graph.target)
    reason = no_correlation(graph.weight, own, "similarities")
    if reason:
        return LikeToLike(value=math.nan, reason=reason, **done)

    def arrange(numbers: np.ndarray, rounding: float | None) -> np.ndarray:
        return standardize(rank(numbers, rounding) if method == "spearman" else numbers)

    weight, rounding = arrange(graph.weight, None), ROUNDING * alike.magnitude

    def correlation(block: np.ndarray) -> np.ndarray:
        return arrange(alike(block[:, graph.source], block[:, graph.target]), rounding) @ weight

    value = float(np.clip(arrange(own, rounding) @ weight, -1, 1))
    shuffled = permuted_values(correlation, generator, num_nodes, num_permutations, cost)
    return LikeToLike(value=value, **done, **compared(value, shuffled, "neurons", seed))


def _num_pairs(graph: SimpleGraph) -> int:
    pairs = graph.num_nodes * (graph.num_nodes - 1)
    return pairs if graph.directed else pairs // 2


def _sum_of_pairs(graph: SimpleGraph, alike: MatrixSimilarity | FeatureSimilarity) -> float:
    return alike.sum_of_pairs() / (1 if graph.directed else 2)


def _means(graph: SimpleGraph, alike: MatrixSimilarity | FeatureSimilarity) -> dict[str, float]:
    linked, unlinked = graph.num_edges, _num_pairs(graph) - graph.num_edges
    total = float(alike(graph.source, graph.target).sum())
    return {
        "mean_linked": total / linked if linked else math.nan,
        "mean_unlinked": (_sum_of_pairs(graph, alike) - total) / unlinked if unlinked else math.nan,
    }
