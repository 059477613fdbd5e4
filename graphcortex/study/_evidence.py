"""Is what a claim expects of a comparison shown, is its opposite shown, or neither?"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.stats

from graphcortex._ties import at_least
from graphcortex.study._comparisons import Comparison
from graphcortex.study.statistics import (
    Statistic,
    mean_difference_paired,
    power_equivalence,
    power_paired,
    seeds_needed,
    sign_flip_test,
    tost_paired,
    wilson_interval,
)

HOLDS, FAILS, UNDECIDED = "holds", "fails", "undecided"
_MOST_SEEDS = 100_000


@dataclass(frozen=True)
class Rules:
    """When a comparison decides.

    Attributes:
        alpha: Level of every test, after Holm's correction.
        minimum_pairs: Fewer decide nothing: six signs are the least that reach .05 on two sides.
        maximum_dropped: A larger share of dropped pairs decides nothing, since the runs that are left are a selection.
        power: Power that the number of seeds needed is for.
        resamples: Resamples of the bootstrap, and sign flips where not all are counted.
    """

    alpha: float = 0.05
    minimum_pairs: int = 6
    maximum_dropped: float = 0.2
    power: float = 0.8
    resamples: int = 4999


@dataclass(frozen=True, eq=False)
class Evidence:
    """A comparison with its numbers, before any correction: effect with interval, and p for and against what is expected."""

    comparison: Comparison
    effect: Statistic
    sd: float
    p_for: float
    p_against: float

    @property
    def n(self) -> int:
        """Pairs that entered."""
        assert isinstance(self.effect.n, int)  # one sample, of differences
        return self.effect.n


def gather(comparison: Comparison, rules: Rules, seed: int) -> Evidence:
    """Test a comparison for what is expected and for its opposite."""
    d, margin = comparison.differences, comparison.smallest_effect
    if comparison.expected == "rare":
        n, count = len(d), int(d.sum())
        effect = wilson_interval(count, n)
        if n == 0:
            return Evidence(comparison, effect, math.nan, math.nan, math.nan)
        below, above = (scipy.stats.binomtest(count, n, margin, side).pvalue for side in ("less", "greater"))
        return Evidence(comparison, effect, math.nan, float(below), float(above))
    options = {"resamples": rules.resamples, "rng": seed}
    effect = mean_difference_paired(d, bounds=comparison.bounds, **options)
    kept = d[~np.isnan(d)]
    sd = float(kept.std(ddof=1)) if len(kept) > 1 else math.nan
    if comparison.expected == "greater":
        p_for = sign_flip_test(d, alternative="greater", **options).p
        p_against = sign_flip_test(d, shift=margin, alternative="less", **options).p
    elif comparison.expected == "different":
        p_for, p_against = sign_flip_test(d, **options).p, tost_paired(d, margin=margin).p
    else:
        p_for = sign_flip_test(d, shift=-margin, alternative="greater", **options).p
        p_against = sign_flip_test(d, alternative="less", **options).p
    return Evidence(comparison, effect, sd, p_for, p_against)


def decide(
    evidence: Evidence, p_for: float, p_against: float, family: int, rules: Rules
) -> tuple[str, int | None, str]:
    """Return the verdict of a comparison by its corrected p-values, the seeds it would need if undecided, and why.

    Args:
        evidence: What was found.
        p_for: Corrected p-value for what is expected.
        p_against: Corrected p-value against it.
        family: Comparisons that were corrected together.
        rules: When a comparison decides.
    """
    comparison, effect = evidence.comparison, evidence.effect
    if comparison.missing:
        return UNDECIDED, None, f"{comparison.missing}."
    n, total = evidence.n, evidence.n + effect.dropped
    margin, value = comparison.smallest_effect, effect.value
    if n == 0:
        return UNDECIDED, None, f"none of {total} pairs is left: in each, a run diverged or has no value."
    if comparison.expected != "rare" and effect.dropped > rules.maximum_dropped * total:
        why = f"{effect.dropped} of {total} pairs were dropped, since a run diverged or has no value; the rest are a selection."
        return UNDECIDED, None, why
    if n < rules.minimum_pairs:
        needed = seeds_to_decide(evidence, family, rules)
        return UNDECIDED, needed, f"{n} pairs are too few, at least {rules.minimum_pairs} are due{_about(needed)}."
    large = at_least({"greater": value, "no less": -value}.get(comparison.expected, abs(value)), margin, margin)
    shown = {
        "greater": (p_for <= rules.alpha and large, p_against <= rules.alpha),
        "different": (p_for <= rules.alpha and large, p_against <= rules.alpha),
        "no less": (p_for <= rules.alpha, p_against <= rules.alpha and large),
        "rare": (p_for <= rules.alpha, p_against <= rules.alpha),
    }[comparison.expected]
    words = {
        "greater": (f"to be above 0, and {margin:.3g} or more", f"to be less than {margin:.3g}"),
        "different": (f"to differ from 0, and by {margin:.3g} or more", f"to lie within {margin:.3g} of 0"),
        "no less": (f"to be above -{margin:.3g}", f"to be below 0, and -{margin:.3g} or less"),
        "rare": (f"to be less than {margin:.3g}", f"to be more than {margin:.3g}"),
    }[comparison.expected]
    chances = (f"{words[0]} (p = {p_for:.2g})", f"{words[1]} (p = {p_against:.2g})")
    if shown[0]:
        return HOLDS, None, f"it is {value:.3g}, shown {chances[0]}."
    if shown[1]:
        return FAILS, None, f"it is {value:.3g}, shown {chances[1]}."
    needed = seeds_to_decide(evidence, family, rules)
    return UNDECIDED, needed, f"it is {value:.3g}, shown neither {chances[0]} nor {chances[1]}{_about(needed)}."


def seeds_to_decide(evidence: Evidence, family: int, rules: Rules) -> int | None:
    """Return how many seeds it would take to decide, if effect and spread stay as they are in these runs.

    An effect of at least the smallest of interest is told from none; a smaller or an opposite one from the smallest of interest.
    Normal differences and Bonferroni's share of alpha are assumed. Seeds that diverge are made up for. None if the spread is not
    known, or more than 100,000 are needed, as where the effect is close to the smallest of interest from below.
    """
    comparison, effect, alpha = evidence.comparison, evidence.effect, rules.alpha / max(1, family)
    n, margin = evidence.n, comparison.smallest_effect
    if comparison.expected == "rare":
        return _first_to_reach(lambda k: _power_share(k, effect.value, margin, alpha), n + 1, rules)
    if not evidence.sd >= 0:
        return None
    two_sided = comparison.expected == "different"
    least = max(rules.minimum_pairs, math.ceil(math.log2(1 / alpha)) + two_sided, n + 1)
    if evidence.sd <= 1e-12 * margin:
        return _with_losses(least, evidence)
    distance = {"greater": effect.value, "no less": -effect.value}.get(comparison.expected, abs(effect.value))
    if two_sided and distance < margin:
        pairs = _first_to_reach(
            lambda k: power_equivalence(k, margin, evidence.sd, difference=distance, alpha=alpha), least, rules
        )
    else:
        gap, side = distance if distance >= margin else margin - distance, "two-sided" if two_sided else "greater"
        pairs = _first_to_reach(
            lambda k: power_paired(k, gap, evidence.sd, alpha=alpha, alternative=side), least, rules
        )
    return None if pairs is None else _with_losses(pairs, evidence)


def _power_share(n: int, share: float, margin: float, alpha: float) -> float:
    """Return the power of the binomial test of ``n`` runs that tells a true share from the greatest one that is allowed."""
    if share < margin:
        most = scipy.stats.binom.ppf(alpha, n, margin)
        most -= scipy.stats.binom.cdf(most, n, margin) > alpha
        return float(scipy.stats.binom.cdf(most, n, share))
    least = scipy.stats.binom.isf(alpha, n, margin) + 1
    return float(scipy.stats.binom.sf(least - 1, n, share))


def _first_to_reach(power_of: Callable[[int], float], start: int, rules: Rules) -> int | None:
    try:
        return seeds_needed(power_of, power=rules.power, start=start, maximum=_MOST_SEEDS)
    except ValueError:
        return None


def _with_losses(pairs: int, evidence: Evidence) -> int:
    n, dropped = evidence.n, evidence.effect.dropped
    return math.ceil(pairs * (n + dropped) / n)


def _about(needed: int | None) -> str:
    return "" if needed is None else f"; if the effect stays so, about {needed} seeds would decide"
