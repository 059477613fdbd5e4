"""Gradients that may be made once, and not differentiated again."""

from __future__ import annotations

from collections.abc import Sequence

import torch


def once(
    *gradients: torch.Tensor | None, of: Sequence[torch.Tensor | None], what: str, instead: str
) -> tuple[torch.Tensor | None, ...]:
    """Pass gradients on out of a backward pass, so that to differentiate them again is an error.

    torch's ``once_differentiable`` lets them pass as constants wherever the gradient of the output is one, as that of a sum is; and
    a second derivative would be silently wrong. Autograd skips an operation that leads to nothing that it was asked for, so the
    refusal stands on the way to all that the gradients depend on.

    Args:
        gradients: The gradients, or None.
        of: Tensors, or None, through which all that the gradients depend on is reached: the gradients of the outputs, and the
            inputs or the outputs as ``save_for_backward`` hands them back.
        what: What was differentiated, for the message.
        instead: What to do for second derivatives, for the message.
    """
    if not torch.is_grad_enabled():
        return gradients
    message = f"{what} must be differentiated only once, got a derivative of the gradient; {instead}."
    sources = [tensor for tensor in of if tensor is not None]
    return tuple(None if g is None else _Once.apply(message, g.detach(), *sources) for g in gradients)


class _Once(torch.autograd.Function):
    @staticmethod
    def forward(ctx, message, gradient, *sources):
        ctx.message = message
        return gradient.clone()

    @staticmethod
    def backward(ctx, grad_output):
        raise RuntimeError(ctx.message)
