"""A recurrent network on a graph: sparse message passing in time."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn.utils import parametrize
from torch_geometric.data import Data
from torch_geometric.nn import MessagePassing

from graphcortex._checks import (
    check_choice,
    check_count,
    check_edge_index,
    check_edge_values,
    check_finite,
    check_nodes,
    check_number,
)
from graphcortex._random import as_generator
from graphcortex._typing import EdgeIndex, EdgeValues, RandomSource
from graphcortex.kernels import BACKENDS, GraphStructure, choose_backend, recurrent_scan
from graphcortex.kernels.locality import ORDER_FROM, morton_order
from graphcortex.kernels.nonlinearity import NONLINEARITIES, get_nonlinearity
from graphcortex.nn._portable import Portable
from graphcortex.nn._segments import Segment, run_in_segments


class GraphRNN(Portable, MessagePassing):
    r"""A leaky recurrent network whose recurrent weights live on the edges of a graph.

    .. math::
        h_t = (1 - \alpha) \, h_{t-1} + \alpha \, f \left( x_t W_\text{in} + W^\top h_{t-1} + b + \sigma \xi_t \right),

    where :math:`W_{ij}` is the weight of the edge from neuron :math:`i` to neuron :math:`j`, and :math:`\xi_t` is standard normal
    noise. Shapes are those of :class:`torch.nn.RNN`.

    The state of a network holds its edges. A state of other edges is refused, also where there are as many of them; where edges
    moved during training, call :meth:`set_edges` with those of the state first. A network also pickles as a whole, with its
    constraints (``torch.save(rnn, path)``, ``torch.multiprocessing.spawn``). A pickle can run any code: load one with
    ``torch.load(path, weights_only=False)`` only where you trust its source, and prefer ``rnn.state_dict()``.

    Args:
        input_size: Number of input channels I.
        edge_index: Source (row 0) and target (row 1) of each edge, shape ``(2, E)``. Repeated edges add.
        num_nodes: Number of neurons N, the hidden size.
        nonlinearity: relu, tanh, softplus or identity.
        bias: Learn a bias for each neuron.
        batch_first: Inputs and outputs are ``(B, T, ...)`` in place of ``(T, B, ...)``.
        alpha: Time step over time constant, in (0, 1]; 1 is a network without leak.
        noise: Standard deviation of the noise on the pre-activation of each neuron and step, in training mode only.
        backend: How the recurrent product runs: dense, csr, scatter, reference, or auto, which takes the faster of dense and csr.
        input_nodes: Neurons that the inputs reach, int64, shape ``(M,)``; all if None.
        output_nodes: Neurons whose states are the output, int64, shape ``(O,)``; all if None. ``h_n`` always has all.
        pos: Position of each neuron, shape ``(N, D)`` with D of 1 to 3, in any unit. It changes the speed alone: a network of some
            200,000 neurons and more keeps those that are near in space near in memory.
        checkpoint_every: Keep the states of every k-th step only and compute the others again in the backward pass: the memory
            is that of ``T / k + k`` steps in place of T, for about a third more time. 0 keeps all. The noise is the same again, and
            the generator that was given is not moved by the backward pass.

    Attributes:
        edge_weight: Weight of each edge, a Parameter of shape ``(E,)``.
        input_weight: Weights of the inputs, a Parameter of shape ``(I, N)``, or ``(I, M)`` with ``input_nodes``.
        bias: Bias of each neuron, a Parameter of shape ``(N,)``, or None.
        graph_ptr: Where each graph of a batch begins, shape ``(G + 1,)``, or None; see :meth:`from_graph`.

    Raises:
        ValueError: If an argument is out of range, or the edges do not fit ``num_nodes``.

    Example:
        >>> rnn = GraphRNN(3, torch.tensor([[0, 1], [1, 0]]), num_nodes=2)
        >>> output, h_n = rnn(torch.zeros(5, 4, 3))
        >>> output.shape, h_n.shape
        (torch.Size([5, 4, 2]), torch.Size([1, 4, 2]))
    """

    fixed_buffers = ("edge_index", "input_nodes", "output_nodes", "graph_ptr")

    def __init__(
        self,
        input_size: int,
        edge_index: EdgeIndex,
        num_nodes: int,
        *,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        alpha: float = 1.0,
        noise: float = 0.0,
        backend: str = "auto",
        input_nodes: torch.Tensor | Sequence[int] | None = None,
        output_nodes: torch.Tensor | Sequence[int] | None = None,
        checkpoint_every: int = 0,
        pos: torch.Tensor | None = None,
    ):
        super().__init__(aggr="add", node_dim=0)
        self.input_size = check_count(input_size, "input_size")
        # A copy: what the caller writes into its own tensor later must not change the network.
        edge_index = edge_index.clone() if isinstance(edge_index, torch.Tensor) else edge_index
        self._structure = GraphStructure.build(edge_index, num_nodes)
        self.num_nodes = int(num_nodes)
        self.nonlinearity = check_choice(nonlinearity, "nonlinearity", NONLINEARITIES)
        self.batch_first = bool(batch_first)
        self.alpha = check_number(alpha, "alpha", above=0, maximum=1)
        self.noise = check_number(noise, "noise", minimum=0)
        self.backend = check_choice(backend, "backend", ("auto", *BACKENDS))
        self.checkpoint_every = check_count(checkpoint_every, "checkpoint_every", minimum=0)
        device = edge_index.device
        self.register_buffer("edge_index", edge_index)
        order = self._find_order(pos)
        self.register_buffer("_order", order, persistent=False)
        # The place of each neuron in that order.
        self.register_buffer("_rank", None if order is None else torch.argsort(order), persistent=False)
        if order is not None:
            self._sort_edges()
        for name, nodes in (("input_nodes", input_nodes), ("output_nodes", output_nodes)):
            self.register_buffer(name, None if nodes is None else check_nodes(nodes, self.num_nodes, name).to(device))
        self.register_buffer("graph_ptr", None)
        num_inputs = self.num_nodes if self.input_nodes is None else self.input_nodes.numel()
        self.edge_weight = nn.Parameter(torch.empty(edge_index.size(1), device=device))
        self.input_weight = nn.Parameter(torch.empty(self.input_size, num_inputs, device=device))
        self.bias = nn.Parameter(torch.empty(self.num_nodes, device=device)) if bias else None
        self.reset_parameters(rng=0)

    @classmethod
    def from_graph(cls, input_size: int, graph: Data, **options) -> GraphRNN:
        """Make a network of a PyG graph, or one network of all graphs in a PyG ``Batch``.

        The graphs of a batch stay apart, as a disjoint union does: an ensemble of seeds or variants runs in one scan. Every member
        sees the same inputs through input weights of its own; :meth:`split` parts the states again.

        Args:
            input_size: Number of input channels I.
            graph: ``Data`` or ``Batch`` with ``edge_index`` and, where the weights shall start there, ``edge_weight``; a
                :meth:`graphcortex.data.Connectome.wiring` is one.
            **options: As the arguments of the class.

        Raises:
            ValueError: If the graph has no ``edge_index``, or an argument is out of range.

        Example:
            >>> from torch_geometric.data import Batch, Data
            >>> pair = Data(edge_index=torch.tensor([[0, 1], [1, 0]]), num_nodes=2)
            >>> rnn = GraphRNN.from_graph(1, Batch.from_data_list([pair, pair, pair]))
            >>> [tuple(states.shape) for states in rnn.split(rnn(torch.zeros(5, 4, 1))[0])]
            [(5, 4, 2), (5, 4, 2), (5, 4, 2)]
        """
        if getattr(graph, "edge_index", None) is None:
            raise ValueError(
                f"graph must be a Data or Batch with an edge_index, got {graph!r}; see Connectome.wiring()."
            )
        rnn = cls(input_size, graph.edge_index, graph.num_nodes, **{"pos": graph.get("pos"), **options})
        if graph.get("edge_weight") is not None:
            rnn.set_edge_weight(graph.edge_weight)
        if graph.get("ptr") is not None:
            rnn.register_buffer("graph_ptr", graph.ptr.to(graph.edge_index.device))
        return rnn

    @property
    def hidden_size(self) -> int:
        """Number of neurons, by the name that :class:`torch.nn.RNN` gives it."""
        return self.num_nodes

    @property
    def num_graphs(self) -> int:
        """Number of graphs that run side by side: 1, unless it was made of a ``Batch``."""
        return 1 if self.graph_ptr is None else self.graph_ptr.numel() - 1

    def _find_order(self, pos: torch.Tensor | None) -> torch.Tensor | None:
        """Return the neurons in the order in which the kernels keep them, or None for that of the caller."""
        if pos is None:
            return None
        shape = tuple(pos.shape) if isinstance(pos, torch.Tensor) else type(pos).__name__
        if not isinstance(pos, torch.Tensor) or pos.dim() != 2 or len(pos) != self.num_nodes or not 0 < shape[1] < 4:
            raise ValueError(f"pos must be a tensor of shape ({self.num_nodes}, D) with D of 1 to 3, got {shape}.")
        check_finite(pos, "pos")
        return morton_order(pos.to(self.edge_index.device)) if self.num_nodes >= ORDER_FROM else None

    def _sort_edges(self) -> None:
        edges = self.edge_index if self._order is None else self._rank[self.edge_index]
        self._structure = GraphStructure.build(edges, self.num_nodes)

    @property
    def structure(self) -> GraphStructure:
        """The sorted edges that the kernels use, on the device of the network."""
        if self._structure.edge_index.device != self.edge_index.device:
            self._structure = self._structure.to(self.edge_index.device)
        return self._structure

    def reset_parameters(self, *, rng: RandomSource) -> None:
        r"""Draw the weights anew: recurrent and input weights uniform, the bias zero.

        A recurrent weight is uniform in :math:`\pm 1 / \sqrt{k}` with k the mean in-degree, so that the network keeps its scale
        whatever its density; the input weights are Glorot uniform.

        Args:
            rng: Generator or seed.
        """
        generator = as_generator(rng, self.edge_weight.device)
        degree = self.edge_index.size(1) / self.num_nodes
        with torch.no_grad():
            bound = 1 / math.sqrt(max(1.0, degree))
            self._write_edge_weight(torch.empty_like(self.edge_weight).uniform_(-bound, bound, generator=generator))
            nn.init.xavier_uniform_(self.input_weight, generator=generator)
            if self.bias is not None:
                self.bias.zero_()

    def set_edge_weight(self, edge_weight: EdgeValues) -> None:
        """Copy weights into the network, one per edge in the order of ``edge_index``.

        Args:
            edge_weight: The weights, shape ``(E,)``; cast to the precision of the network.

        Raises:
            ValueError: If they are not one floating point value per edge.
        """
        check_edge_values(edge_weight.to(self.edge_index.device), self.edge_index)
        with torch.no_grad():
            self._write_edge_weight(edge_weight)

    @torch.inference_mode(False)
    @torch.no_grad()
    def set_edges(self, edge_index: EdgeIndex, edge_weight: EdgeValues | None = None) -> None:
        """Move the edges to other pairs of neurons. There are as many as before, so that Parameters and optimizers go on.

        Args:
            edge_index: Source (row 0) and target (row 1) of each edge, shape ``(2, E)``; copied.
            edge_weight: Weight of each edge, shape ``(E,)``; each edge keeps that of its place if None.

        Raises:
            ValueError: If there are more or fewer edges, they do not fit the neurons, or a constraint holds a value per edge that
                does not follow from the pair of neurons. Nothing has changed then.
        """
        check_edge_index(edge_index, self.num_nodes)
        edge_index = edge_index.to(self.edge_index.device, copy=True)
        if edge_index.shape != self.edge_index.shape:
            raise ValueError(
                f"edge_index must have as many edges as the network, {self.edge_index.size(1)}, got {edge_index.size(1)}; make a "
                "new network for another number."
            )
        if edge_weight is not None:
            check_edge_values(edge_weight.to(edge_index.device), edge_index)
        constraints = self.parametrizations["edge_weight"] if parametrize.is_parametrized(self, "edge_weight") else ()
        for constraint in constraints:
            if not hasattr(constraint, "follow_edges") and any(b.dim() for b in constraint.buffers()):
                raise ValueError(
                    f"edges must not move under a constraint that holds a value for each of them, got {type(constraint).__name__}."
                )
        for constraint in constraints:
            if hasattr(constraint, "follow_edges"):
                constraint.follow_edges(edge_index)
        # Another tensor: who holds the one before still has the edges that were there.
        self.edge_index = edge_index
        self._sort_edges()
        if edge_weight is not None:
            self._write_edge_weight(edge_weight)

    def _write_edge_weight(self, edge_weight: EdgeValues) -> None:
        if parametrize.is_parametrized(self, "edge_weight"):
            # The attribute is computed anew at each access: a copy into it would be lost. Assigned, it is inverted.
            self.edge_weight = edge_weight.to(self.edge_weight)
        else:
            self.edge_weight.copy_(edge_weight)

    def message(self, h_j: torch.Tensor, edge_weight: torch.Tensor) -> torch.Tensor:
        """Weigh what the source of each edge sends, shape ``(E, B)``."""
        return edge_weight.view(-1, 1) * h_j

    def step(self, x: torch.Tensor, h: torch.Tensor, *, rng: RandomSource | None = None) -> torch.Tensor:
        """Advance the network by one step, as one round of message passing: what PyG's hooks and explainers act on.

        Args:
            x: Input, shape ``(B, I)``.
            h: State, shape ``(B, N)``.
            rng: Generator or seed of the noise; needed in training mode where ``noise > 0``.

        Returns:
            The next state, shape ``(B, N)``.
        """
        drive = self._drive(x.unsqueeze(0), self.input_weight, self.bias, self._generator(rng, x))[0]
        received = self.propagate(self.edge_index, h=h.t(), edge_weight=self.edge_weight, size=None)
        active = get_nonlinearity(self.nonlinearity).forward(drive + received).t()
        return active if self.alpha == 1.0 else (1 - self.alpha) * h + self.alpha * active

    def _generator(self, rng: RandomSource | None, x: torch.Tensor) -> torch.Generator | None:
        """Return the generator of the noise, or None where there is none."""
        if not self.training or self.noise == 0:
            return None
        if rng is None:
            raise ValueError(f"rng must be a torch.Generator or a seed in training mode, since noise is {self.noise}.")
        return as_generator(rng, x.device)

    def _drive(
        self,
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        generator: torch.Generator | None,
        order: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return what reaches each neuron from outside, shape ``(T, N, B)``, for inputs of shape ``(T, B, I)``.

        Neurons stand in ``order``, where one is given.
        """
        num_steps, num_trials, _ = x.shape
        places = self.input_nodes
        if order is not None:
            bias = None if bias is None else bias.index_select(0, order)
            if places is None:
                weight = weight.index_select(1, order)
            else:
                places = self._rank[places]
        # A product per step: a single one of all steps would put trials first, and be copied.
        weight, trials_last = weight.t().expand(num_steps, -1, -1), x.transpose(1, 2)
        if places is None and bias is not None:
            drive = torch.baddbmm(bias[None, :, None], weight, trials_last)
        else:
            drive = torch.bmm(weight, trials_last)
            if places is not None:
                everywhere = drive.new_zeros(num_steps, self.num_nodes, num_trials)
                drive = everywhere.index_copy(1, places, drive)
            if bias is not None:
                drive.add_(bias[:, None])
        if generator is not None:
            # Step by step, so that the numbers are the same however the steps are cut.
            shape = (self.num_nodes, num_trials)
            options = {"generator": generator, "device": x.device, "dtype": drive.dtype}
            for step in drive.detach():
                noise = torch.randn(shape, **options)
                step.add_(noise if order is None else noise[order], alpha=self.noise)
        return drive

    def _runner(self, num_trials: int, return_sequence: bool) -> tuple[Segment, list[torch.Tensor]]:
        """Return what runs some steps of the network as it is now, and the weights that it reads.

        It takes inputs of shape ``(T, B, I)``, a state, neurons first, and the generator of the noise. It returns the output, or
        None without ``return_sequence``, and the last state.
        """
        # Read once: a constraint computes its tensor at each access, and may have changed when a segment runs again.
        edge_weight, input_weight, bias = self.edge_weight, self.input_weight, self.bias
        order, rank, structure = self._order, self._rank, self.structure
        backend = choose_backend(self.backend, structure, num_trials)

        def run(x: torch.Tensor, h: torch.Tensor, generator: torch.Generator | None):
            states, last = recurrent_scan(
                self._drive(x, input_weight, bias, generator, order),
                edge_weight,
                structure,
                h if order is None else h.index_select(0, order),
                nonlinearity=self.nonlinearity,
                alpha=self.alpha,
                backend=backend,
                return_sequence=return_sequence,
                reuse_drive=True,  # nothing that _drive ends with needs its result in a backward pass
            )
            if order is not None:
                states = None if states is None else states.index_select(1, rank)
                last = last.index_select(0, rank)
            return None if states is None else self._of_output_nodes(states), last

        return run, [weight for weight in (edge_weight, input_weight, bias) if weight is not None]

    def _of_output_nodes(self, states: torch.Tensor) -> torch.Tensor:
        return states if self.output_nodes is None else states.index_select(-2, self.output_nodes)

    # The loop over steps is written by hand already; traced by torch.compile, it would be unrolled and gain nothing.
    @torch.compiler.disable
    def forward(
        self,
        x: torch.Tensor,
        h0: torch.Tensor | None = None,
        *,
        return_sequence: bool = True,
        rng: RandomSource | None = None,
        check: bool = False,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Run all time steps.

        Args:
            x: Inputs, shape ``(T, B, I)``, or ``(B, T, I)`` with ``batch_first``, or ``(T, I)`` without a batch.
            h0: Initial state, shape ``(1, B, N)``, or ``(1, N)`` without a batch. ``None`` is zero.
            return_sequence: With ``False`` the output is the last state alone, and the others are not copied.
            rng: Generator or seed of the noise; needed in training mode where ``noise > 0``.
            check: Look for NaN and infinity in ``x`` and ``h0`` first, which takes a pass over them.

        Returns:
            The output, the states of all steps of shape ``(T, B, N)`` (``(B, T, N)`` with ``batch_first``, ``(T, N)`` without a
            batch), or with ``return_sequence=False`` the last state of shape ``(B, N)`` (``(N,)``); of ``output_nodes`` alone
            where they are given. And ``h_n``, the last state of all neurons, shape ``(1, B, N)`` (``(1, N)``). Neurons come
            last, but they are next to each other in memory only after ``.contiguous()``.

        Raises:
            ValueError: If the shapes, the precision or the device do not fit the network, or ``check`` finds a NaN.
        """
        batched = x.dim() == 3
        if x.dim() not in (2, 3) or x.size(-1) != self.input_size:
            raise ValueError(
                f"x must have shape {'(B, T, I)' if self.batch_first else '(T, B, I)'} or (T, I) with I = {self.input_size}, "
                f"got {tuple(x.shape)}."
            )
        device = self.input_weight.device.type
        if torch.is_autocast_enabled(device):
            # States that feed back on themselves stay in the precision of their weights.
            with torch.autocast(device, enabled=False):
                x, h0 = (None if v is None else v.to(self.input_weight.dtype) for v in (x, h0))
                return self.forward(x, h0, return_sequence=return_sequence, rng=rng, check=check)
        x = self._fit(x, "x", check)
        if not batched:
            x = x.unsqueeze(1)
        elif self.batch_first:
            x = x.transpose(0, 1)
        shape = (1, x.size(1), self.num_nodes)
        if h0 is None:
            h = x.new_zeros(self.num_nodes, x.size(1))
        else:
            h = h0 if batched else h0.unsqueeze(1)
            if h.shape != shape:
                expected = shape if batched else (1, self.num_nodes)
                raise ValueError(f"h0 must have shape {expected}, got {tuple(h0.shape)}.")
            h = self._fit(h[0], "h0", check).t()
        generator = self._generator(rng, x)
        run, weights = self._runner(x.size(1), return_sequence)
        if 0 < self.checkpoint_every < x.size(0) and torch.is_grad_enabled():
            states, last = run_in_segments(run, x, h, generator, self.checkpoint_every, weights)
        else:
            states, last = run(x, h, generator)
        output = (states if return_sequence else self._of_output_nodes(last)).transpose(-1, -2)
        h_n = last.t().unsqueeze(0)
        if not batched:
            output, h_n = output.squeeze(-2), h_n.squeeze(1)
        elif self.batch_first and return_sequence:
            output = output.transpose(0, 1)
        return output, h_n

    def _fit(self, values: torch.Tensor, name: str, check: bool) -> torch.Tensor:
        """Check what comes in against the network's precision and device."""
        weight = self.input_weight
        if values.device != weight.device:
            raise ValueError(f"{name} must be on the device of the network, {weight.device}; got {values.device}.")
        if values.dtype != weight.dtype:
            raise ValueError(
                f"{name} must have the precision of the network, {weight.dtype}; got {values.dtype}. Convert one of them, as with "
                f"{name}.to({weight.dtype}) or rnn.to({values.dtype})."
            )
        if check:
            check_finite(values, name)
        return values

    def split(self, states: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Part states by the graphs of the batch that the network was made of.

        Args:
            states: States of all neurons, shape ``(..., N)``.

        Returns:
            One tensor of shape ``(..., N_g)`` per graph; views.

        Raises:
            ValueError: If the last dimension is not that of all neurons.
        """
        if states.size(-1) != self.num_nodes:
            raise ValueError(f"states must end with all {self.num_nodes} neurons, got shape {tuple(states.shape)}.")
        return (states,) if self.graph_ptr is None else states.split(self.graph_ptr.diff().tolist(), -1)

    def __repr__(self) -> str:
        density = 100 * self._structure.density
        parts = [f"{self.input_size}", f"{self.num_nodes:,} neurons"]
        if self.num_graphs > 1:
            parts[-1] += f" in {self.num_graphs} graphs"
        parts.append(f"{self.edge_index.size(1):,} edges ({density:.3g} %)")
        parts += [
            f"{nodes.numel():,} {name}"
            for name, nodes in (("input neurons", self.input_nodes), ("output neurons", self.output_nodes))
            if nodes is not None
        ]
        parts += [f"nonlinearity={self.nonlinearity!r}", f"alpha={self.alpha:g}", f"backend={self.backend!r}"]
        if self.noise:
            parts.append(f"noise={self.noise:g}")
        if self.checkpoint_every:
            parts.append(f"checkpoint_every={self.checkpoint_every}")
        return f"{type(self).__name__}({', '.join(parts)})"
