"""The communicability of a large network, as its distribution: a sample of pairs."""

from __future__ import annotations

import torch

from graphcortex._checks import check_choice, check_count
from graphcortex._random import as_generator
from graphcortex._typing import EdgeIndex, EdgeValues, RandomSource
from graphcortex.kernels import GraphStructure
from graphcortex.ops.communicability import communicability

KINDS = ("all", "edges")


def sample_communicability(
    edge_index: EdgeIndex,
    edge_weight: EdgeValues,
    num_nodes: int,
    *,
    num_targets: int = 32,
    pairs: str = "all",
    normalization: str = "both",
    epsilon: float = 1e-10,
    rng: RandomSource,
    structure: GraphStructure | None = None,
) -> torch.Tensor:
    """Compute the communicability of all neurons, or of those that send there, with target neurons drawn at random.

    Every pair is drawn with the same chance, so the sample has the distribution of all; whole columns of the matrix cost what
    one of their entries does.

    Args:
        edge_index: Source (row 0) and target (row 1) of each edge, shape ``(2, E)``. Repeated edges are summed.
        edge_weight: Weight of each edge, shape ``(E,)``, in any unit.
        num_nodes: Number of neurons :math:`N`.
        num_targets: Targets to draw, each once; all neurons where there are fewer.
        pairs: ``"all"``: n is N times the targets, and a neuron has 0 with itself, as in the published distance; or ``"edges"``:
            the edges to these targets.
        normalization: As in :func:`graphcortex.ops.communicability_matrix`.
        epsilon: As in :func:`graphcortex.ops.communicability_matrix`.
        rng: A generator, or an int seed, for the targets.
        structure: The structure of ``edge_index`` where it is there already.

    Returns:
        Communicabilities, shape ``(n,)``, without unit, in no order. Differentiable in ``edge_weight``, once.

    Raises:
        OverflowError: As :func:`graphcortex.ops.communicability_matrix`.
        ValueError: If the arguments do not describe one graph, a weight is NaN or infinite, or an option is out of range.

    Example:
        >>> edge_index = torch.tensor([[0, 1], [1, 2]])
        >>> sample_communicability(edge_index, torch.ones(2), 3, rng=0).sort().values  # all nine pairs
        tensor([0.0000, 0.0000, 0.0000, 0.0000, 0.0000, 0.0000, 0.5000, 1.0000, 1.0000])
    """
    check_choice(pairs, "pairs", KINDS)
    count = min(check_count(num_targets, "num_targets"), check_count(num_nodes, "num_nodes"))
    generator = as_generator(rng, edge_index.device)
    targets = torch.randperm(num_nodes, generator=generator, device=edge_index.device)[:count]
    if pairs == "edges":
        drawn = torch.zeros(num_nodes, dtype=torch.bool, device=edge_index.device)
        drawn[targets] = True
        chosen = edge_index[:, drawn[edge_index[1]]]
    else:
        every = torch.arange(num_nodes, device=edge_index.device)
        chosen = torch.stack([every.repeat(count), targets.repeat_interleave(num_nodes)])
    found = communicability(
        edge_index,
        edge_weight,
        num_nodes,
        pairs=chosen,
        method="exact-blocked",
        normalization=normalization,
        epsilon=epsilon,
        structure=structure,
    )
    return found if pairs == "edges" else found * (chosen[0] != chosen[1])
