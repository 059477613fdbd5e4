"""Initial recurrent weights: random, log-normal, from synapses, and from functional relations.

Each takes the graph first, draws from an explicit ``rng`` where it draws, and returns one weight per edge, shape ``(E,)``, float32.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from graphcortex._checks import check_count, check_edge_index, check_edge_values, check_finite, check_number
from graphcortex._random import as_generator
from graphcortex._typing import EdgeIndex, EdgeValues, RandomSource
from graphcortex.kernels import is_dense_view
from graphcortex.ops import rescale_to_radius


def orthogonal(edge_index: EdgeIndex, num_nodes: int, *, gain: float = 1.0, rng: RandomSource) -> EdgeValues:
    """Draw a random orthogonal matrix, the default of recurrent layers in Keras.

    Args:
        edge_index: All ordered pairs, sorted (``complete_edge_index``); a sparse matrix is not orthogonal.
        num_nodes: Number of neurons.
        gain: Factor on the matrix.
        rng: Generator or seed.

    Returns:
        The weights ``W[source, target]`` of each edge, shape ``(N * N,)``.

    Raises:
        ValueError: If the graph is not complete and sorted.

    References:
        Saxe, McClelland & Ganguli (2014). Exact solutions to the nonlinear dynamics of learning in deep linear neural networks.
        https://arxiv.org/abs/1312.6120
    """
    check_edge_index(edge_index, check_count(num_nodes, "num_nodes"))
    if not is_dense_view(edge_index, num_nodes):
        raise ValueError(
            f"edge_index must hold all {num_nodes**2} ordered pairs, sorted by source and target, for an orthogonal matrix; got "
            f"{edge_index.size(1)} edges. Use complete_edge_index(num_nodes), or log_normal for a sparse graph."
        )
    matrix = torch.empty(num_nodes, num_nodes)
    nn.init.orthogonal_(matrix, gain, generator=as_generator(rng))
    return matrix.view(-1).to(edge_index.device)


def log_normal(
    edge_index: EdgeIndex,
    num_nodes: int,
    *,
    mu: float = -0.5,
    sigma: float = 0.5,
    radius: float | None = 0.95,
    rng: RandomSource,
) -> EdgeValues:
    r"""Draw positive weights, :math:`\ln w_e \sim N(\mu, \sigma^2)`, as cortical synapses are distributed.

    Args:
        edge_index: Source (row 0) and target (row 1) of each edge, shape ``(2, E)``.
        num_nodes: Number of neurons.
        mu: Mean of the logarithm.
        sigma: Standard deviation of the logarithm, not negative.
        radius: Spectral radius to rescale to, or None.
        rng: Generator or seed.

    Returns:
        The weight of each edge, shape ``(E,)``.

    Raises:
        ValueError: If the edges do not fit, or a radius is asked of a graph without cycles.

    References:
        Song et al. (2005). Highly nonrandom features of synaptic connectivity in local cortical circuits. PLoS Biol. 3, e68.
        https://doi.org/10.1371/journal.pbio.0030068
    """
    check_edge_index(edge_index, check_count(num_nodes, "num_nodes"))
    weight = _log_normal_draws(edge_index.size(1), mu, sigma, rng).float().to(edge_index.device)
    return weight if radius is None else rescale_to_radius(edge_index, weight, num_nodes, radius)


def _log_normal_draws(count: int, mu: float, sigma: float, rng: RandomSource) -> torch.Tensor:
    check_number(mu, "mu")
    check_number(sigma, "sigma", minimum=0)
    return torch.exp(mu + sigma * torch.randn(count, generator=as_generator(rng), dtype=torch.float64))


def synaptic(edge_index: EdgeIndex, num_nodes: int, *, count: torch.Tensor, radius: float | None = 0.95) -> EdgeValues:
    """Take the synapse counts as weights, rescaled as a whole.

    Args:
        edge_index: Source (row 0) and target (row 1) of each edge, shape ``(2, E)``.
        num_nodes: Number of neurons.
        count: Synapses (or summed synapse size) of each edge, shape ``(E,)``, not negative.
        radius: Spectral radius to rescale to, or None.

    Returns:
        The weight of each edge, shape ``(E,)``.

    Raises:
        ValueError: If the counts do not fit the edges or are negative, or a radius is asked of a graph without cycles.
    """
    check_edge_index(edge_index, check_count(num_nodes, "num_nodes"))
    weight = count.float()
    check_edge_values(weight, edge_index, "count")
    check_finite(weight, "count")
    if bool((weight < 0).any()):
        raise ValueError(f"count must not be negative, got {float(weight.min()):g}.")
    return weight if radius is None else rescale_to_radius(edge_index, weight, num_nodes, radius)


def functional(
    edge_index: EdgeIndex,
    num_nodes: int,
    *,
    relations: Sequence[EdgeValues],
    mu: float = -0.5,
    sigma: float = 0.5,
    mean: float = 0.1,
    floor: float = 0.01,
    radius: float | None = 0.95,
    rng: RandomSource,
) -> EdgeValues:
    r"""Draw log-normal weights and shape them by how the neurons are related in function.

    .. math::
        w_e = \ell_e \prod_r \frac{r_e - \min r}{\max r - \min r}, \qquad \ln \ell_e \sim N(\mu, \sigma^2),

    rescaled to the given mean; weights other than 0 are then raised to at least ``floor``, and the whole is rescaled to the
    spectral radius. With correlation and STTC as relations on all pairs, self-pairs included, this is the ``W*`` of the study.

    Args:
        edge_index: Source (row 0) and target (row 1) of each edge, shape ``(2, E)``.
        num_nodes: Number of neurons.
        relations: One or more functional relations, each one value per edge, shape ``(E,)``, not all equal.
        mu: Mean of the logarithm of the draws.
        sigma: Standard deviation of the logarithm.
        mean: Mean weight before the floor is applied.
        floor: Smallest weight that is not 0, before the rescaling to ``radius``.
        radius: Spectral radius, or None to leave the weights at that scale.
        rng: Generator or seed.

    Returns:
        The weight of each edge, shape ``(E,)``, not negative.

    Raises:
        ValueError: If there is no edge, or a relation does not fit the edges, is constant, or holds NaN.

    References:
        Shakiba et al. (2026). Harnessing cortical geometry, wiring, and function as inductive biases for recurrent neural
        networks. https://arxiv.org/abs/2606.14975
    """
    check_edge_index(edge_index, check_count(num_nodes, "num_nodes"))
    if len(relations) == 0:
        raise ValueError("relations must hold at least one value per edge of some functional relation, got none.")
    if edge_index.size(1) == 0:
        raise ValueError("edge_index must hold at least one edge for weights to follow a relation, got none.")
    weight = _log_normal_draws(edge_index.size(1), mu, sigma, rng).to(edge_index.device)
    for number, relation in enumerate(relations):
        check_edge_values(relation, edge_index, f"relations[{number}]")
        check_finite(relation, f"relations[{number}]")
        low, high = torch.aminmax(relation.double())
        if low == high:
            raise ValueError(f"relations[{number}] must not be constant, got {float(low)} on every edge.")
        weight = weight * (relation.double() - low) / (high - low)
    total = weight.mean()
    if total == 0:
        raise ValueError("relations must overlap: their product is 0 on every edge.")
    weight = weight * (check_number(mean, "mean", above=0) / total)
    weight = torch.where(weight != 0, weight.clamp(min=check_number(floor, "floor", minimum=0)), weight)
    weight = weight if radius is None else rescale_to_radius(edge_index, weight, num_nodes, radius)
    return weight.float()
