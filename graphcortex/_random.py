"""Randomness is an explicit argument: a ``torch.Generator`` or an int seed. No global generator is touched."""

from __future__ import annotations

import hashlib

import numpy as np
import torch


def as_generator(rng: torch.Generator | int, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a generator on ``device``: ``rng`` itself if it is one there, else a fresh one that ``rng`` seeds.

    Args:
        rng: A generator, or an int seed of at least 0.
        device: Where numbers will be drawn.

    Raises:
        ValueError: If ``rng`` is neither.
    """
    device = torch.device(device)
    if isinstance(rng, torch.Generator):
        if rng.device.type == device.type:
            return rng
        # A generator of another device hands over one draw, so that the stream goes on and the result is reproducible.
        rng = draw_seed(rng)
    if isinstance(rng, bool) or not isinstance(rng, (int, np.integer)) or int(rng) < 0:
        raise ValueError(f"rng must be a torch.Generator or an int seed of at least 0, got {rng!r}.")
    return torch.Generator(device).manual_seed(int(rng))


def draw_seed(rng: torch.Generator | int) -> int:
    """Draw one 62-bit seed from ``rng``."""
    if not isinstance(rng, torch.Generator):
        rng = as_generator(rng)
    return int(torch.randint(2**62, (), generator=rng, device=rng.device))


def as_seed(rng: torch.Generator | int) -> int:
    """Return an int seed: ``rng`` itself if it is one, else one draw from it.

    Raises:
        ValueError: If ``rng`` is neither a generator nor an int of at least 0.
    """
    if isinstance(rng, torch.Generator):
        return draw_seed(rng)
    as_generator(rng)
    return int(rng)


def numpy_generator(rng: torch.Generator | int) -> np.random.Generator:
    """Return a NumPy generator that ``rng`` seeds (one draw is taken from a ``torch.Generator``)."""
    return np.random.default_rng(draw_seed(as_generator(rng) if not isinstance(rng, torch.Generator) else rng))


def derive_seed(*parts: object) -> int:
    """Return a 62-bit seed that depends on every part, and on nothing else.

    Runs that must share their draws share the parts; the same parts give the same seed on every machine.

    Args:
        parts: What the draws are for, and for which run, such as ``"trials", 3``; each counts as its ``str``.

    Example:
        >>> derive_seed("trials", 3) == derive_seed("trials", 3)
        True
        >>> derive_seed("trials", 3) == derive_seed("trials", 4)
        False
    """
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 2
