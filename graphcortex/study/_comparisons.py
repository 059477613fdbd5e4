"""What each claim of the paper compares: paired differences between variants of one group of runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from graphcortex.study.statistics._runs import PAIRING, finite_values, values_of
from graphcortex.study.statistics._samples import pair_differences
from graphcortex.study.statistics.compare import FRACTIONS
from graphcortex.study.variant import Variant

Effects = Mapping[str, float]
"""The smallest effect of interest of each metric."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """Paired differences, and what a claim expects of them.

    Attributes:
        compared: What is subtracted from what, in words.
        metric: Of which column, or ``"diverged"``.
        expected: ``"greater"`` than 0, ``"different"`` from 0, ``"no less"`` than 0 (by what matters), or ``"rare"`` (a share, of
            zeros and ones).
        smallest_effect: Smallest difference of interest; of ``"rare"``, the greatest share that is rare.
        differences: One per pair, shape ``(n,)``; NaN where a run has no value.
        bounds: The least and the greatest difference there can be; None without bounds.
        missing: Why there is nothing to compare; empty if there is.
    """

    compared: str
    metric: str
    expected: str
    smallest_effect: float
    differences: np.ndarray
    bounds: tuple[float, float] | None = None
    missing: str = ""


def largest_gain(runs: pd.DataFrame, effects: Effects, floors: Mapping[str, float]) -> list[Comparison]:
    """Compare, seed by seed, what ``W*`` gains over ``W`` with what ``D*`` gains over ``D``, what a ``C`` gains over none, and 0.

    The gain of a factor is the mean over all pairs of variants that differ in this factor alone.
    """
    wide = _wide(runs, "accuracy")
    gains = {
        "W*": _twins(wide, "weights", "W*", "W"),
        "D*": _twins(wide, "distance", "D*", "D"),
        "C": _twins(wide, "communicability", "C", None) + _twins(wide, "communicability", "C*", None),
    }
    told: dict[str, Any] = {"metric": "accuracy", "expected": "greater", "smallest_effect": effects["accuracy"]}
    absent = [factor for factor, pairs in gains.items() if not pairs]
    if absent:
        missing = f"no two variants with runs differ in {absent[0]} alone"
        return [Comparison("gain of W* - other gains", differences=np.empty(0), missing=missing, **told)]
    high, low = (
        {factor: np.mean([wide[pair[side]] for pair in pairs], axis=0) for factor, pairs in gains.items()}
        for side in (0, 1)
    )
    words = {f: f"gain of {f} ({', '.join(f'{a} - {b}' for a, b in pairs)})" for f, pairs in gains.items()}
    gained, _ = pair_differences(high["W*"], low["W*"])
    found = [Comparison(words["W*"], differences=gained, bounds=(-1.0, 1.0), **told)]
    for factor in ("D*", "C"):
        compared = f"{words['W*']} - {words[factor]}"
        gained, _ = pair_differences(high["W*"] + low[factor], low["W*"] + high[factor])
        found.append(Comparison(compared, differences=gained, bounds=(-2.0, 2.0), **told))
    return found


def levels(factor: str, high: str, low: str, expected: str) -> Callable[..., list[Comparison]]:
    """Return what compares the accuracy of each variant at one level of a factor with its twin at another.

    Args:
        factor: Attribute of :class:`graphcortex.study.Variant`.
        high: Level that is compared.
        low: Level of the twins, which are the same otherwise.
        expected: ``"greater"``, ``"different"`` or ``"no less"``, see :class:`Comparison`.
    """

    def compare(runs: pd.DataFrame, effects: Effects, floors: Mapping[str, float]) -> list[Comparison]:
        wide = _wide(runs, "accuracy")
        twins = _twins(wide, factor, high, low)
        return _between(wide, twins, "accuracy", expected, effects, f"in {high} and {low} alone")

    return compare


def learned_graphs(runs: pd.DataFrame, effects: Effects, floors: Mapping[str, float]) -> list[Comparison]:
    """Compare the graphs of ``W*D*C`` with those of ``W``: entropy below, modularity and small-worldness above."""
    found = []
    for metric, high, low in (
        ("entropy", "W", "W*D*C"),
        ("modularity", "W*D*C", "W"),
        ("small_worldness", "W*D*C", "W"),
    ):
        wide = _wide(runs, metric)
        pairs = [(high, low)] if {high, low} <= set(wide.columns) else []
        found += _between(wide, pairs, metric, "greater", effects, "as W*D*C and W do, both of which it takes,")
    return found


def positive_only(runs: pd.DataFrame, effects: Effects, floors: Mapping[str, float]) -> list[Comparison]:
    """Ask of each variant of ``W*`` with non-negative recurrence: does it finish, beat the floor, do as well as free recurrence?"""
    arms = {
        arm: runs[runs["recurrence"] == arm] if "recurrence" in runs else runs[:0] for arm in ("nonnegative", "free")
    }
    positive, free = (_wide(arm, "accuracy") for arm in arms.values())
    every = arms["nonnegative"]
    diverged = finite_values(every, "accuracy").isna()
    told: dict[str, Any] = {"metric": "accuracy", "smallest_effect": effects["accuracy"], "bounds": (-1.0, 1.0)}
    names = [name for name in positive.columns if _plain(name) and Variant.parse(name).weights == "W*"]
    if not names:
        missing = "no variant of W* has runs with non-negative recurrence"
        compared, nothing = "nonnegative - free", np.empty(0)
        return [Comparison(compared, expected="no less", differences=nothing, missing=missing, **told)]
    task = str(runs["task"].iloc[0]) if "task" in runs else ""
    floor = floors.get(task, np.nan)
    unknown = f"the floor of the task {task!r} is not known, give floors" if np.isnan(floor) else ""
    compared = f"share of nonnegative runs ({', '.join(names)}) that diverged"
    diverged = diverged[every["variant"].isin(names)].to_numpy(float)
    found = [Comparison(compared, "diverged", "rare", effects["diverged"], diverged, (0.0, 1.0))]
    for name in names:
        above, _ = pair_differences(positive[name], np.full(len(positive), floor))
        compared = f"nonnegative {name} - best trivial strategy"
        found.append(Comparison(compared, expected="greater", differences=above, missing=unknown, **told))
        alone = "" if name in free.columns else f"{name} has no runs with free recurrence"
        first, second = positive[name].align(positive[name] if alone else free[name], join="outer")
        compared, (between, _) = f"nonnegative {name} - free {name}", pair_differences(first, second)
        found.append(Comparison(compared, expected="no less", differences=between, missing=alone, **told))
    return found


def _wide(runs: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return a row per seed and a column per variant; NaN where a run diverged, is missing or has no finite value."""
    # Within a group the arm of the recurrence is one, or is what is compared.
    over = [column for column in PAIRING if column != "recurrence"]
    return values_of(runs, metric, over=over)


def _plain(name: str) -> bool:
    variant = Variant.parse(name)
    return variant.support is None and variant.wiring is None


def _twins(wide: pd.DataFrame, factor: str, high: str, low: str | None) -> list[tuple[str, str]]:
    """Return the variants with level ``high`` of a factor that have a twin with level ``low``, with that twin."""
    pairs = []
    for name in wide.columns:
        if _plain(name) and getattr(Variant.parse(name), factor) == high:
            twin = str(replace(Variant.parse(name), **{factor: low}))
            if twin in wide.columns:
                pairs.append((name, twin))
    return pairs


def _between(
    wide: pd.DataFrame, pairs: list[tuple[str, str]], metric: str, expected: str, effects: Effects, what: str
) -> list[Comparison]:
    told: dict[str, Any] = {"metric": metric, "expected": expected, "smallest_effect": effects[metric]}
    if not pairs:
        return [
            Comparison(f"{metric}", differences=np.empty(0), missing=f"no two variants with runs differ {what}", **told)
        ]
    bounds = (-1.0, 1.0) if metric in FRACTIONS else None
    word = "" if metric == "accuracy" else f"{metric}: "
    return [
        Comparison(f"{word}{a} - {b}", differences=pair_differences(wide[a], wide[b])[0], bounds=bounds, **told)
        for a, b in pairs
    ]
