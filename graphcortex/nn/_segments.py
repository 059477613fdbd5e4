"""A scan over time in segments, whose states are computed again in the backward pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch.utils.checkpoint import checkpoint

# Inputs, initial state and generator of a segment to its output (or None) and its last state.
Segment = Callable[[torch.Tensor, torch.Tensor, torch.Generator | None], tuple[torch.Tensor | None, torch.Tensor]]


def run_in_segments(
    run: Segment,
    x: torch.Tensor,
    h: torch.Tensor,
    generator: torch.Generator | None,
    every: int,
    weights: Sequence[torch.Tensor],
) -> tuple[torch.Tensor | None, torch.Tensor]:
    """Run ``every`` steps at a time, and keep the state between two segments only.

    The second run of a segment, in the backward pass, draws the noise of the first from a generator of its own: that of the caller,
    and the default generators of torch, are where they were, whatever was drawn since.

    Args:
        run: Runs the steps of a segment; a function of its arguments and of ``weights`` alone.
        x: Inputs, shape ``(T, B, I)``.
        h: Initial state, shape ``(N, B)``.
        generator: Generator of the noise, or None; it goes on by the noise of all steps.
        every: Steps of a segment.
        weights: What ``run`` reads beside its arguments.

    Returns:
        The outputs of all segments, joined along time, or None; and the last state.

    Raises:
        RuntimeError: In the backward pass, if a weight was changed in place since the forward pass.
    """
    versions = [weight._version for weight in weights]  # those of the arguments are checked by torch

    def again(segment: torch.Tensor, h: torch.Tensor, state: torch.Tensor | None):
        if [weight._version for weight in weights] != versions:
            raise RuntimeError(
                "weights must stay as they are between the forward and the backward pass of a network with checkpoint_every, which "
                "computes its states again; got one that was changed in place. Call backward() before the step of the optimizer."
            )
        if state is None:
            return *run(segment, h, None), None
        noise = torch.Generator(x.device)
        noise.set_state(state)
        return *run(segment, h, noise), noise.get_state()

    outputs = []
    for segment in x.split(every):
        state = None if generator is None else generator.get_state()
        output, h, state = checkpoint(again, segment, h, state, use_reentrant=False, preserve_rng_state=False)
        if generator is not None:
            generator.set_state(state)
        outputs.append(output)
    return (None if outputs[0] is None else torch.cat(outputs)), h
