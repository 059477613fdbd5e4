"""All time steps of a recurrent network in one differentiable call."""

from __future__ import annotations

import torch

from graphcortex._typing import EdgeValues
from graphcortex.kernels.backends import (
    CsrProduct,
    DenseProduct,
    StackedProduct,
    reference_back,
    reference_edge_gradient,
    reference_propagate,
    scatter_propagate,
)
from graphcortex.kernels.exchange import Exchange, once_over_processes
from graphcortex.kernels.nonlinearity import Nonlinearity, get_nonlinearity
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
        The states, shape ``(T, N, B)``, or None; and the last state, shape ``(N, B)``, which is a copy of ``h0`` where T = 0.
    """
    if drive.size(0) == 0:
        return (drive.new_empty(drive.shape) if return_sequence else None), h0.clone()
    if backend in _FUSED:
        keep = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in (drive, edge_weight, h0))
        options = (structure, nonlinearity, alpha, backend, return_sequence, exchange, keep, reuse_drive)
        states, last, _ = _FusedScan.apply(drive, edge_weight, h0.contiguous(), *options)
        return states, last
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
    """The scan with its own backward: each state is written once, and the edge gradient is one product over all steps.

    The outputs of the nonlinearity at all steps are an output too, although no caller gets them: saved as an output, they lead a
    derivative of the gradient back through this function.
    """

    @staticmethod
    def forward(
        ctx, drive, edge_weight, h0, structure, nonlinearity, alpha, backend, return_sequence, exchange, keep, reuse
    ):
        f = get_nonlinearity(nonlinearity)
        product = _FUSED[backend](structure, edge_weight)
        active = drive.detach() if reuse else drive.clone()
        h, states = h0, [h0]
        for d in active:
            seen = h if exchange is None else exchange.gather(h)
            now = f.forward_(product.add_propagated(d, seen))
            h = now if alpha == 1.0 else torch.lerp(h, now, alpha)
            if keep or return_sequence:
                states.append(h)
        if keep:
            # Without a leak the states but the first are what was active.
            ctx.save_for_backward(edge_weight, h0, active, *(states[1:-1] if alpha != 1.0 else ()))
        ctx.structure, ctx.f, ctx.alpha, ctx.backend = structure, f, alpha, backend
        ctx.exchange = exchange
        ctx.set_materialize_grads(False)  # no zeros are made and added T times where only the last state is used
        # A caller may change what it is given in place; what backward needs must not change with it.
        return (torch.stack(states[1:]) if return_sequence else None), h.clone(), (active if keep else None)

    @staticmethod
    def backward(ctx, grad_states, grad_last, grad_active):
        if grad_states is None and grad_last is None and grad_active is None:
            return (None,) * 11
        edge_weight, h0, active, *before = ctx.saved_tensors
        upstream = (grad_states, grad_last, grad_active)
        if torch.is_grad_enabled() and ctx.exchange is None:
            return (*_differentiable_backward(ctx, upstream, edge_weight, h0, active), *(None,) * 8)
        with torch.no_grad():
            steps = active.unbind(0)
            before = [h0, *(before if ctx.alpha != 1.0 else steps[:-1])]
            gradients = _scan_backward(ctx, upstream, edge_weight, steps, before)
        return *once_over_processes(*gradients, of=(edge_weight, h0, active, *upstream)), *(None,) * 8


def _scan_backward(ctx, upstream, edge_weight, active, before):
    """Walk the steps backward; return the gradients of the drive, the weights and the initial state.

    ``active`` holds f(pre-activation) of every step, and ``before`` the state that each step began with; ``upstream`` holds the
    gradients at the states, at the last state and at what was active, or None.
    """
    f: Nonlinearity = ctx.f
    alpha, exchange = ctx.alpha, ctx.exchange
    grad_states, _, grad_active = upstream
    product = _FUSED[ctx.backend](ctx.structure, edge_weight)
    num_steps = len(active)
    delta = active[0].new_empty(num_steps, *active[0].shape)  # gradient at the pre-activation of every step
    vanished = _vanished(upstream)
    grad = _last_gradient(upstream, active[-1])
    for t in range(num_steps - 1, -1, -1):
        grad_step = grad if alpha == 1.0 else alpha * grad
        if grad_active is not None:
            grad_step = grad_step + grad_active[t]
        torch.hardshrink(f.backward(grad_step, active[t]), vanished, out=delta[t])
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


def _vanished(upstream) -> float:
    """Return the size below which a gradient is set to zero.

    A gradient that vanishes over the steps passes through the subnormal numbers, on which a CPU is some ten times slower. What is
    below this bound has no digit left in a product. Half precision is computed in float32, whose bound is below all that it holds;
    where all gradients are small, as those of a scaled loss, the bound is small beside the largest.
    """
    grad_states, grad_last, grad_active = upstream
    steps = [] if grad_last is None else [grad_last]
    for gradients in (grad_states, grad_active):
        steps += [] if gradients is None else gradients.unbind(0)[::-1]
    kind = torch.finfo(torch.promote_types(steps[0].dtype, torch.float32))
    bound, largest = kind.tiny / kind.eps, 0.0
    for gradient in steps:  # as a rule the first is enough
        if gradient.numel():
            largest = max(largest, *(abs(float(end)) for end in gradient.aminmax()))
        if largest * kind.eps >= bound:
            return bound
    return largest * kind.eps


def _last_gradient(upstream, like: torch.Tensor) -> torch.Tensor:
    """Return the gradient at the state after the last step, of the shape of ``like``."""
    grad_states, grad_last, _ = upstream
    if grad_states is None:
        return torch.zeros_like(like) if grad_last is None else grad_last.contiguous()
    return (grad_states[-1] if grad_last is None else grad_states[-1] + grad_last).contiguous()


def _differentiable_backward(ctx, upstream, edge_weight, h0, active):
    """Do what :func:`_scan_backward` does in operations that autograd records, for derivatives of the gradient."""
    alpha, stacked = ctx.alpha, ctx.backend == "stacked"
    grad_states, _, grad_active = upstream
    before = [h0]
    for now in active[:-1]:
        before.append(now if alpha == 1.0 else torch.lerp(before[-1], now, alpha))
    grad = _last_gradient(upstream, h0)
    delta = []
    for t in range(len(active) - 1, -1, -1):
        grad_step = grad if alpha == 1.0 else alpha * grad
        delta.append(ctx.f.backward(grad_step if grad_active is None else grad_step + grad_active[t], active[t]))
        sent = edge_weight @ delta[-1] if stacked else reference_back(ctx.structure, edge_weight, delta[-1])
        if alpha != 1.0:
            sent = sent + (1 - alpha) * grad
        grad = sent if grad_states is None or t == 0 else sent + grad_states[t - 1]
    delta.reverse()
    wide = torch.promote_types(edge_weight.dtype, torch.float32)
    grad_weight = 0
    for h, d in zip(before, delta, strict=True):
        h, d = h.to(wide), d.to(wide)
        grad_weight = grad_weight + (h @ d.mT if stacked else reference_edge_gradient(ctx.structure, h, d))
    return torch.stack(delta), grad_weight.to(edge_weight.dtype), grad
