"""Two graphs beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from graphcortex.metrics.summary import summary
from graphcortex.metrics.summary_table import Summary


def compare(first: Any, second: Any, *, names: Sequence[str] = ("first", "second"), **options: Any) -> pd.DataFrame:
    """Put the metrics of two graphs side by side, such as a network before and after learning.

    Args:
        first: A graph in any form that :func:`summary` takes, or its :class:`Summary`.
        second: The other.
        names: What to call them.
        options: How :func:`summary` looks at those that are graphs.

    Returns:
        A row per metric that both have: the two values, their ``difference`` (second less first), and the z-scores of both against
        their own random graphs. Columns are named after ``names``.

    Raises:
        ValueError: If ``names`` are not two different ones, options are given for two summaries, or a graph is none.

    Example:
        >>> import torch
        >>> ring = torch.stack((torch.arange(12), (torch.arange(12) + 1) % 12))
        >>> both = torch.cat((ring, ring.flip(0)), dim=1)
        >>> table = compare((ring, None, 12), (both, None, 12), names=("one way", "both ways"), null=None, only=["reciprocity"])
        >>> table.loc["reciprocity"].dropna().tolist()
        [0.0, 1.0, 1.0]
    """
    if len(names) != 2 or names[0] == names[1]:
        raise ValueError(f"names must be two different ones, got {tuple(names)!r}.")
    summaries = [found if isinstance(found, Summary) else None for found in (first, second)]
    if options and None not in summaries:
        raise ValueError(f"options must be left out for two summaries, got {', '.join(sorted(options))}.")
    tables = [
        (summary(graph, **options) if found is None else found).to_dataframe()
        for graph, found in zip((first, second), summaries, strict=True)
    ]
    shared = [name for name in tables[0].index if name in tables[1].index]
    left, right = (table.loc[shared] for table in tables)
    return pd.DataFrame(
        {
            names[0]: left["value"],
            names[1]: right["value"],
            "difference": right["value"] - left["value"],
            f"z of {names[0]}": left["z"],
            f"z of {names[1]}": right["z"],
        }
    )
