"""Gradients of communicability, which are made once and refuse to be differentiated again."""

from __future__ import annotations

import functools

from graphcortex.kernels.once import once as _once

once = functools.partial(
    _once,
    what="communicability in blocks, by probes or in total",
    instead="for second derivatives, take method='exact-dense' or communicability_matrix",
)
