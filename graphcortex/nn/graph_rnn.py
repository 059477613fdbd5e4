"""A recurrent network on a graph: sparse message passing in time."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn.utils import parametrize
from torch_geometric.nn import MessagePassing

from graphcortex._checks import check_choice, check_count, check_edge_values, check_number
from graphcortex._random import as_generator
from graphcortex._typing import EdgeIndex, EdgeValues, RandomSource
from graphcortex.kernels import BACKENDS, GraphStructure, choose_backend, recurrent_scan
from graphcortex.kernels.nonlinearity import get_nonlinearity


class GraphRNN(MessagePassing):
    r"""A leaky recurrent network whose recurrent weights live on the edges of a graph.

    .. math::
        h_t = (1 - \alpha) \, h_{t-1} + \alpha \, f \left( x_t W_\text{in} + W^\top h_{t-1} + b + \sigma \xi_t \right),

    where :math:`W_{ij}` is the weight of the edge from neuron :math:`i` to neuron :math:`j`, and :math:`\xi_t` is standard normal
    noise. Shapes are those of :class:`torch.nn.RNN`.

    Args:
        input_size: Number of input channels I.
        edge_index: Source (row 0) and target (row 1) of each edge, shape ``(2, E)``. Repeated edges add.
        num_nodes: Number of neurons N, the hidden size.
        nonlinearity: relu, tanh, softplus or identity.
        bias: Learn a bias for each neuron.
        batch_first: Inputs and outputs are ``(B, T, ...)`` in place of ``(T, B, ...)``.
        alpha: Time step over time constant, in (0, 1]; 1 is a network without leak.
        noise: Standard deviation of the noise on the pre-activation of each neuron and step, in training mode only.
        backend: How the recurrent product runs: dense, csr, scatter, reference, or auto, which goes by the density of the graph.

    Attributes:
        edge_weight: Weight of each edge, a Parameter of shape ``(E,)``.
        input_weight: Weights of the inputs, a Parameter of shape ``(I, N)``.
        bias: Bias of each neuron, a Parameter of shape ``(N,)``, or None.

    Raises:
        ValueError: If an argument is out of range, or the edges do not fit ``num_nodes``.

    Example:
        >>> rnn = GraphRNN(3, torch.tensor([[0, 1], [1, 0]]), num_nodes=2)
        >>> output, h_n = rnn(torch.zeros(5, 4, 3))
        >>> output.shape, h_n.shape
        (torch.Size([5, 4, 2]), torch.Size([1, 4, 2]))
    """

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
    ):
        super().__init__(aggr="add", node_dim=0)
        self.input_size = check_count(input_size, "input_size")
        # A copy: loading a state writes into the buffer, and the caller's tensor is not ours to change.
        self._structure = GraphStructure.build(edge_index.clone(), num_nodes)
        self.num_nodes = int(num_nodes)
        self.activation = get_nonlinearity(nonlinearity)
        self.nonlinearity = nonlinearity
        self.batch_first = bool(batch_first)
        self.alpha = check_number(alpha, "alpha", above=0, maximum=1)
        self.noise = check_number(noise, "noise", minimum=0)
        self.backend = check_choice(backend, "backend", ("auto", *BACKENDS))
        self.register_buffer("edge_index", self._structure.edge_index, persistent=True)
        self.edge_weight = nn.Parameter(torch.empty(edge_index.size(1), device=edge_index.device))
        self.input_weight = nn.Parameter(torch.empty(self.input_size, self.num_nodes, device=edge_index.device))
        self.bias = nn.Parameter(torch.empty(self.num_nodes, device=edge_index.device)) if bias else None
        self.reset_parameters(rng=0)

    @property
    def hidden_size(self) -> int:
        """Number of neurons, by the name that :class:`torch.nn.RNN` gives it."""
        return self.num_nodes

    @property
    def structure(self) -> GraphStructure:
        """The sorted edges that the kernels use, on the device of the network."""
        if self._structure.edge_index.device != self.edge_index.device:
            self._structure = self._structure.to(self.edge_index.device)
        return self._structure

    def _load_from_state_dict(self, *args) -> None:
        """Load the state, and sort the edges that came with it."""
        super()._load_from_state_dict(*args)
        self._structure = GraphStructure.build(self.edge_index, self.num_nodes)

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
        """Advance the network by one step, as one round of message passing.

        Args:
            x: Input, shape ``(B, I)``.
            h: State, shape ``(B, N)``.
            rng: Generator or seed of the noise; needed in training mode where ``noise > 0``.

        Returns:
            The next state, shape ``(B, N)``.
        """
        drive = self._drive(x, rng)
        received = self.propagate(self.edge_index, h=h.t(), edge_weight=self.edge_weight, size=None).t()
        active = self.activation.forward(drive + received)
        return active if self.alpha == 1.0 else (1 - self.alpha) * h + self.alpha * active

    def _drive(self, x: torch.Tensor, rng: RandomSource | None) -> torch.Tensor:
        flat = x.reshape(-1, self.input_size)
        drive = flat @ self.input_weight if self.bias is None else torch.addmm(self.bias, flat, self.input_weight)
        drive = drive.view(*x.shape[:-1], self.num_nodes)
        if self.training and self.noise > 0:
            if rng is None:
                raise ValueError(
                    f"rng must be a torch.Generator or a seed in training mode, since noise is {self.noise}."
                )
            generator = as_generator(rng, drive.device)
            drive = drive + self.noise * torch.randn(
                drive.shape, generator=generator, device=drive.device, dtype=drive.dtype
            )
        return drive

    def forward(
        self,
        x: torch.Tensor,
        h0: torch.Tensor | None = None,
        *,
        return_sequence: bool = True,
        rng: RandomSource | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Run all time steps.

        Args:
            x: Inputs, shape ``(T, B, I)``, or ``(B, T, I)`` with ``batch_first``, or ``(T, I)`` without a batch.
            h0: Initial state, shape ``(1, B, N)``, or ``(1, N)`` without a batch. ``None`` is zero.
            return_sequence: With ``False`` the output is the last state alone, and the others are not copied.
            rng: Generator or seed of the noise; needed in training mode where ``noise > 0``.

        Returns:
            The output, the states of all steps of shape ``(T, B, N)`` (``(B, T, N)`` with ``batch_first``, ``(T, N)`` without a
            batch), or with ``return_sequence=False`` the last state of shape ``(B, N)`` (``(N,)``); and ``h_n``, the last state of
            shape ``(1, B, N)`` (``(1, N)``).

        Raises:
            ValueError: If the shapes do not fit the network.
        """
        batched = x.dim() == 3
        if x.dim() not in (2, 3) or x.size(-1) != self.input_size:
            raise ValueError(
                f"x must have shape {'(B, T, I)' if self.batch_first else '(T, B, I)'} or (T, I) with I = {self.input_size}, "
                f"got {tuple(x.shape)}."
            )
        if not batched:
            x = x.unsqueeze(1)
        elif self.batch_first:
            x = x.transpose(0, 1)
        shape = (1, x.size(1), self.num_nodes)
        if h0 is None:
            h = x.new_zeros(shape[1:], dtype=self.edge_weight.dtype)
        else:
            h = h0 if batched else h0.unsqueeze(1)
            if h.shape != shape:
                expected = shape if batched else (1, self.num_nodes)
                raise ValueError(f"h0 must have shape {expected}, got {tuple(h0.shape)}.")
            h = h[0]
        states = recurrent_scan(
            self._drive(x, rng),
            self.edge_weight,
            self.structure,
            h,
            nonlinearity=self.nonlinearity,
            alpha=self.alpha,
            backend=choose_backend(self.backend, self.structure),
            return_sequence=return_sequence,
        )
        last = h if x.size(0) == 0 else (states[-1] if return_sequence else states)
        if not return_sequence:
            states = last
        elif self.batch_first and batched:
            states = states.transpose(0, 1)
        h_n = last.unsqueeze(0)
        if not batched:
            states = states.squeeze(1) if return_sequence else states.squeeze(0)
            h_n = h_n.squeeze(1)
        return states, h_n

    def __repr__(self) -> str:
        density = 100 * self._structure.density
        return (
            f"{type(self).__name__}({self.input_size}, {self.num_nodes} neurons, {self.edge_index.size(1):,} edges "
            f"({density:.3g} %), nonlinearity={self.nonlinearity!r}, alpha={self.alpha:g}, backend={self.backend!r})"
        )
