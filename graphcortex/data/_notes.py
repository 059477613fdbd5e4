"""Notes beside a graph: plain values that batching must not take apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


class Notes:
    """A read-only mapping of plain values that PyTorch Geometric keeps whole.

    PyG takes a ``dict`` apart when it batches graphs, and fails where two graphs have different keys. A batch holds a
    list of notes instead, one per graph.

    Example:
        >>> notes = Notes({"source": "simulation"})
        >>> notes["source"], dict(notes)
        ('simulation', {'source': 'simulation'})
    """

    def __init__(self, values: Mapping[str, Any] | Notes):
        self._values = dict(values)

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __eq__(self, other: object) -> bool:
        return self._values == (other._values if isinstance(other, Notes) else other)

    __hash__ = None

    def __repr__(self) -> str:
        return repr(self._values)

    def keys(self):
        """Return the keys."""
        return self._values.keys()

    def items(self):
        """Return the keys with their values."""
        return self._values.items()

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of ``key``, or ``default``."""
        return self._values.get(key, default)


def is_plain(value: Any) -> bool:
    """Say whether a value is text, a number, a truth value, None, or a list or mapping of such."""
    if value is None or isinstance(value, (str, int, float, bool)):
        return True
    if isinstance(value, (list, tuple)):
        return all(is_plain(item) for item in value)
    if isinstance(value, (dict, Notes)):
        return all(isinstance(key, str) and is_plain(item) for key, item in value.items())
    return False
