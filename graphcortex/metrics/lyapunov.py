"""Whether small differences of state grow or fade: the largest Lyapunov exponent."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.autograd import forward_ad

from graphcortex._checks import check_choice, check_count, check_finite, check_number
from graphcortex._random import as_generator, as_seed
from graphcortex._typing import RandomSource
from graphcortex.metrics._result import Result

Step = Callable[[Any, torch.Tensor], torch.Tensor]
_DISTANCE = 1e-8  # the square root of the precision of float64: rounding and curvature then err alike


@dataclass(frozen=True, eq=False, kw_only=True)
class LyapunovExponent(Result):
    """The largest Lyapunov exponent, per step.

    Attributes:
        standard_error: Standard error of the value over trajectories; NaN for a single one.
        per_trajectory: The exponent of each trajectory, float64, shape ``(B,)``, on the CPU.
        num_steps: Steps that growth was averaged over.
        warmup: Steps before these.
        dt_s: Duration of a step in s, where it is known.
    """

    standard_error: float
    per_trajectory: torch.Tensor
    num_steps: int
    warmup: int
    dt_s: float | None = None

    @property
    def per_second(self) -> float:
        """The exponent per second; NaN where the duration of a step is not known."""
        return math.nan if self.dt_s is None else self.value / self.dt_s


def largest_lyapunov_exponent(
    step: Step,
    h0: torch.Tensor,
    *,
    inputs: torch.Tensor | None = None,
    num_steps: int = 1000,
    warmup: int = 100,
    method: str = "tangent",
    dt_s: float | None = None,
    rng: RandomSource = 0,
) -> LyapunovExponent:
    r"""Compute how fast a small difference of state grows along the trajectories of a network.

    .. math::
        \lambda = \lim_{T \to \infty} \frac{1}{T} \sum_{t=1}^{T} \log \frac{\lVert J_t \, u_{t-1} \rVert}{\lVert u_{t-1} \rVert},
        \qquad u_t = \frac{J_t \, u_{t-1}}{\lVert J_t \, u_{t-1} \rVert},

    with the Jacobian :math:`J_t` of step :math:`t` and a direction :math:`u_0` drawn at random (Benettin et al.). A positive
    exponent is chaos; a negative one says that the network forgets its initial state. For a linear map it is the log of the
    spectral radius. It can be any number, and is :math:`-\infty` where a difference vanishes entirely.

    ``"tangent"`` takes :math:`J_t u` from forward differentiation. ``"two_trajectories"`` follows a second state at a distance of
    1e-8, put back to it after each step; it serves any step, and is good to about seven digits, less where one step shrinks a
    difference by more than 1e-4. The fused scan of :meth:`graphcortex.nn.GraphRNN.forward` needs it; ``GraphRNN.step`` does not.

    Args:
        step: The dynamics, ``step(x, h) -> h'``, such as :meth:`graphcortex.nn.GraphRNN.step`: inputs of shape ``(B, I)`` and
            states of shape ``(B, N)`` to the next states, trial by trial, without noise. It is given float64 and must return it:
            make the network so with ``rnn.double().eval()``.
        h0: Initial state of each trajectory, floating point, shape ``(B, N)``.
        inputs: Inputs of all steps, floating point, shape ``(T, B, I)`` with T of at least ``warmup + num_steps``; or shape
            ``(B, I)``, the same at every step. None hands None on to ``step``; a network with inputs wants zeros instead.
        num_steps: Steps that growth is averaged over.
        warmup: Steps before these, on which states settle and differences turn to the direction that grows most.
        method: ``"tangent"`` or ``"two_trajectories"``.
        dt_s: Duration of a step in s, for the exponent per second.
        rng: A generator, or an int seed, for the first directions.

    Returns:
        The mean exponent of the trajectories, per step, with its standard error. NaN, with the reason, if states do not stay
        finite.

    Raises:
        ValueError: If ``h0`` or ``inputs`` are not finite floating point numbers of these shapes, ``step`` does not return
            float64 of the shape of ``h0``, has no forward derivative where one is needed, or an option is out of range.

    References:
        Benettin, Galgani, Giorgilli & Strelcyn (1980). Lyapunov characteristic exponents for smooth dynamical systems.
        Meccanica 15. https://doi.org/10.1007/BF02128236

        Sompolinsky, Crisanti & Sommers (1988). Chaos in random neural networks. Phys. Rev. Lett. 61.
        https://doi.org/10.1103/PhysRevLett.61.259

    Example:
        >>> W = torch.tensor([[0.0, 0.5], [2.0, 0.0]], dtype=torch.float64)
        >>> found = largest_lyapunov_exponent(lambda x, h: h @ (0.8 * W), torch.zeros(1, 2))
        >>> round(found.value, 3), round(math.log(0.8), 3)
        (-0.223, -0.223)
    """
    if not isinstance(h0, torch.Tensor) or not h0.is_floating_point() or h0.dim() != 2 or not h0.numel():
        got = f"{h0.dtype} of shape {tuple(h0.shape)}" if isinstance(h0, torch.Tensor) else type(h0).__name__
        raise ValueError(f"h0 must be a floating point tensor of shape (B, N), got {got}; of h_n take h_n[0].")
    check_finite(h0, "h0")
    h = h0.detach().double()
    num_steps = check_count(num_steps, "num_steps")
    warmup = check_count(warmup, "warmup", minimum=0)
    check_choice(method, "method", tuple(_ADVANCES))
    dt_s = None if dt_s is None else check_number(dt_s, "dt_s", above=0)
    inputs = None if inputs is None else _check_inputs(inputs, h, warmup + num_steps)
    seed = as_seed(rng)

    direction = torch.randn(h.shape, generator=as_generator(seed), dtype=torch.float64).to(h)
    direction = direction / direction.norm(dim=1, keepdim=True)
    growth = torch.zeros(len(h), dtype=torch.float64, device=h.device)
    finite_steps = torch.zeros(len(h), dtype=torch.int64, device=h.device)
    with torch.no_grad():
        for t in range(warmup + num_steps):
            x = inputs if inputs is None or inputs.dim() == 2 else inputs[t]
            h, moved = _ADVANCES[method](step, x, h, direction)
            distance = moved.norm(dim=1)
            # A difference that has vanished keeps its direction: it counts once, with a log of minus infinity.
            direction = torch.where(distance[:, None] > 0, moved / distance[:, None], direction)
            finite_steps += h.isfinite().all(1) & distance.isfinite()
            if t >= warmup:
                growth += distance.log()
    per_trajectory = (growth / num_steps).cpu()
    done: dict[str, Any] = {"num_steps": num_steps, "warmup": warmup, "dt_s": dt_s, "method": method, "seed": seed}
    shortest = int(finite_steps.min())
    if shortest < warmup + num_steps:
        reason = f"states or their differences are not finite from step {shortest + 1} on"
        return LyapunovExponent(
            value=math.nan, reason=reason, standard_error=math.nan, per_trajectory=per_trajectory, **done
        )
    value = float(per_trajectory.mean())
    reason = "a difference of states vanished entirely" if math.isinf(value) else ""
    error = math.nan
    if len(h) > 1 and math.isfinite(value):
        error = float(per_trajectory.std()) / math.sqrt(len(h))
    return LyapunovExponent(value=value, reason=reason, standard_error=error, per_trajectory=per_trajectory, **done)


def _tangent(
    step: Step, x: torch.Tensor | None, h: torch.Tensor, direction: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the next states, and where the differential of the step sends the directions."""
    with forward_ad.dual_level():
        try:
            after, moved = forward_ad.unpack_dual(_call(step, x, forward_ad.make_dual(h, direction)))
        except NotImplementedError as error:
            raise ValueError(
                f"step must have a forward derivative, got {error} Use method='two_trajectories'."
            ) from error
    if moved is None:
        raise ValueError("step must pass derivatives on, got states that are cut off; use method='two_trajectories'.")
    return after, moved


def _two_trajectories(
    step: Step, x: torch.Tensor | None, h: torch.Tensor, direction: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the next states, and their distance from those of a second trajectory, over the distance before."""
    # Large states are rounded more coarsely, so the distance grows with them.
    distance = _DISTANCE * h.norm(dim=1, keepdim=True).clamp(min=1.0)
    after = _call(step, x, h)
    return after, (_call(step, x, h + distance * direction) - after) / distance


_ADVANCES = {"tangent": _tangent, "two_trajectories": _two_trajectories}


def _call(step: Step, x: torch.Tensor | None, h: torch.Tensor) -> torch.Tensor:
    after = step(x, h)
    if not isinstance(after, torch.Tensor) or after.shape != h.shape or after.dtype != h.dtype:
        got = (
            f"{after.dtype} of shape {tuple(after.shape)}" if isinstance(after, torch.Tensor) else type(after).__name__
        )
        raise ValueError(
            f"step must return states of float64 and shape {tuple(h.shape)}, got {got}; make a network of float64 with .double()."
        )
    return after


def _check_inputs(inputs: torch.Tensor, h: torch.Tensor, num_steps: int) -> torch.Tensor:
    B = len(h)
    found = isinstance(inputs, torch.Tensor) and inputs.is_floating_point() and inputs.dim() in (2, 3)
    if (
        not found
        or inputs.size(-2) != B
        or (inputs.dim() == 3 and len(inputs) < num_steps)
        or inputs.device != h.device
    ):
        got = (
            f"{inputs.dtype} of shape {tuple(inputs.shape)} on {inputs.device}"
            if isinstance(inputs, torch.Tensor)
            else inputs
        )
        raise ValueError(
            f"inputs must be floating point of shape (T, {B}, I) with T of at least warmup + num_steps = {num_steps}, or of shape "
            f"({B}, I), on {h.device}; got {got}."
        )
    check_finite(inputs, "inputs")
    return inputs.detach().double()
