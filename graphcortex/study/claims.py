"""The claims of the paper as statements that a table of runs can bear out or not."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import pandas as pd

from graphcortex._checks import check_count, check_number
from graphcortex._random import as_seed, derive_seed
from graphcortex._typing import RandomSource
from graphcortex.study import _comparisons
from graphcortex.study._comparisons import Comparison
from graphcortex.study._evidence import FAILS, HOLDS, UNDECIDED, Evidence, Rules, decide, gather
from graphcortex.study.claims_table import ClaimsTable, Finding
from graphcortex.study.statistics import holm
from graphcortex.study.statistics._runs import as_runs, groups_of
from graphcortex.tasks import TASKS, get_task

_IN_BRACKETS = re.compile(r" \(.*?\)")
_WHERE = ("connectome", "protocol", "recurrence", "task")


@dataclass(frozen=True)
class Claim:
    """A statement about a study that can turn out to hold, to fail, or to be undecided.

    Attributes:
        name: Short name.
        statement: What is claimed, in a sentence.
        metrics: Columns of the table of runs that it needs.
        smallest_effect: Smallest effect of interest of each metric, chosen before seeing runs: what is smaller counts as none.
            ``"diverged"`` is the greatest share of diverged runs with which a network still works.
        by: Columns that make the groups in which it is judged.
        compare: Takes the runs of a group, ``smallest_effect`` and the floors of the tasks, and returns the comparisons. The
            claim holds if what is expected of all of them holds, and fails if it fails for one.
    """

    name: str
    statement: str
    metrics: tuple[str, ...]
    smallest_effect: Mapping[str, float]
    compare: Callable[[pd.DataFrame, Mapping[str, float], Mapping[str, float]], list[Comparison]]
    by: tuple[str, ...] = _WHERE


_ACCURACY = MappingProxyType({"accuracy": 0.02})

CLAIMS = (
    Claim(
        "initialisation",
        "Starting from functional relations (W* in place of W) gains more accuracy than real distances (D* in place of D) and than "
        "communicability (C or C* in place of none), each with all else the same.",
        ("accuracy",),
        _ACCURACY,
        _comparisons.largest_gain,
    ),
    Claim(
        "real space",
        "Real distances (D*) gain accuracy over those on a grid (D), with all else the same.",
        ("accuracy",),
        _ACCURACY,
        _comparisons.levels("distance", "D*", "D", "greater"),
    ),
    Claim(
        "learned graphs",
        "The graphs that W*D*C learns have a lower entropy, are more modular and more small-world than those of W.",
        ("entropy", "modularity", "small_worldness"),
        MappingProxyType({"entropy": 0.1, "modularity": 0.02, "small_worldness": 0.1}),
        _comparisons.learned_graphs,
    ),
    Claim(
        "positive only",
        "With recurrent weights that are never negative, networks that start from W* still train, beat the best trivial "
        "strategy, and are as accurate as with free weights, or more.",
        ("accuracy",),
        MappingProxyType({"accuracy": 0.02, "diverged": 0.2}),
        _comparisons.positive_only,
        ("connectome", "protocol", "task"),
    ),
    Claim(
        "identity of neurons",
        "W* differs in accuracy from W!, the same weights with the neurons renamed, with all else the same.",
        ("accuracy",),
        _ACCURACY,
        _comparisons.levels("weights", "W*", "W!", "different"),
    ),
)
"""The claims of Shakiba et al. (2026), https://arxiv.org/abs/2606.14975, each with the smallest effect that would matter."""

CONTROLS = (
    Claim(
        "self-connections",
        "The self-connections of W* alone (W*[diagonal]) are as good a start as W*, or better.",
        ("accuracy",),
        _ACCURACY,
        _comparisons.levels("weights", "W*[diagonal]", "W*", "no less"),
    ),
    Claim(
        "no neural data",
        "Self-connections drawn without any neural data (W[diagonal]) are as good a start as W*, or better.",
        ("accuracy",),
        _ACCURACY,
        _comparisons.levels("weights", "W[diagonal]", "W*", "no less"),
    ),
    Claim(
        "positivity and radius",
        "Positive random weights of the same spectral radius (W[positive]) are as good a start as W*, or better.",
        ("accuracy",),
        _ACCURACY,
        _comparisons.levels("weights", "W[positive]", "W*", "no less"),
    ),
    Claim(
        "which pairs",
        "W* gains accuracy over the same weights shuffled among the pairs of different neurons (W*[shuffled]).",
        ("accuracy",),
        _ACCURACY,
        _comparisons.levels("weights", "W*", "W*[shuffled]", "greater"),
    ),
    Claim(
        "pairs alone",
        "W* without its self-connections, at the same spectral radius (W*[no-diagonal]), gains accuracy over a random start (W).",
        ("accuracy",),
        _ACCURACY,
        _comparisons.levels("weights", "W*[no-diagonal]", "W", "greater"),
    ),
    Claim(
        "geometry",
        "Real distances (D*) gain accuracy over those of the same positions shuffled among the neurons (D*[shuffled]).",
        ("accuracy",),
        _ACCURACY,
        _comparisons.levels("distance", "D*", "D*[shuffled]", "greater"),
    ),
)
"""What may carry the gains of ``W*`` and ``D*``, as statements over runs of the control variants (docs/controls.md)."""


def evaluate_claims(
    runs: pd.DataFrame,
    claims: Sequence[Claim] = CLAIMS,
    *,
    alpha: float = 0.05,
    minimum_pairs: int = 6,
    maximum_dropped: float = 0.2,
    floors: Mapping[str, float] | None = None,
    resamples: int = 4999,
    rng: RandomSource = 0,
) -> ClaimsTable:
    """Judge claims by a table of runs, for each connectome, protocol, recurrence and task.

    Each comparison is tested twice on differences paired by seed, for what the claim expects and for its opposite: above 0
    against below the smallest effect of interest; different from 0 against equivalent to 0, within that effect; no less than 0
    by that effect against below 0. Equivalence is tested by two one-sided t tests, all else by sign flips, shares by the
    binomial. Both families of p-values, those of all comparisons of one claim under one protocol, are corrected by Holm. A
    comparison holds if the first is significant and a difference that is claimed is at least the smallest of interest, fails
    if the second is (likewise), and is undecided otherwise. A claim holds if all of its comparisons hold, and fails if one fails.

    Args:
        runs: A row per run: ``variant``, ``seed``, the metrics of the claims, and where there are several ``connectome``,
            ``protocol``, ``recurrence`` and ``task``. Runs that diverged (``diverged_epoch``, or NaN) are in no test; they are
            counted.
        claims: Which.
        alpha: Level of the tests.
        minimum_pairs: Fewer pairs decide nothing.
        maximum_dropped: A larger share of dropped pairs decides nothing.
        floors: Accuracy of the best trivial strategy of tasks other than the study's own.
        resamples: Resamples of the bootstrap, and sign flips where not all are counted (more than 30 pairs).
        rng: A generator, or an int seed.

    Returns:
        The findings.

    Raises:
        ValueError: If a column is missing, two runs claim one place, or an option is out of range.

    Example:
        >>> table = pd.DataFrame({"variant": ["W*D*C"] * 8 + ["W!D*C"] * 8, "seed": [*range(8)] * 2, "accuracy": 0.9})
        >>> finding = evaluate_claims(table, [CLAIMS[4]]).findings[0]
        >>> finding.verdict, finding.reason
        ('fails', 'it is 0, shown to lie within 0.02 of 0 (p = 0.0039).')
    """
    runs = as_runs(runs, list(dict.fromkeys(["variant", "seed", *(m for claim in claims for m in claim.metrics)])))
    if not 0 < check_number(alpha, "alpha") < 0.5:
        raise ValueError(f"alpha must lie between 0 and 0.5, got {alpha}.")
    rules = Rules(
        alpha=alpha,
        minimum_pairs=check_count(minimum_pairs, "minimum_pairs", minimum=2),
        maximum_dropped=check_number(maximum_dropped, "maximum_dropped", minimum=0, maximum=1),
        resamples=check_count(resamples, "resamples", minimum=10),
    )
    known = {**{task: get_task(task).floor for task in TASKS}, **(floors or {})}
    seed = as_seed(rng)
    findings = []
    for claim in claims:
        for _, part in groups_of(runs, [column for column in ("protocol",) if column in runs.columns]):
            findings += _judge(claim, part, known, rules, seed)
    return ClaimsTable(tuple(findings), {claim.name: claim.statement for claim in claims})


def _judge(claim: Claim, runs: pd.DataFrame, floors: Mapping[str, float], rules: Rules, seed: int) -> list[Finding]:
    """Return the findings on a claim under one protocol, the family over which its p-values are corrected."""
    groups: list[tuple[dict[str, Any], list[Evidence]]] = []
    for where, part in groups_of(runs, [column for column in claim.by if column in runs.columns]):
        place = {column: str(where.get(column, "" if column in claim.by else "both")) for column in _WHERE}
        found = [
            gather(comparison, rules, derive_seed(seed, claim.name, *place.values(), comparison.compared))
            for comparison in claim.compare(part, claim.smallest_effect, floors)
        ]
        groups.append((place, found))
    everything = [evidence for _, found in groups for evidence in found]
    p_for = iter(holm([evidence.p_for for evidence in everything]))
    p_against = iter(holm([evidence.p_against for evidence in everything]))
    family = sum(not math.isnan(evidence.p_for) for evidence in everything)
    return [
        _combine([_finding(claim, place, e, float(next(p_for)), float(next(p_against)), family, rules) for e in found])
        for place, found in groups
    ]


def _finding(
    claim: Claim, place: dict[str, Any], e: Evidence, p_for: float, p_against: float, family: int, rules: Rules
) -> Finding:
    verdict, needed, reason = decide(e, p_for, p_against, family, rules)
    return Finding(
        claim=claim.name,
        **place,
        verdict=verdict,
        compared=e.comparison.compared,
        metric=e.comparison.metric,
        expected=e.comparison.expected,
        smallest_effect=e.comparison.smallest_effect,
        effect=e.effect.value,
        low=e.effect.interval[0],
        high=e.effect.interval[1],
        p=p_for,
        p_against=p_against,
        n=e.n,
        dropped=e.effect.dropped,
        seeds_needed=needed,
        reason=reason,
    )


def _combine(parts: list[Finding]) -> Finding:
    """Return the verdict of all comparisons together, with the numbers of the one that decides."""
    by_verdict = {v: [part for part in parts if part.verdict == v] for v in (HOLDS, FAILS, UNDECIDED)}
    holding, failing, open_ = by_verdict[HOLDS], by_verdict[FAILS], by_verdict[UNDECIDED]
    if failing:
        verdict, decisive = FAILS, min(failing, key=lambda part: part.p_against)
        words = f"{len(failing)} of {len(parts)} comparisons fail; the surest"
    elif open_:
        # What cannot be said at all comes first, then what takes the most seeds.
        verdict, decisive = UNDECIDED, max(open_, key=lambda part: part.seeds_needed or math.inf)
        words = f"{len(holding)} of {len(parts)} comparisons hold, the others are undecided; the least sure"
    else:
        verdict, decisive = HOLDS, max(holding, key=lambda part: part.p)
        words = f"all {len(parts)} comparisons hold; the least sure"
    compared = _IN_BRACKETS.sub("", decisive.compared)
    reason = decisive.reason if len(parts) == 1 else f"{words}, {compared}: {decisive.reason}"
    return replace(decisive, verdict=verdict, reason=reason, comparisons=tuple(parts))
