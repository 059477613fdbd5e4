"""Pairs of neurons that no edge joins yet, drawn without repeats."""

from __future__ import annotations

import torch

from graphcortex._checks import check_count

# Up to this many ordered pairs a number is drawn for each of them; above, pairs are proposed and mostly refused.
DENSE_PAIRS = 2**22
FEWEST_PROPOSALS = 2**16
MOST_ROUNDS = 1000


def draw_new_pairs(
    count: int,
    edge_index: torch.Tensor,
    num_nodes: int,
    *,
    generator: torch.Generator,
    pos: torch.Tensor | None = None,
    length_scale: float | None = None,
    self_connections: bool = False,
    dense_pairs: int = DENSE_PAIRS,
) -> torch.Tensor:
    r"""Draw pairs one after the other, each with probability proportional to :math:`\exp(-d / \lambda)` among those that are left.

    Args:
        count: How many, k.
        edge_index: The pairs that are taken, each once, shape ``(2, E)``.
        num_nodes: Number of neurons.
        generator: On the device of ``edge_index``.
        pos: Position of each neuron, shape ``(N, D)``; needed with ``length_scale``.
        length_scale: :math:`\lambda`, in the unit of ``pos``; None draws all pairs alike.
        self_connections: Whether a neuron may be paired with itself.
        dense_pairs: Ordered pairs up to which all of them are looked at, which takes memory in proportion.

    Returns:
        The pairs in the order drawn, int64, shape ``(2, k)``.

    Raises:
        ValueError: If there are fewer pairs, or too few within reach of the length scale.
    """
    count = check_count(count, "count", minimum=0)
    taken = edge_index[0] * num_nodes + edge_index[1]
    if not self_connections:
        loops = torch.arange(num_nodes, device=taken.device) * (num_nodes + 1)
        taken = torch.cat([taken, loops]).unique()
    left = num_nodes**2 - taken.numel()
    if count > left:
        raise ValueError(f"count must be at most the number of pairs that no edge joins, {left}; got {count}.")
    draw = _from_all if num_nodes**2 <= dense_pairs else _by_proposals
    key = draw(count, taken, num_nodes, pos, length_scale, generator)
    return torch.stack([key // num_nodes, key % num_nodes])


def _from_all(count, taken, num_nodes, pos, length_scale, generator) -> torch.Tensor:
    # The k largest of log-probability plus Gumbel noise are k draws without replacement.
    uniform = torch.rand(num_nodes**2, generator=generator, device=taken.device, dtype=torch.float64)
    score = -(-uniform.clamp_min(1e-300).log()).log()
    if length_scale is not None:
        x = pos.double()
        score -= torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist").flatten() / length_scale
    score[taken] = -torch.inf
    return score.topk(count).indices


def _by_proposals(count, taken, num_nodes, pos, length_scale, generator) -> torch.Tensor:
    # Pairs proposed alike and kept with probability exp(-d / scale): in their order, without repeats, these are the same draws.
    taken, found = taken.sort().values, taken.new_empty(0)
    size = max(4 * count, FEWEST_PROPOSALS)
    for _ in range(MOST_ROUNDS):
        if found.numel() >= count:
            return found[:count]
        proposed = torch.randint(num_nodes**2, (size,), generator=generator, device=taken.device)
        if length_scale is not None:
            ends = pos[proposed // num_nodes].double() - pos[proposed % num_nodes].double()
            kept = (-torch.linalg.vector_norm(ends, dim=1) / length_scale).exp()
            chance = torch.rand(size, generator=generator, device=taken.device, dtype=torch.float64)
            proposed = proposed[chance < kept]
        if taken.numel():
            place = torch.searchsorted(taken, proposed).clamp_max(taken.numel() - 1)
            proposed = proposed[taken[place] != proposed]
        found = _first_of_each(torch.cat([found, proposed]))
    raise ValueError(
        f"{count} new pairs must be within reach, got {found.numel()} of {MOST_ROUNDS * size:,} proposals; take a larger length "
        f"scale than {length_scale}, or fewer edges at once."
    )


def _first_of_each(key: torch.Tensor) -> torch.Tensor:
    """Return the distinct values in the order of their first place."""
    ordered, place = torch.sort(key, stable=True)
    first = torch.ones_like(ordered, dtype=torch.bool)
    first[1:] = ordered[1:] != ordered[:-1]
    return key[place[first].sort().values]
