"""Penalties on how a network communicates: what it costs along its wires, and how far it is from that of the anatomy."""

from __future__ import annotations

import torch
from torch import nn

from graphcortex._checks import check_choice, check_count, check_number
from graphcortex._random import as_generator
from graphcortex._typing import EdgeValues, RandomSource
from graphcortex.kernels import GraphStructure
from graphcortex.losses.penalties import LengthPenalty, Penalty
from graphcortex.ops import (
    communicability_matrix,
    quantiles_at,
    sample_communicability,
    spatial_communicability,
    wasserstein_1d,
)
from graphcortex.ops.communicability import METHODS, NORMALIZATIONS
from graphcortex.ops.communicability_sample import KINDS


class _OnStructure:
    """Find the sorted edges of a network, and keep those of one that does not, so that no step of training sorts.

    A network may keep its neurons in another order than its caller's; the same graph costs the same under other names.
    """

    _known: tuple[torch.Tensor, int, GraphStructure] | None = None

    def __getstate__(self):
        """Leave out the sorted edges: the version of a tensor says nothing of its copy."""
        return {name: value for name, value in vars(self).items() if name != "_known"}

    def _structure(self, rnn: nn.Module) -> GraphStructure:
        if isinstance(getattr(rnn, "structure", None), GraphStructure):
            return rnn.structure
        edge_index = rnn.edge_index
        if edge_index.is_inference():  # these have no version
            return GraphStructure.build(edge_index, rnn.num_nodes)
        version = edge_index._version  # edges that were written into are sorted again
        if self._known is None or self._known[0] is not edge_index or self._known[1] != version:
            self._known = (edge_index, version, GraphStructure.build(edge_index, rnn.num_nodes))
        return self._known[2]


def _diverged(rnn: nn.Module) -> bool:
    """Say whether a weight is NaN or infinite: a penalty is NaN then, so that a training loop sees a run that diverged."""
    return not bool(torch.isfinite(rnn.edge_weight).all())


class LengthCommunicabilityPenalty(_OnStructure, LengthPenalty):
    r"""Absolute weight times length times communicability, :math:`\lambda \sum_e |w_e| \, d_e \, C_{i_e j_e}^f`.

    The gradient runs through :math:`C` as well.

    Args:
        edge_length: Length :math:`d_e` of each edge of the network, shape ``(E,)``, not negative.
        strength: :math:`\lambda`, not negative.
        normalization: ``"both"`` or ``"source"`` (published), see :func:`graphcortex.ops.communicability_matrix`.
        method: ``"exact-dense"``, ``"exact-blocked"``, ``"stochastic"`` or ``"auto"``, see
            :func:`graphcortex.ops.spatial_communicability`. ``"auto"`` is exact unless it has an ``rng``.
        exponent: :math:`f`, greater than 0; the stochastic method knows only 1.
        probes: Random vectors of the stochastic method; 16 if not given.
        tolerance: In place of ``probes``, the relative standard error that these should reach.
        rng: A generator, or an int that seeds one, for the probes: every call draws new ones. One may be given with the call
            instead.

    Raises:
        ValueError: As :class:`LengthPenalty`, or for an option that is unknown or out of range; when called, if the stochastic
            method has no ``rng``.

    Example:
        >>> from graphcortex.nn import GraphRNN
        >>> rnn = GraphRNN(1, torch.tensor([[0, 1, 2], [1, 2, 0]]), 3)
        >>> penalty = LengthCommunicabilityPenalty(torch.ones(3), method="stochastic", probes=16)
        >>> penalty(rnn, rng=0).shape
        torch.Size([])
    """

    def __init__(
        self,
        edge_length: EdgeValues,
        *,
        strength: float = 0.3,
        normalization: str = "both",
        method: str = "auto",
        exponent: float = 1.0,
        probes: int | None = None,
        tolerance: float | None = None,
        rng: RandomSource | None = None,
    ):
        super().__init__(edge_length, strength=strength)
        self.normalization = check_choice(normalization, "normalization", NORMALIZATIONS)
        self.method = check_choice(method, "method", METHODS)
        self.exponent = check_number(exponent, "exponent", above=0)
        if self.method == "stochastic" and self.exponent != 1:
            raise ValueError(f"exponent must be 1 for the stochastic method, got {exponent}; use exact-blocked.")
        self.probes = None if probes is None else check_count(probes, "probes")
        self.tolerance = None if tolerance is None else check_number(tolerance, "tolerance", above=0)
        if probes is not None and tolerance is not None:
            raise ValueError(f"tolerance must not be given together with probes, got {tolerance!r} and {probes!r}.")
        # An int seeds one stream here, and not the same probes at every call.
        self.rng = None if rng is None else as_generator(rng, rng.device if isinstance(rng, torch.Generator) else "cpu")

    def forward(self, rnn: nn.Module, *, rng: RandomSource | None = None) -> torch.Tensor:
        """Return the penalty of a network, a scalar; NaN if a weight is not finite, or the cost is too large for its precision.

        Args:
            rnn: The network.
            rng: A generator or an int seed for the probes of this call, in place of that of the module.
        """
        self._check(rnn)
        if _diverged(rnn):
            return torch.nan * rnn.edge_weight.sum()
        structure = self._structure(rnn)
        try:
            cost = spatial_communicability(
                structure.edge_index,
                rnn.edge_weight,
                self.edge_length.to(rnn.edge_weight.dtype),
                rnn.num_nodes,
                method=self.method,
                normalization=self.normalization,
                exponent=self.exponent,
                probes=self.probes,
                tolerance=self.tolerance,
                rng=self.rng if rng is None else rng,
                structure=structure,
            )
        except OverflowError:  # weights of 1e38 are on their way to infinity
            return torch.nan * rnn.edge_weight.sum()
        return self.strength * cost

    def extra_repr(self) -> str:
        """Say the options in the printed form."""
        says = f"{super().extra_repr()}, normalization={self.normalization!r}, method={self.method!r}"
        return says if self.exponent == 1 else f"{says}, exponent={self.exponent:g}"


class CommunicabilityEMD(_OnStructure, Penalty):
    r"""Distance between the communicabilities of the network and of the anatomy.

    .. math::
        \lambda \, \frac1{N^2} \sum_k \left| C^\text{anatomy}_{(k)} - C_{(k)} \right|

    over the sorted entries of both matrices, the diagonals set to 0: the earth mover's distance of the two distributions. All
    :math:`N^2` entries are made; :class:`SampledCommunicabilityEMD` is the form for large networks.

    Args:
        reference: Communicability matrix of the anatomy, shape ``(N, N)``; its diagonal is ignored.
        strength: :math:`\lambda`, not negative.
        normalization: ``"both"`` or ``"source"`` (published); the reference should be computed with the same.

    Raises:
        ValueError: If the reference is not square or holds NaN, or an argument is out of range.
    """

    def __init__(self, reference: torch.Tensor, *, strength: float = 0.1, normalization: str = "both"):
        super().__init__(strength)
        if reference.dim() != 2 or reference.size(0) != reference.size(1) or bool(reference.isnan().any()):
            raise ValueError(f"reference must be a square matrix without NaN, got shape {tuple(reference.shape)}.")
        self.normalization = check_choice(normalization, "normalization", NORMALIZATIONS)
        self.register_buffer("reference", _without_diagonal(reference).flatten().sort().values)

    def forward(self, rnn: nn.Module) -> torch.Tensor:
        """Return the penalty of a network, a scalar; NaN if a weight is not finite."""
        if rnn.num_nodes**2 != self.reference.numel():
            raise ValueError(
                f"reference must be the matrix of {rnn.num_nodes} neurons, got {self.reference.numel()} entries."
            )
        if _diverged(rnn):
            return torch.nan * rnn.edge_weight.sum()
        structure = self._structure(rnn)
        matrix = communicability_matrix(
            structure.edge_index,
            rnn.edge_weight,
            rnn.num_nodes,
            normalization=self.normalization,
            structure=structure,
        )
        return self.strength * wasserstein_1d(_without_diagonal(matrix), self.reference.to(matrix.dtype))

    def extra_repr(self) -> str:
        """Say the strength and the normalization in the printed form."""
        return f"{super().extra_repr()}, normalization={self.normalization!r}"


class SampledCommunicabilityEMD(_OnStructure, Penalty):
    r"""Distance between the communicabilities of a large network and of the anatomy, from a sample of pairs.

    Each call draws target neurons and takes the communicability that all neurons have with them (or, for ``pairs="edges"``,
    those that send to them). The sorted sample of n pairs is compared with the quantiles of the anatomy at the same levels,

    .. math::
        \lambda \, \frac1n \sum_k \left| Q^\text{anatomy} \! \left( \tfrac{k - 1/2}{n} \right) - C_{(k)} \right| .

    With all neurons as targets this is :class:`CommunicabilityEMD`. With fewer it is above it on average, by what a sample differs
    from what it is drawn from, and comes down to it as the sample grows.

    Args:
        reference: Quantile function of the communicabilities of the anatomy, ascending, shape ``(n,)``; any n. Make it with
            :func:`graphcortex.ops.quantile_function` of :func:`graphcortex.ops.sample_communicability`.
        strength: :math:`\lambda`, not negative.
        normalization: ``"both"`` or ``"source"`` (published); the reference should be computed with the same.
        num_targets: Neurons to draw, or all where there are fewer. Time and memory grow with it.
        pairs: ``"all"``, the diagonal counted as 0, or ``"edges"``; as that of the reference.
        rng: A generator, or an int that seeds one, for the targets: every call draws new ones. One may be given with the call
            instead.

    Raises:
        ValueError: If the reference is not ascending or holds NaN, or an argument is out of range; when called, without an ``rng``.
    """

    def __init__(
        self,
        reference: torch.Tensor,
        *,
        strength: float = 0.1,
        normalization: str = "both",
        num_targets: int = 32,
        pairs: str = "all",
        rng: RandomSource | None = None,
    ):
        super().__init__(strength)
        if reference.dim() != 1 or reference.numel() == 0 or not bool((reference.diff() >= 0).all()):
            raise ValueError(
                f"reference must be a quantile function, ascending and without NaN, of shape (n,); got {tuple(reference.shape)}."
            )
        if bool(reference.isnan().any()):
            raise ValueError(f"reference must be without NaN, got {int(reference.isnan().sum())}.")
        self.normalization = check_choice(normalization, "normalization", NORMALIZATIONS)
        self.num_targets = check_count(num_targets, "num_targets")
        self.pairs = check_choice(pairs, "pairs", KINDS)
        self.rng = None if rng is None else as_generator(rng, rng.device if isinstance(rng, torch.Generator) else "cpu")
        self.register_buffer("reference", reference.detach().clone())

    def forward(self, rnn: nn.Module, *, rng: RandomSource | None = None) -> torch.Tensor:
        """Return the penalty of a network, a scalar; NaN if a weight is not finite.

        Args:
            rnn: The network.
            rng: A generator or an int seed for the targets of this call, in place of that of the module.
        """
        rng = self.rng if rng is None else rng
        if rng is None:
            raise ValueError("rng must be a torch.Generator or an int seed, here or in the module; got None.")
        if _diverged(rnn):
            return torch.nan * rnn.edge_weight.sum()
        structure = self._structure(rnn)
        found = sample_communicability(
            structure.edge_index,
            rnn.edge_weight,
            rnn.num_nodes,
            num_targets=self.num_targets,
            pairs=self.pairs,
            normalization=self.normalization,
            rng=rng,
            structure=structure,
        )
        if found.numel() == 0:  # no edge leads to the neurons that were drawn
            return 0 * rnn.edge_weight.sum()
        return self.strength * wasserstein_1d(found, quantiles_at(self.reference.to(found.dtype), found.numel()))

    def extra_repr(self) -> str:
        """Say the options in the printed form."""
        return f"{super().extra_repr()}, normalization={self.normalization!r}, num_targets={self.num_targets}, pairs={self.pairs!r}"


def _without_diagonal(matrix: torch.Tensor) -> torch.Tensor:
    return matrix - torch.diag(matrix.diagonal())
