"""Does a mean over some seeds agree with a mean that was reported, and what difference could have been seen?"""

from __future__ import annotations

import numpy as np
import pandas as pd
import scipy.stats

from graphcortex._checks import check_count, check_number
from graphcortex._frames import numpy_columns

REPORTED_RUNS = 20
"""Runs behind each number of the paper."""

_STEP = 1e-3  # the paper's numbers have three decimals


def compare_means(
    table: pd.DataFrame, *, reported_runs: int = REPORTED_RUNS, alpha: float = 0.05, power: float = 0.8
) -> pd.DataFrame:
    r"""Test each mean of a table against the one that was reported.

    Welch's t test on means, standard deviations and numbers of runs. The reported standard deviation follows from the t interval,
    and what was rounded away, uniform over a thousandth, counts as one more variance:

    .. math::
        s_\Delta^2 = \frac{s^2}{n} + \left( \frac{\text{half the interval}}{t_{.975, m - 1}} \right)^2 + \frac{.001^2}{12}

    A reported mean without an interval is that of equal values. A single run is taken to be one of those that were reported, with
    their spread. Where the reported runs diverged, all of them did, as their metrics show: then, and wherever some of one's own
    did, the shares of runs that diverged are compared by Fisher's exact test.

    Args:
        table: A row per mean: ``mean``, ``sd``, ``runs`` (with a value), ``diverged`` (runs), ``paper_mean``, ``paper_low``,
            ``paper_high`` and ``paper_diverged`` (whether the reported runs diverged).
        reported_runs: Runs behind each reported number.
        alpha: Level of the tests.
        power: With which the detectable difference would be seen.

    Returns:
        With the index of the table: ``difference`` and its 95 % interval ``difference_low``, ``difference_high``; ``p``, of the
        difference, or of the shares of diverged runs where there is no other; ``detectable``, the smallest true difference that
        the test finds with that power; ``agrees``, whether neither test rejects. NaN and False where there is nothing to compare.

    Raises:
        ValueError: If an option is out of range.

    References:
        Welch (1947). The generalization of "Student's" problem when several different population variances are involved.
        Biometrika 34. https://doi.org/10.1093/biomet/34.1-2.28

    Example:
        >>> row = {"mean": 0.93, "sd": 0.1, "runs": 10, "diverged": 0, "paper_mean": 0.917, "paper_low": 0.853}
        >>> found = compare_means(pd.DataFrame([row | {"paper_high": 0.981, "paper_diverged": False}]))
        >>> print(found[["difference", "p", "detectable"]].round(3).to_string(index=False))
         difference    p  detectable
              0.013 0.77       0.129
        >>> bool(found["agrees"].iloc[0])
        True
    """
    check_count(reported_runs, "reported_runs", minimum=2)
    check_number(alpha, "alpha", above=0, maximum=0.5)
    check_number(power, "power", minimum=0.5, maximum=1)
    table = numpy_columns(table)
    n = table["runs"].to_numpy(float)
    theirs = reported_error(table, reported_runs=reported_runs).to_numpy(float) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        own = table["sd"].to_numpy(float) ** 2 / n
        own = np.where(n == 1, theirs * reported_runs, own)
        freedom = (own + theirs) ** 2 / (
            own**2 / np.where(n > 1, n - 1, reported_runs - 1) + theirs**2 / (reported_runs - 1)
        )
    # Nothing but rounding separates two means of equal values.
    freedom = np.where(own + theirs > 0, freedom, np.inf)
    error = np.sqrt(own + theirs + _STEP**2 / 12)
    difference = (table["mean"] - table["paper_mean"]).to_numpy(float)
    t = scipy.stats.t(freedom)
    p = 2 * t.sf(np.abs(difference) / error)
    of_shares = np.array([_of_shares(row, reported_runs) for row in table.itertuples()])
    diverged = table["paper_diverged"].to_numpy(bool)
    difference = np.where(diverged, np.nan, difference)
    comparable = np.where(diverged, True, ~np.isnan(difference))
    p = np.where(diverged, of_shares, p)
    ends = t.ppf(0.975) * error
    return pd.DataFrame(
        {
            "difference": difference,
            "difference_low": difference - ends,
            "difference_high": difference + ends,
            "p": np.where(comparable, p, np.nan),
            "detectable": np.where(np.isnan(difference), np.nan, (t.ppf(1 - alpha / 2) + t.ppf(power)) * error),
            "agrees": comparable & (p >= alpha) & (of_shares >= alpha),
        },
        index=table.index,
    )


def reported_error(table: pd.DataFrame, *, reported_runs: int = REPORTED_RUNS) -> pd.Series:
    """Return the standard error of each reported mean, from its t interval.

    Args:
        table: A row per mean, with ``paper_low`` and ``paper_high``.
        reported_runs: Runs behind each reported number.

    Returns:
        The errors, with the index of the table, in the unit of the means; 0 where no interval was reported, as of equal values.
    """
    table = numpy_columns(table)
    half = ((table["paper_high"] - table["paper_low"]) / 2).fillna(0.0)
    return half / scipy.stats.t.ppf(0.975, reported_runs - 1)


def _of_shares(row, reported_runs: int) -> float:
    """Return the p-value of the difference between the shares of runs that diverged."""
    total = max(row.runs, row.diverged)
    theirs = [reported_runs, 0] if row.paper_diverged else [0, reported_runs]
    return float(scipy.stats.fisher_exact([[row.diverged, total - row.diverged], theirs])[1])
