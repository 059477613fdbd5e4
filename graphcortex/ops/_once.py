"""Gradients of communicability, which are made once and refuse to be differentiated again."""

from __future__ import annotations

import functools

from graphcortex.kernels.once import once as _once

once = functools.partial(
    _once,
    what="communicability",
    instead="for second derivatives, write torch.linalg.matrix_exp of the normalised weights",
)
