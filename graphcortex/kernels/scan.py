"""All time steps of a recurrent network in one differentiable call."""

from __future__ import annotations

import torch

from graphcortex._typing import EdgeValues
from graphcortex.kernels.backends import CsrProduct, DenseProduct, reference_propagate, scatter_propagate
from graphcortex.kernels.nonlinearity import Nonlinearity, get_nonlinearity
from graphcortex.kernels.structure import GraphStructure

_FUSED = {"dense": DenseProduct, "csr": CsrProduct}
_PLAIN = {"reference": reference_propagate, "scatter": scatter_propagate}


def recurrent_scan(
    drive: torch.Tensor,
    edge_weight: EdgeValues,
    structure: GraphStructure,
    h0: torch.Tensor,
    *,
    nonlinearity: str = "relu",
    alpha: float = 1.0,
    backend: str = "dense",
    return_sequence: bool = True,
) -> torch.Tensor:
    r"""Run a leaky recurrent network over all steps.

    .. math::
        h_t = (1 - \alpha) \, h_{t-1} + \alpha \, f \left( d_t + W^\top h_{t-1} \right)

    Args:
        drive: What reaches each neuron from outside, input, bias and noise together, shape ``(T, B, N)``.
        edge_weight: Weight of each edge in the order of ``structure.edge_index``, shape ``(E,)``.
        structure: The graph.
        h0: Initial state, shape ``(B, N)``.
        nonlinearity: relu, tanh, softplus or identity.
        alpha: Leak, the step over the time constant, in (0, 1].
        backend: dense, csr, scatter or reference.
        return_sequence: Return the states of all steps, or only the last.

    Returns:
        The states, shape ``(T, B, N)``, or the last state, shape ``(B, N)``; ``h0`` where T = 0.
    """
    if drive.size(0) == 0:
        return drive.new_empty(drive.shape) if return_sequence else h0
    if backend in _FUSED:
        return _FusedScan.apply(drive, edge_weight, h0, structure, nonlinearity, alpha, backend, return_sequence)
    f = get_nonlinearity(nonlinearity).forward
    h, states = h0, []
    for d in drive:
        active = f(d + _PLAIN[backend](structure, edge_weight, h))
        # Without a leak the last state is gone, also one that is infinite or NaN, which 0 times it would keep.
        h = active if alpha == 1.0 else (1 - alpha) * h + alpha * active
        if return_sequence:
            states.append(h)
    return torch.stack(states) if return_sequence else h


class _FusedScan(torch.autograd.Function):
    """The scan with its own backward: the states are written once, and the edge gradient is one product over all steps."""

    @staticmethod
    def forward(ctx, drive, edge_weight, h0, structure, nonlinearity, alpha, backend, return_sequence):
        f = get_nonlinearity(nonlinearity)
        product = _FUSED[backend](structure, edge_weight)
        num_steps = drive.size(0)
        active = torch.empty_like(drive)  # f(pre-activation) of every step
        states = active if alpha == 1.0 else torch.empty_like(drive)
        h = h0
        for t in range(num_steps):
            f.forward_(product.propagate_add(drive[t], h, out=active[t]))
            if alpha != 1.0:
                torch.lerp(h, active[t], alpha, out=states[t])
            h = states[t]
        ctx.save_for_backward(edge_weight, h0, active, states)
        ctx.structure, ctx.f, ctx.alpha, ctx.backend = structure, f, alpha, backend
        ctx.return_sequence = return_sequence
        # A caller may change what it is given in place; what backward needs must not change with it.
        return states.clone() if return_sequence else states[-1].clone()

    @staticmethod
    def backward(ctx, grad_output):
        edge_weight, h0, active, states = ctx.saved_tensors
        with torch.no_grad():
            gradients = _scan_backward(ctx, grad_output, edge_weight, h0, active, states)
        if torch.is_grad_enabled():
            # torch's once_differentiable would let these pass as constants wherever grad_output is one, as that of a sum is.
            anchor = torch.empty(0, requires_grad=True, device=active.device)
            gradients = tuple(g if g is None else _DifferentiableOnce.apply(anchor, g) for g in gradients)
        return *gradients, None, None, None, None, None


class _DifferentiableOnce(torch.autograd.Function):
    """Pass a gradient on, and refuse to differentiate it."""

    @staticmethod
    def forward(ctx, anchor, gradient):
        return gradient.clone()

    @staticmethod
    def backward(ctx, grad_output):
        raise RuntimeError(
            "the dense and csr backends must be differentiated only once, got a derivative of their gradient; run the network "
            "under graphcortex.use_backend('reference') for second derivatives."
        )


def _scan_backward(ctx, grad_output, edge_weight, h0, active, states):
    """Walk the steps backward; return the gradients of the drive, the weights and the initial state."""
    f: Nonlinearity = ctx.f
    alpha = ctx.alpha
    product = _FUSED[ctx.backend](ctx.structure, edge_weight)
    num_steps = active.size(0)
    delta = torch.empty_like(active)  # gradient at the pre-activation of every step
    # A gradient that vanishes over the steps passes through the subnormal numbers, on which a CPU is some ten times slower. What
    # is below this bound has no digit left in a product, so it is zero.
    vanished = torch.finfo(active.dtype).tiny / torch.finfo(active.dtype).eps
    grad = grad_output[-1] if ctx.return_sequence else grad_output
    for t in range(num_steps - 1, -1, -1):
        grad_step = f.backward(grad if alpha == 1.0 else alpha * grad, active[t])
        torch.hardshrink(grad_step, vanished, out=delta[t])
        if t == 0 and not ctx.needs_input_grad[2]:
            break
        before = product.propagate_back(delta[t])
        if alpha != 1.0:
            before = before.add(grad, alpha=1 - alpha)
        if ctx.return_sequence and t > 0:
            before = before + grad_output[t - 1]
        grad = before
    grad_weight = None
    if ctx.needs_input_grad[1]:
        n = active.size(-1)
        grad_weight = product.edge_gradient(states[:-1].reshape(-1, n), delta[1:].reshape(-1, n))
        if bool(h0.any()):
            grad_weight = grad_weight + product.edge_gradient(h0, delta[0])
    return delta, grad_weight, grad if ctx.needs_input_grad[2] else None
