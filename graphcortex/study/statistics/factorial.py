"""Aligned-rank-transform models of complete factorials: main effects and interactions without assuming normal values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from graphcortex._checks import check_choice
from graphcortex._optional import require
from graphcortex._ties import ROUNDING, rank
from graphcortex.study.statistics._runs import as_runs, finite_values
from graphcortex.study.statistics.design import Cell, Design, UnidentifiableDesignError, format_part
from graphcortex.study.variant import Variant

FACTORS = {"W": "weights", "D": "distance", "C": "communicability", "support": "support", "wiring": "wiring"}
"""The factors of a variant, and the attribute of :class:`graphcortex.study.Variant` that holds the level (``"-"`` for none)."""


@dataclass(frozen=True, eq=False)
class FactorialModel:
    """Tests of every main effect and interaction of a factorial.

    Attributes:
        table: A row per effect: ``effect``, ``f``, ``df``, ``df_residual``, ``p``, ``partial_eta_squared``.
        metric: What was explained.
        n: Runs that entered.
        dropped: Runs left out: those without a value, and with a block those that share their block with one.
        method: How.
        levels: The levels of each factor.
    """

    table: pd.DataFrame
    metric: str
    n: int
    dropped: int
    method: str
    levels: Mapping[str, Cell]

    def to_dataframe(self) -> pd.DataFrame:
        """Return a copy of the table."""
        return self.table.copy()

    def __str__(self) -> str:
        title = f"{self.metric} by {format_part(self.levels)}: n = {self.n}, {self.dropped} dropped, {self.method}"
        return f"{title}\n{self.table.to_string(index=False, float_format=lambda x: f'{x:.4g}')}"


def aligned_rank_model(
    runs: pd.DataFrame,
    metric: str,
    *,
    factors: Sequence[str] = ("W", "D", "C"),
    block: str | None = "seed",
    levels: Mapping[str, Sequence[str]] | None = None,
) -> FactorialModel:
    r"""Test every effect of a factorial on aligned ranks.

    For each effect, each value is stripped of all others: the residual from its cell's mean plus the estimate of this one effect,
    :math:`y - \bar y_\text{cell} + \hat e`. These are ranked together, the full model is fitted to the ranks by least squares
    (sum-to-zero coding, type III), and only the row of this effect is read. With a block, runs of one block are repeated
    measures: the block enters as a factor without interactions, and only blocks with a value in every cell enter.

    Args:
        runs: A row per run, with ``metric`` and either a column per factor or, for those of :data:`FACTORS`, a column
            ``variant``. A run without a finite value, or with a ``diverged_epoch``, is left out.
        metric: Column to explain.
        factors: Names, those of :data:`FACTORS` or of columns. Factors with one level are left out of the model.
        block: Column of what repeats over the cells (seeds are paired over variants); None if nothing does.
        levels: Take only runs with these levels of these factors: a complete part of an incomplete design.

    Returns:
        The tests.

    Raises:
        UnidentifiableDesignError: If combinations of levels have no run, as among the eleven published variants. It names the
            missing cells, the effects that cannot be told from others, and the largest complete parts.
        ValueError: If a column or level is missing, a block has several runs in a cell, or too few runs are left.
        MissingDependencyError: If statsmodels is not installed.

    References:
        Wobbrock, Findlater, Gergle & Higgins (2011). The aligned rank transform for nonparametric factorial analyses using
        only ANOVA procedures. CHI '11. https://doi.org/10.1145/1978942.1978963

    Example:
        >>> grid = [(w, d, s) for w in ("W", "W*") for d in ("D", "D*") for s in range(6)]
        >>> runs = pd.DataFrame(grid, columns=["W", "D", "seed"])
        >>> runs["accuracy"] = 0.5 + 0.3 * (runs["W"] == "W*") + 0.01 * np.sin(np.arange(24.0) ** 2)
        >>> model = aligned_rank_model(runs, "accuracy", factors=("W", "D"))
        >>> model.table.set_index("effect")["p"].lt(0.001).to_dict()
        {'W': True, 'D': False, 'W:D': False}
    """
    table = _with_factors(runs, metric, factors, block)
    for factor, wanted in (levels or {}).items():
        check_choice(factor, "factor in levels", tuple(factors))
        chosen = [str(level) for level in wanted]
        absent = set(chosen) - set(table[factor])
        if absent:
            raise ValueError(f"levels of {factor} must be among {sorted(set(table[factor]))}, got {sorted(absent)}.")
        table = table[table[factor].isin(chosen)]
    present = table[table["value"].notna()]
    design = Design.of(factors, list(present[list(factors)].itertuples(index=False, name=None)))
    design.check()
    if not design.effects:
        raise ValueError(
            f"one factor at least must have two levels with runs, got {dict(zip(factors, design.levels, strict=True))}."
        )
    kept = present if block is None else _complete_blocks(present, design, block)
    cells = list(kept[list(factors)].itertuples(index=False, name=None))
    rows = _anova(kept["value"].to_numpy(), cells, None if block is None else kept["block"].to_numpy(), design)
    return FactorialModel(
        table=pd.DataFrame(rows),
        metric=metric,
        n=len(kept),
        dropped=len(table) - len(kept),
        method="aligned ranks, type III" + (f", blocks of {block}" if block else ""),
        levels=dict(zip(factors, design.levels, strict=True)),
    )


def _with_factors(runs: pd.DataFrame, metric: str, factors: Sequence[str], block: str | None) -> pd.DataFrame:
    parsed = [f for f in factors if f not in runs.columns]
    needed = [metric, *([block] if block else []), *(["variant"] if parsed else [])]
    absent = [c for c in needed if c not in runs.columns] + [f for f in parsed if f not in FACTORS]
    if absent or not factors:
        raise ValueError(f"runs must have the columns {needed} and factors, got none of {absent}.")
    runs = as_runs(runs)
    table = runs[[f for f in factors if f in runs.columns]].astype(str)
    for factor in parsed:
        table[factor] = [getattr(Variant.parse(v), FACTORS[factor]) or "-" for v in runs["variant"]]
    table["value"] = finite_values(runs, metric)
    if block:
        table["block"] = runs[block]
    return table


def _complete_blocks(present: pd.DataFrame, design: Design, block: str) -> pd.DataFrame:
    counts = present.groupby(["block", *design.factors]).size()
    if (counts > 1).any():
        raise ValueError(
            f"each {block} must have one run per cell, got {int(counts.max())} in {counts.idxmax()}: choose one task, recurrence, "
            "connectome and protocol, or set block=None."
        )
    whole = counts.groupby(level=0).size() == len(design.cells)
    return present[present["block"].isin(whole.index[whole])]


def _anova(values: np.ndarray, cells: list[Cell], blocks: np.ndarray | None, design: Design) -> list[dict[str, object]]:
    models = require("statsmodels.api", "study", "An aligned-rank model")
    matrices = {effect: design.columns(effect, cells) for effect in design.effects}
    columns = [np.ones((len(cells), 1)), *matrices.values()]
    if blocks is not None:
        names = list(dict.fromkeys(blocks))
        columns.append(Design.of(("block",), [(b,) for b in names]).columns((0,), [(b,) for b in blocks]))
    X = np.hstack(columns)
    if len(cells) <= X.shape[1]:
        raise ValueError(
            f"the model has {X.shape[1]} parameters and must have more runs than that, got {len(cells)} (complete blocks "
            "only, if there are blocks); add seeds, or take fewer levels."
        )
    rows, first = [], 1
    for effect, matrix in matrices.items():
        df = matrix.shape[1]
        aligned = align(values, cells, effect, design)
        ranks = rank(aligned, ROUNDING * np.abs(values).max())
        rows.append({"effect": design.name(effect), **_f_test(models.OLS(ranks, X).fit(), first, df)})
        first += df
    return rows


def _f_test(fit, first: int, df: int) -> dict[str, float]:
    restriction = np.eye(fit.model.exog.shape[1])[first : first + df]
    if fit.ssr <= 1e-9 * max(1.0, fit.centered_tss):
        # Ranks without a residual: nothing varies at all, or nothing but the effect.
        varies = fit.centered_tss > 1e-9
        f, p = (np.inf, 0.0) if varies else (0.0, 1.0)
    else:
        test = fit.f_test(restriction)
        f, p = float(np.squeeze(test.fvalue)), float(np.squeeze(test.pvalue))
    residual = float(fit.df_resid)
    eta = 1.0 if np.isinf(f) else f * df / (f * df + residual)
    return {"f": f, "df": df, "df_residual": residual, "p": p, "partial_eta_squared": eta}


def align(values: np.ndarray, cells: list[Cell], effect: tuple[int, ...], design: Design) -> np.ndarray:
    r"""Strip values of every effect but one: :math:`y - \bar y_\text{cell} + \hat e`, from the means of cell means.

    Args:
        values: Shape ``(n,)``.
        cells: The cell of each, n of them; every cell of the design has a value.
        effect: Numbers of the factors of the effect.
        design: The factorial.

    Returns:
        The aligned values, shape ``(n,)``.
    """
    index = [tuple(levels.index(v) for levels, v in zip(design.levels, cell, strict=True)) for cell in cells]
    flat = np.ravel_multi_index(tuple(np.array(index).T), [len(levels) for levels in design.levels])
    size = [len(levels) for levels in design.levels]
    total = int(np.prod(size))
    means = (np.bincount(flat, values, total) / np.bincount(flat, minlength=total)).reshape(size)
    # An effect is what is left of the cell means after averaging over other factors and centring over its own.
    part = means
    for k in range(len(size)):
        average = part.mean(axis=k, keepdims=True)
        part = part - average if k in effect else np.broadcast_to(average, part.shape)
    return values - means.ravel()[flat] + part.ravel()[flat]


__all__ = ["FACTORS", "FactorialModel", "UnidentifiableDesignError", "align", "aligned_rank_model"]
