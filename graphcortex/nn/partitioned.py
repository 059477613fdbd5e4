"""One network over several processes: each holds some of the neurons, and the edges that reach them."""

from __future__ import annotations

import itertools

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.utils import parametrize

from graphcortex.kernels import Exchange, GraphStructure, choose_backend, recurrent_scan
from graphcortex.kernels.exchange import SameOnRanks, SumOverRanks
from graphcortex.nn._portable import Portable
from graphcortex.nn.classifier import TaskClassifier
from graphcortex.nn.constraints import Index
from graphcortex.nn.graph_rnn import GraphRNN


class PartitionedRNN(Portable):
    """The part of a :class:`GraphRNN` that one process holds: consecutive neurons, and all edges that reach them.

    At each step the states travel to all processes; edges, their gradients and their optimiser state do not, and are what a large
    network is made of. Constraints on parameters stay on them: :class:`Dale`, :class:`NonNegative`, :class:`Gain`,
    :class:`Offset`, and others with a method ``restrict(index)``. A parameter that is frozen stays frozen. Start the processes with
    ``torchrun`` and make a process group first (gloo on CPUs, nccl on GPUs). Every process must see the same inputs and compute the
    same loss.

    Args:
        rnn: The whole network, the same on all ranks (the same seed gives that). It may be freed afterwards.
        group: The process group; the default group if None.

    Attributes:
        neurons: The neurons that this process holds, as a slice of all.
        edge_index: Source among all neurons (row 0) and target among those of this process (row 1), shape ``(2, E_r)``.
        edge_weight: Weights of the edges that reach them, a Parameter of shape ``(E_r,)``, in their order in the whole network.
        input_weight: Input weights, a Parameter of shape ``(I, N_r)``.
        bias: Bias, a Parameter of shape ``(N_r,)``, or None.

    Raises:
        RuntimeError: If there is no process group.
        ValueError: If the network has noise, ``input_nodes``, ``output_nodes`` or ``batch_first``, or fewer neurons than there are
            processes, or a constraint that cannot be spread.
    """

    fixed_buffers = ("edge_index",)

    def __init__(self, rnn: GraphRNN, group: dist.ProcessGroup | None = None):
        super().__init__()
        if not (dist.is_available() and dist.is_initialized()):
            raise RuntimeError(
                "a partitioned network needs a process group: start the script with torchrun, and call "
                "torch.distributed.init_process_group() first."
            )
        world = dist.get_world_size(group)
        odd = [name for name in ("noise", "batch_first", "input_nodes", "output_nodes") if _is_set(getattr(rnn, name))]
        if odd or rnn.num_nodes < world:
            got = f"{', '.join(odd)} set" if odd else f"{rnn.num_nodes} neurons for {world} processes"
            raise ValueError(
                f"rnn must have at least a neuron per process, time first, no noise and no input or output nodes to be spread; got "
                f"{got}."
            )
        bounds = [rnn.num_nodes * rank // world for rank in range(world + 1)]
        self.exchange = Exchange([b - a for a, b in itertools.pairwise(bounds)], group)
        first, last = bounds[self.exchange.rank : self.exchange.rank + 2]
        self.neurons = slice(first, last)
        self.num_nodes = rnn.num_nodes
        self.nonlinearity, self.alpha, self.backend = rnn.nonlinearity, rnn.alpha, rnn.backend
        source, target = rnn.edge_index
        mine = ((target >= first) & (target < last)).nonzero().squeeze(1)
        self.register_buffer("edge_index", torch.stack([source[mine], target[mine] - first]))
        self._structure = GraphStructure.build(self.edge_index, last - first, num_sources=rnn.num_nodes)
        _share(rnn, "edge_weight", mine, self)
        _share(rnn, "input_weight", (slice(None), self.neurons), self)
        if rnn.bias is None:
            self.bias = None
        else:
            _share(rnn, "bias", self.neurons, self)

    @property
    def structure(self) -> GraphStructure:
        """The sorted edges of this process, on the device of its weights."""
        self._structure = self._structure.to(self.edge_index.device)
        return self._structure

    def forward(
        self, x: torch.Tensor, h0: torch.Tensor | None = None, *, return_sequence: bool = True
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Run all time steps.

        Args:
            x: Inputs, the same on all ranks, shape ``(T, B, I)``.
            h0: Initial state of the neurons of this rank, shape ``(1, B, N_r)``. ``None`` is zero.
            return_sequence: With ``False`` the output is the last state alone.

        Returns:
            Output of shape ``(T, B, N_r)``, or ``(B, N_r)``, and ``h_n`` of shape ``(1, B, N_r)``, of the neurons of this rank.

        Raises:
            ValueError: If the shapes do not fit.
        """
        size = self.neurons.stop - self.neurons.start
        if x.dim() != 3 or x.size(2) != self.input_weight.size(0):
            raise ValueError(f"x must have shape (T, B, {self.input_weight.size(0)}), got {tuple(x.shape)}.")
        if h0 is not None and h0.shape != (1, x.size(1), size):
            raise ValueError(f"h0 must have shape {(1, x.size(1), size)} on this rank, got {tuple(h0.shape)}.")
        if x.requires_grad:
            x = SameOnRanks.apply(x, self.exchange.group)
        drive = torch.matmul(self.input_weight.t(), x.transpose(1, 2))
        if self.bias is not None:
            drive = drive + self.bias[:, None]
        states, last = recurrent_scan(
            drive,
            self.edge_weight,
            self.structure,
            x.new_zeros(size, x.size(1)) if h0 is None else h0[0].t(),
            nonlinearity=self.nonlinearity,
            alpha=self.alpha,
            backend=_fused(choose_backend(self.backend, self.structure, x.size(1))),
            return_sequence=return_sequence,
            exchange=self.exchange,
        )
        return (states if return_sequence else last).transpose(-1, -2), last.t().unsqueeze(0)

    def extra_repr(self) -> str:
        """Say what this process holds."""
        edges = self.edge_weight.numel()
        return f"neurons {self.neurons.start} to {self.neurons.stop - 1} of {self.num_nodes:,}, {edges:,} edges"


class PartitionedClassifier(Portable):
    """A :class:`TaskClassifier` over several processes: each reads out its own neurons, and the answers add up.

    Args:
        model: The whole classifier, the same on all ranks.
        group: The process group; the default group if None.

    Attributes:
        rnn: The part of the recurrent network.
        weight: Readout weights of the neurons of this rank, shape ``(num_classes, N_r)``.
        bias: Readout bias, the same on all ranks, shape ``(num_classes,)``.

    Raises:
        ValueError: If the model has input noise or several graphs, or as :class:`PartitionedRNN`.
    """

    def __init__(self, model: TaskClassifier, group: dist.ProcessGroup | None = None):
        super().__init__()
        if model.input_noise or model.rnn.num_graphs > 1:
            raise ValueError(
                "model must have input_noise=0 and one graph to be spread, got "
                f"input_noise={model.input_noise} and {model.rnn.num_graphs} graphs; add the noise to the inputs."
            )
        self.rnn = PartitionedRNN(model.rnn, group)
        _share(model.readout, "weight", (slice(None), self.rnn.neurons), self)
        _share(model.readout, "bias", slice(None), self)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the logits of the answers, shape ``(B, num_classes)``, on every rank; inputs are ``(T, B, I)``."""
        last, _ = self.rnn(inputs, return_sequence=False)
        return SumOverRanks.apply(last @ self.weight.t(), self.rnn.exchange.group) + self.bias


def _share(whole: nn.Module, name: str, index: Index, share: nn.Module) -> None:
    """Give ``share`` some entries of a parameter of ``whole``, under the constraints that are on it there."""
    constraints = whole.parametrizations[name] if parametrize.is_parametrized(whole, name) else ()
    for constraint in constraints:
        if not hasattr(constraint, "restrict") or not hasattr(constraints, "original"):
            raise ValueError(
                f"constraints on {name} must have a method restrict(index), which returns the constraint of some entries, to be "
                f"spread over processes; got {type(constraint).__name__}."
            )
    free = constraints.original if constraints else getattr(whole, name)
    setattr(share, name, nn.Parameter(free.detach()[index].clone(), requires_grad=free.requires_grad))
    for constraint in constraints:
        parametrize.register_parametrization(share, name, constraint.restrict(index))
    if constraints:
        # To the last bit, also where the free parameter is one that gives the same weight as another.
        with torch.no_grad():
            share.parametrizations[name].original.copy_(free[index])


def _is_set(option: object) -> bool:
    return option is not None and option is not False and not (isinstance(option, float) and option == 0.0)


def _fused(backend: str) -> str:
    if backend not in ("dense", "csr"):
        raise ValueError(f"backend must be auto, dense or csr for a partitioned network, got {backend!r}.")
    return backend
