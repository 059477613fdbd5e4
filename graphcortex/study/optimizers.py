"""Optimisers and schedules by name, as a protocol names them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch

from graphcortex.study.protocol import Protocol


class KerasAdam(torch.optim.Adam):
    r"""Adam as Keras computes it, where :math:`\epsilon` is added before the bias of the second moment is corrected.

    .. math::
        \theta \leftarrow \theta - \eta \, \frac{\sqrt{1 - \beta_2^t}}{1 - \beta_1^t} \, \frac{m_t}{\sqrt{v_t} + \epsilon}

    PyTorch adds it afterwards. The two agree if PyTorch's is divided by :math:`\sqrt{1 - \beta_2^t}`, .03 at the first
    step.

    Where a squared gradient overflows, both make one step of nothing. PyTorch then stands still for ever, and Keras, which updates
    the second moment as :math:`v + (1 - \beta_2) (g^2 - v)`, has infinity less infinity: that run diverges, here too.

    Args:
        params: Parameters, as for :class:`torch.optim.Adam`.
        lr: Step size :math:`\eta`.
        betas: Decay rates.
        eps: Keras' epsilon.
        weight_decay: Added to the gradient, times the parameter.
    """

    def __init__(
        self,
        params: Iterable,
        *,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-7,
        weight_decay: float = 0.0,
    ):
        super().__init__(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, fused=True)
        # A gradient scaler would hand over steps to be skipped inside; these must not count.
        self._step_supports_amp_scaling = False
        self._keras_eps = eps

    def step(self, closure: Callable | None = None):
        """Take one step; see :meth:`torch.optim.Adam.step`."""
        for group in self.param_groups:
            # Counted in the group, which is part of the state.
            group["num_steps"] = group.get("num_steps", 0) + 1
            group["eps"] = self._keras_eps / (1 - group["betas"][1] ** group["num_steps"]) ** 0.5
            for moment in (
                self.state[p]["exp_avg_sq"] for p in group["params"] if p.grad is not None and p in self.state
            ):
                moment.masked_fill_(moment.isinf(), torch.nan)
        return super().step(closure)


def make_optimizer(parameters: Iterable[torch.nn.Parameter], protocol: Protocol) -> torch.optim.Optimizer:
    """Return the optimiser of a protocol, at its first step size.

    Args:
        parameters: What it shall change.
        protocol: ``optimizer``, and of ``learning_rate``, ``betas``, ``adam_epsilon``, ``momentum`` and ``weight_decay`` what that
            one knows.

    Example:
        >>> make_optimizer([torch.nn.Parameter(torch.zeros(2))], Protocol(optimizer="sgd")).defaults["momentum"]
        0.9
    """
    # Plain numbers, whatever they were given as: a checkpoint holds nothing else.
    common = {"lr": float(protocol.learning_rate), "weight_decay": float(protocol.weight_decay)}
    moments = {"betas": tuple(map(float, protocol.betas)), "eps": float(protocol.adam_epsilon)}
    momentum = float(protocol.momentum)
    if protocol.optimizer == "keras-adam":
        return KerasAdam(parameters, **common, **moments)
    if protocol.optimizer == "adam":
        return torch.optim.Adam(parameters, **common, **moments, fused=True)
    if protocol.optimizer == "adamw":
        return torch.optim.AdamW(parameters, **common, **moments, fused=True)
    if protocol.optimizer == "sgd":
        return torch.optim.SGD(parameters, **common, momentum=momentum)
    return torch.optim.RMSprop(parameters, **common, momentum=momentum)


def scheduled_rate(protocol: Protocol, epoch: int) -> float:
    """Return the step size of an epoch, counted from 1.

    Nothing has to be kept to go on with it: it depends on the epoch and the protocol alone.

    Example:
        >>> [scheduled_rate(Protocol(schedule="linear", learning_rate=1.0, epochs=4), epoch) for epoch in (1, 2, 3, 4)]
        [1.0, 0.75, 0.5, 0.25]
    """
    done, rate = (epoch - 1) / protocol.epochs, float(protocol.learning_rate)
    if protocol.schedule == "cosine":
        return rate * (1 + math.cos(math.pi * done)) / 2
    if protocol.schedule == "linear":
        return rate * (1 - done)
    if protocol.schedule == "step":
        return rate * (1.0 if done < 0.5 else 0.1 if done < 0.75 else 0.01)
    return rate
