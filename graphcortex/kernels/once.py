"""Gradients that may be made once, and not differentiated again."""

from __future__ import annotations

import torch


def once(*gradients: torch.Tensor | None, what: str, instead: str) -> tuple[torch.Tensor | None, ...]:
    """Pass gradients on out of a backward pass, so that to differentiate them again is an error.

    torch's ``once_differentiable`` lets them pass as constants wherever the gradient of the output is one, as that of a sum is; and
    a second derivative would be silently wrong.

    Args:
        gradients: The gradients, or None.
        what: What was differentiated, for the message.
        instead: What to do for second derivatives, for the message.
    """
    if not torch.is_grad_enabled():
        return gradients
    return tuple(
        None
        if g is None
        else _Once.apply(torch.empty(0, requires_grad=True, device=g.device), g.detach(), what, instead)
        for g in gradients
    )


class _Once(torch.autograd.Function):
    @staticmethod
    def forward(ctx, anchor, gradient, what, instead):
        ctx.says = f"{what} must be differentiated only once, got a derivative of the gradient; {instead}."
        return gradient.clone()

    @staticmethod
    def backward(ctx, grad_output):
        raise RuntimeError(ctx.says)
