"""What figures of a table of runs share: what its metrics are called on an axis, and the check of its columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

LABELS = {
    "accuracy": "accuracy",
    "modularity": "modularity",
    "small_worldness": "small-worldness",
    "assortativity": "degree assortativity",
    "entropy": "weight entropy (bit)",
}


def check_columns(table: Any, needed: Sequence[str], name: str) -> None:
    """Check that a table has rows and the columns needed.

    Raises:
        ValueError: If it does not.
    """
    if not isinstance(table, pd.DataFrame):
        raise ValueError(f"{name} must be a pandas.DataFrame, got {type(table).__name__}.")
    missing = [column for column in needed if column not in table.columns]
    if missing:
        raise ValueError(f"{name} must have the columns {missing}, got {list(table.columns)}.")
    if table.empty:
        raise ValueError(f"{name} must have at least one row, got none.")
