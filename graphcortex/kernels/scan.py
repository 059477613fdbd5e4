"""All time steps of a recurrent network in one differentiable call."""

from __future__ import annotations

import torch

from graphcortex._typing import EdgeValues
from graphcortex.kernels.backends import (
    CsrProduct,
    DenseProduct,
    StackedProduct,
    reference_propagate,
    scatter_propagate,
)
from graphcortex.kernels.exchange import Exchange
from graphcortex.kernels.nonlinearity import Nonlinearity, get_nonlinearity
from graphcortex.kernels.once import once
from graphcortex.kernels.structure import GraphStructure

_FUSED = {"dense": DenseProduct, "csr": CsrProduct, "stacked": StackedProduct}
_PLAIN = {"reference": reference_propagate, "scatter": scatter_propagate}


def recurrent_scan(
    drive: torch.Tensor,
    edge_weight: EdgeValues,
    structure: GraphStructure | None,
    h0: torch.Tensor,
    *,
    nonlinearity: str = "relu",
    alpha: float = 1.0,
    backend: str = "dense",
    return_sequence: bool = True,
    exchange: Exchange | None = None,
    reuse_drive: bool = False,
) -> tuple[torch.Tensor | None, torch.Tensor]:
    r"""Run a leaky recurrent network over all steps, neurons first.

    .. math::
        h_t = (1 - \alpha) \, h_{t-1} + \alpha \, f \left( d_t + W^\top h_{t-1} \right)

    Args:
        drive: What reaches each neuron from outside, input, bias and noise together, shape ``(T, N, B)``.
        edge_weight: Weight of each edge in the order of ``structure.edge_index``, shape ``(E,)``.
        structure: The graph.
        h0: Initial state, shape ``(N, B)``.
        nonlinearity: relu, tanh, softplus or identity.
        alpha: Leak, the step over the time constant, in (0, 1].
        backend: dense, csr, scatter or reference; or ``"stacked"``, which runs G networks of N neurons side by side: ``drive`` is
            ``(T, G, N, B)``, ``h0`` ``(G, N, B)``, ``edge_weight`` holds the matrices ``W[source, target]`` of all,
            ``(G, N, N)``, and ``structure`` is None.
        return_sequence: Return the states of all steps too, and not only the last.
        exchange: How states reach the neurons of other processes, where the graph is spread over several.
        reuse_drive: The states may be written into the memory of ``drive``, which nobody may need afterwards: not the
            caller, and not the operation that made it in its backward pass.

    Returns:
        The states, shape ``(T, N, B)``, or None; and the last state, shape ``(N, B)``, which is ``h0`` where T = 0.
    """
    if drive.size(0) == 0:
        return (drive.new_empty(drive.shape) if return_sequence else None), h0
    if backend in _FUSED:
        keep = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in (drive, edge_weight, h0))
        options = (structure, nonlinearity, alpha, backend, return_sequence, exchange, keep, reuse_drive)
        return _FusedScan.apply(drive, edge_weight, h0, *options)
    f = get_nonlinearity(nonlinearity).forward
    h, states = h0, []
    for d in drive:
        active = f(d + _PLAIN[backend](structure, edge_weight, h))
        # Without a leak the last state is gone, also one that is infinite or NaN, which 0 times it would keep.
        h = active if alpha == 1.0 else (1 - alpha) * h + alpha * active
        if return_sequence:
            states.append(h)
    return (torch.stack(states) if return_sequence else None), h


class _FusedScan(torch.autograd.Function):
    """The scan with its own backward: each state is written once, and the edge gradient is one product over all steps."""

    @staticmethod
    def forward(
        ctx, drive, edge_weight, h0, structure, nonlinearity, alpha, backend, return_sequence, exchange, keep, reuse
    ):
        f = get_nonlinearity(nonlinearity)
        product = _FUSED[backend](structure, edge_weight)
        h = h0.contiguous()
        active, states = [], [h]
        for d in drive.detach() if reuse else drive.clone():
            seen = h if exchange is None else exchange.gather(h)
            now = f.forward_(product.add_propagated(d, seen))
            h = now if alpha == 1.0 else torch.lerp(h, now, alpha)
            if keep:
                active.append(now)
            if keep or return_sequence:
                states.append(h)
        if keep:
            ctx.num_steps = len(active)
            # Without a leak the states but the first are what was active.
            ctx.save_for_backward(edge_weight, *active, *(states[:-1] if alpha != 1.0 else states[:1]))
        ctx.structure, ctx.f, ctx.alpha, ctx.backend = structure, f, alpha, backend
        ctx.exchange = exchange
        ctx.set_materialize_grads(False)  # no zeros are made and added T times where only the last state is used
        # A caller may change what it is given in place; what backward needs must not change with it.
        return (torch.stack(states[1:]) if return_sequence else None), h.clone()

    @staticmethod
    def backward(ctx, grad_states, grad_last):
        if grad_states is None and grad_last is None:
            return (None,) * 11
        edge_weight, *kept = ctx.saved_tensors
        active = kept[: ctx.num_steps]
        before = kept[ctx.num_steps :] if ctx.alpha != 1.0 else [kept[-1], *active[:-1]]
        with torch.no_grad():
            gradients = _scan_backward(ctx, grad_states, grad_last, edge_weight, active, before)
        gradients = once(
            *gradients,
            what="a network with the dense or csr backend",
            instead="run it under graphcortex.use_backend('reference') for second derivatives",
        )
        return (*gradients, *(None,) * 8)


def _scan_backward(ctx, grad_states, grad_last, edge_weight, active, before):
    """Walk the steps backward; return the gradients of the drive, the weights and the initial state.

    ``active`` holds f(pre-activation) of every step, and ``before`` the state that each step began with.
    """
    f: Nonlinearity = ctx.f
    alpha, exchange = ctx.alpha, ctx.exchange
    product = _FUSED[ctx.backend](ctx.structure, edge_weight)
    num_steps = len(active)
    delta = active[0].new_empty(num_steps, *active[0].shape)  # gradient at the pre-activation of every step
    # A gradient that vanishes over the steps passes through the subnormal numbers, on which a CPU is some ten times slower. What
    # is below this bound has no digit left in a product, so it is zero.
    vanished = torch.finfo(delta.dtype).tiny / torch.finfo(delta.dtype).eps
    if grad_states is None:
        grad = grad_last.contiguous()
    else:
        grad = (grad_states[-1] if grad_last is None else grad_states[-1] + grad_last).contiguous()
    for t in range(num_steps - 1, -1, -1):
        grad_step = f.backward(grad if alpha == 1.0 else alpha * grad, active[t])
        torch.hardshrink(grad_step, vanished, out=delta[t])
        if t == 0 and not ctx.needs_input_grad[2]:
            break
        sent = product.propagate_back(delta[t])
        if exchange is not None:
            sent = exchange.reduce(sent)
        if alpha != 1.0:
            sent.add_(grad, alpha=1 - alpha)
        if grad_states is not None and t > 0:
            sent.add_(grad_states[t - 1])
        grad = sent
    grad_weight = None
    if ctx.needs_input_grad[1]:
        # A network that starts from rest gets nothing from its first step.
        first = 0 if exchange is not None or bool(before[0].any()) else 1
        seen = before[first:] if exchange is None else exchange.gather_steps(before)
        grad_weight = product.edge_gradient(seen, delta[first:]).to(edge_weight.dtype)
    return delta, grad_weight, grad if ctx.needs_input_grad[2] else None
