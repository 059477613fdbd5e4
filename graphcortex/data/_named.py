"""A dataset whose graphs have names."""

from __future__ import annotations

from typing import Any

from torch_geometric.data import Dataset


class NamedDataset(Dataset):
    """Let graphs be chosen by name as well as by number; a subclass has ``_position(name) -> number``."""

    def __getitem__(self, idx: Any) -> Any:
        """Return a graph by name or number, or a selection of the graphs by names, numbers, slice or mask."""
        if isinstance(idx, str):
            idx = self._position(idx)
        elif isinstance(idx, (list, tuple)) and any(isinstance(item, str) for item in idx):
            idx = [self._position(item) if isinstance(item, str) else item for item in idx]
        return super().__getitem__(idx)

    def _position(self, name: str) -> int:
        raise NotImplementedError
