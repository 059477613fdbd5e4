"""What the released code of the study does that its reader would not expect, each under a name of its own.

The study is Shakiba et al. (2026), arXiv 2606.14975. Nothing else of this library does any of this. Where a quirk is a number or
a choice among forms, it is a field of :class:`graphcortex.study.Protocol` instead:

===================================  =====================================================================================
quirk                                where it is
===================================  =====================================================================================
positions reshaped, not transposed   :func:`scrambled_lengths`
grid distances not scaled            :func:`grid_lengths`
self-connections cost nothing        the zeros on the diagonal of both
communicability of the anatomy       :func:`anatomical_communicability`
breaks down where a neuron has no
outputs
W! is W* with the neurons renamed,   :func:`rename_neurons`
diagonal and all
relations scaled over the whole      :func:`functional_relations`
matrix, diagonal included
lambda not applied to the baseline   ``Protocol.l1_strength = 1.0``
out-strengths at both ends           ``Protocol.normalization = "source"``
one data set for all runs, and       ``Protocol.data_seed``; :func:`graphcortex.study.training.train` evaluates on the
validation on the test trials        test trials after each epoch
the training accuracy is reported    :attr:`graphcortex.study.RunResult.accuracy`
nulls with another density, and      :func:`graphcortex.metrics.small_world`
with self-connections
divergence counts as chance          :func:`graphcortex.study.training.train`; this library counts it beside the mean
negative weights are cut off only    :func:`graphcortex.study.training.train`: the networks of the positive-only arm start
after a step of the optimiser        with the negative weights that were drawn
===================================  =====================================================================================

One deviation: the code divides by an out-strength of zero in ``C`` (only ``C*`` adds 1e-10), so that a neuron which lost all its
outputs makes the loss NaN. Here both add 1e-10.
"""

from __future__ import annotations

import torch

from graphcortex._random import as_generator
from graphcortex._typing import RandomSource
from graphcortex.data import Connectome
from graphcortex.kernels import complete_edge_index
from graphcortex.ops import communicability_matrix, edge_length, grid_positions
from graphcortex.study.protocol import FUNCTIONAL

_VOXEL_UM = torch.tensor([0.004, 0.004, 0.04], dtype=torch.float64)


def scrambled_lengths(connectome: Connectome) -> torch.Tensor:
    """Return the distances of ``D*``: from positions whose axes are mixed.

    The ``(N, 3)`` array of voxel coordinates is reshaped to ``(3, N)`` where it should be transposed, so that a "neuron" gets
    three numbers of different neurons and axes. Each row is then scaled to [0, 1]. On the published field these distances
    correlate with the true ones by -.003.

    Args:
        connectome: Positions in um; they go back to voxels of 4 x 4 x 40 nm, since the mixing depends on the unit.

    Returns:
        Distance of each ordered pair, self-pairs included, shape ``(N * N,)``, float32, without unit.
    """
    voxels = (connectome.pos.double() / _VOXEL_UM).round()
    rows = voxels.reshape(3, -1)
    low, high = rows.amin(1, keepdim=True), rows.amax(1, keepdim=True)
    scaled = (rows - low) / torch.where(high > low, high - low, 1.0)
    return edge_length(complete_edge_index(connectome.num_neurons), scaled.t()).float()


def grid_lengths(num_neurons: int) -> torch.Tensor:
    """Return the distances of ``D``: on an integer grid of two layers, in grid steps, not scaled as those of ``D*`` are.

    Args:
        num_neurons: Number of neurons; the 312 of the published field fill a grid of 12 x 13 x 2.

    Returns:
        Distance of each ordered pair, self-pairs included, shape ``(N * N,)``, float32. Their mean is 12 times that of ``D*``
        on the published field, and so is the penalty.
    """
    return edge_length(complete_edge_index(num_neurons), grid_positions(num_neurons))


def anatomical_communicability(connectome: Connectome) -> torch.Tensor:
    """Return the communicability of the synapse counts that ``C*`` compares with.

    Both ends are normalised by out-strength, and a neuron without outputs has 1e-10 in place of zero: its column is up to
    1e5 times too large. On the published field that is the case for 166 of 312 neurons.

    Args:
        connectome: A connectome with synapses.

    Returns:
        The matrix ``C[source, target]``, shape ``(N, N)``, float32.

    Raises:
        ValueError: If there is no synapse.
    """
    n = connectome.num_neurons
    counts = connectome.count_matrix()
    if not bool(counts.any()):
        raise ValueError(
            "C* compares with the anatomy: expected a connectome with synapses, got none; leave out the C* variants."
        )
    return communicability_matrix(complete_edge_index(n), counts.flatten(), n, normalization="source").float()


def functional_relations(connectome: Connectome, functional: str) -> list[torch.Tensor]:
    """Return the relations that shape ``W*``, over all pairs with the diagonal.

    The diagonals of correlation and STTC are 1, far above every pair, so that after scaling to [0, 1] most of ``W*`` is
    self-connections.

    Args:
        connectome: A connectome with co-activity on all pairs.
        functional: A key of :data:`graphcortex.study.protocol.FUNCTIONAL`.

    Returns:
        One value per ordered pair for each relation, shape ``(N * N,)``, float64.

    Raises:
        ValueError: If the connectome lacks one of them.
    """
    return [connectome.coactivity_matrix(name).flatten() for name in FUNCTIONAL[functional]]


def rename_neurons(weight: torch.Tensor, num_neurons: int, *, rng: RandomSource) -> torch.Tensor:
    """Return the weights of ``W!``: rows and columns of ``W*`` under one random permutation.

    Args:
        weight: Weights of all ordered pairs, shape ``(N * N,)``.
        num_neurons: Number of neurons.
        rng: Generator or seed.

    Returns:
        The same graph with other names, its self-connections still on the diagonal, shape ``(N * N,)``.
    """
    order = torch.randperm(num_neurons, generator=as_generator(rng))
    return weight.view(num_neurons, num_neurons)[order][:, order].reshape(-1)
