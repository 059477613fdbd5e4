"""Names for computations: what a kept result is found again by. What cannot be named for sure has no name."""

from __future__ import annotations

import functools
import hashlib
import sys
from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any

import numpy as np
import torch

_PLAIN = (type(None), bool, int, float, complex, str, bytes)


class UnnamedError(Exception):
    """Something cannot be named: a lambda, a closure, an object of unknown contents."""


def digest(*parts: Any) -> str:
    """Return a name of 40 letters for some arguments: equal for equal contents, in every process.

    Plain values, lists and dicts of them, arrays, tensors, and functions of modules have names, and ``functools.partial`` of
    these. A function is named by its place, its code, and the code of the functions of the same module that it calls.

    Raises:
        UnnamedError: If a part is anything else.
    """
    found = hashlib.sha256()
    for part in parts:
        _feed(found.update, part, set())
    return found.hexdigest()[:40]


def _feed(update: Callable[[bytes], None], part: Any, seen: set[str]) -> None:
    def write(kind: str, *contents: Any) -> None:
        update(f"{kind}:{len(contents)}:{contents!r};".encode())

    if isinstance(part, _PLAIN):
        write(type(part).__name__, part)
    elif isinstance(part, (list, tuple, dict)):
        items = [item for pair in part.items() for item in pair] if isinstance(part, dict) else part
        write(type(part).__name__, len(items))
        for item in items:
            _feed(update, item, seen)
    elif isinstance(part, (np.ndarray, np.generic)) and not np.asarray(part).dtype.hasobject:
        array = np.ascontiguousarray(part)
        write("array", array.dtype.str, array.shape)
        update(array.data.cast("B") if array.size else b"")
    elif isinstance(part, torch.Tensor) and part.layout == torch.strided:
        _feed(update, part.detach().cpu().numpy(), seen)
    elif isinstance(part, functools.partial):
        write("partial", len(part.args), len(part.keywords))
        for item in (part.func, part.args, dict(sorted(part.keywords.items()))):
            _feed(update, item, seen)
    elif isinstance(part, FunctionType):
        _feed_function(update, part, seen)
    else:
        raise UnnamedError(type(part).__name__)


def _feed_function(update: Callable[[bytes], None], function: FunctionType, seen: set[str]) -> None:
    name = f"{function.__module__}.{function.__qualname__}"
    if getattr(sys.modules.get(function.__module__), function.__qualname__, None) is not function:
        raise UnnamedError(name)
    update(f"function:{name};".encode())
    if name in seen:
        return
    seen.add(name)
    for item in (function.__defaults__, function.__kwdefaults__):
        _feed(update, item, seen)
    _feed_code(update, function.__code__)
    for used in sorted(_names(function.__code__)):
        other = function.__globals__.get(used)
        if (
            isinstance(other, FunctionType)
            and other.__module__ == function.__module__
            and "<" not in other.__qualname__
        ):
            _feed_function(update, other, seen)
        elif isinstance(other, _PLAIN):
            _feed(update, (used, other), seen)


def _feed_code(update: Callable[[bytes], None], code: CodeType) -> None:
    update(f"code:{code.co_name}:{code.co_names!r}:{code.co_varnames!r}:".encode())
    update(code.co_code)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            _feed_code(update, constant)
        else:
            # A set of constants is shown in another order by each process.
            shown = sorted(map(repr, constant)) if isinstance(constant, frozenset) else constant
            update(f"{type(constant).__name__}:{shown!r};".encode())


def _names(code: CodeType) -> set[str]:
    inner = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    return set(code.co_names).union(*map(_names, inner))
