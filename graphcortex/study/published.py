"""What the released code of the study does that its reader would not expect, each under a name of its own.

The study is Shakiba et al. (2026), arXiv 2606.14975. Nothing else of this library does any of this. Where a quirk is a number or
a choice among forms, it is a field of :class:`graphcortex.study.Protocol` instead:

===================================  =====================================================================================
quirk                                where it is
===================================  =====================================================================================
positions reshaped, not transposed   :func:`scrambled_positions`
their axes scaled, each on its own,  :func:`scale_axes`, ``Protocol.distance_scale = "published"``
the grid not
self-connections cost nothing        ``Protocol.self_connection_length = "zero"``
communicability of the anatomy       ``Protocol.anatomy_normalization = "source"``
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
nulls with another density, and      ``Protocol.small_world_null = "published"``,
with self-connections                :func:`graphcortex.metrics.small_worldness`
divergence counts as chance          :func:`graphcortex.study.training.train`; this library counts it beside the mean
Adam's second moment is NaN one      :class:`graphcortex.study.KerasAdam`
step after a square overflowed
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
from graphcortex.study.protocol import FUNCTIONAL

_VOXEL_UM = torch.tensor([0.004, 0.004, 0.04], dtype=torch.float64)


def scrambled_positions(connectome: Connectome) -> torch.Tensor:
    """Return the positions behind ``D*``, whose axes are mixed.

    The ``(N, 3)`` array of voxel coordinates is reshaped to ``(3, N)`` where it should be transposed, so that a "neuron" gets
    three numbers of different neurons and axes. Each row is then scaled to [0, 1]: it has no unit. On the published field their
    distances correlate with the true ones by -.003.

    Args:
        connectome: Positions in um; they go back to voxels of 4 x 4 x 40 nm, since the mixing depends on the unit.

    Returns:
        Shape ``(N, 3)``, float64, without unit. The mean distance between them is a twelfth of that on the grid of ``D``, which
        the published code does not scale; the penalties differ by as much.
    """
    voxels = (connectome.pos.double() / _VOXEL_UM).round()
    return scale_axes(voxels.reshape(3, -1).t())


def scale_axes(pos: torch.Tensor) -> torch.Tensor:
    """Scale each axis to [0, 1] on its own, as the published code does with positions; an axis without spread becomes 0.

    Args:
        pos: Positions, shape ``(N, D)``, in any unit.

    Returns:
        The scaled positions, shape ``(N, D)``, without unit.
    """
    low, high = pos.amin(0), pos.amax(0)
    return (pos - low) / torch.where(high > low, high - low, 1.0)


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
