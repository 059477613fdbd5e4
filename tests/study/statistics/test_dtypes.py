"""The dtype of a label changes no number: tables of runs in every format that pandas and Arrow store them in."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from graphcortex._frames import numpy_columns
from graphcortex.study import CLAIMS, compare_means, evaluate_claims, summarize
from graphcortex.study.statistics import aligned_rank_model, as_runs, compare_variants, pool_connectomes
from graphcortex.study.table import format_table
from graphcortex.viz._effects import paired_differences

VARIANTS = ("W", "W*", "WD", "W*D", "WD*", "W*D*", "W*D*C")
LABELS = ("connectome", "protocol", "recurrence", "task", "variant")


def _runs() -> pd.DataFrame:
    """Make runs of which some diverged, are missing or are not finite, and whose order is not that of their seeds."""
    rng = np.random.default_rng(0)
    rows = list(
        itertools.product(["7_3_2", "4_7_2"], ["corrected"], ["free", "nonnegative"], ["go_nogo"], VARIANTS, range(8))
    )
    runs = pd.DataFrame(rows, columns=[*LABELS, "seed"])
    runs["accuracy"] = (0.5 + 0.3 * rng.integers(0, 11, len(runs)) / 10).round(3)
    for metric in ("modularity", "small_worldness", "assortativity", "entropy"):
        runs[metric] = 0.1 + 0.3 * rng.random(len(runs))
    runs["diverged_epoch"] = np.nan
    runs.loc[runs.index % 41 == 7, "diverged_epoch"] = 3.0
    runs.loc[runs.index % 37 == 5, "entropy"] = np.inf
    runs.loc[runs.index % 29 == 3, "accuracy"] = np.nan
    return runs.drop(index=runs.index[runs.index % 53 == 11]).sample(frac=1, random_state=1).reset_index(drop=True)


def _unused(column: pd.Series) -> pd.Series:
    """Store a column as a category whose order is not that of its values, with categories that no row has."""
    values = sorted(set(column), reverse=True)
    extra = [f"{values[0]}0", "none"] if isinstance(values[0], str) else [1000, 2000]
    return pd.Series(pd.Categorical(column, categories=[extra[0], *values, extra[1]], ordered=True), index=column.index)


def _arrow(column: pd.Series) -> pd.Series:
    return pd.Series(pa.array(column.tolist()), index=column.index, dtype=pd.ArrowDtype(pa.array(column.tolist()).type))


def _dictionary(column: pd.Series) -> pd.Series:
    array = pa.array(column.tolist()).dictionary_encode()
    return pd.Series(pd.array(array, dtype=pd.ArrowDtype(array.type)), index=column.index)


FORMATS = {
    "category": lambda c: c.astype("category"),
    "category with unused levels": _unused,
    "object": lambda c: c.astype(object),
    "string": lambda c: c.astype("string"),
    "string of Arrow": lambda c: c.astype("string[pyarrow]"),
    "Arrow": _arrow,
    "dictionary of Arrow": _dictionary,
    "nullable": lambda c: c.convert_dtypes(),
    "text in a category": lambda c: c.astype(str).astype("category"),
}

FUNCTIONS = {
    "compare_variants": lambda runs: compare_variants(runs, "W*", ["W", "WD"], "entropy", resamples=99),
    "compare_variants pooled": lambda runs: compare_variants(
        runs, "W*", "W", by=("task",), test="wilcoxon", resamples=99
    ),
    "pool_connectomes": lambda runs: pool_connectomes(runs, "W*", "W"),
    "aligned_rank_model": lambda runs: (
        aligned_rank_model(
            _one(runs, "WD", "W*D", "WD*", "W*D*"), "accuracy", factors=("W", "D"), levels={"D": ["D", "D*"]}
        ).table
    ),
    "factors in columns": lambda runs: (
        aligned_rank_model(runs[runs["variant"] == "W"], "accuracy", factors=("connectome", "recurrence")).table
    ),
    "evaluate_claims": lambda runs: evaluate_claims(_one(runs, *VARIANTS), CLAIMS[:3], resamples=99).to_dataframe(),
    "summarize": lambda runs: summarize(runs, intervals={"corrected": "t"}),
    "paired_differences": lambda runs: paired_differences(
        _one(runs, "W", "W*")[[*LABELS, "seed", "accuracy", "diverged_epoch"]], "W"
    ),
}


def _one(runs: pd.DataFrame, *variants: str) -> pd.DataFrame:
    """Return the runs of some variants in one connectome, with free recurrence."""
    return runs[(runs["connectome"] == "7_3_2") & (runs["recurrence"] == "free") & runs["variant"].isin(variants)]


@pytest.fixture(scope="module")
def expected() -> dict[str, pd.DataFrame]:
    return {name: function(_runs()) for name, function in FUNCTIONS.items()}


@pytest.mark.parametrize("columns", [("seed",), (*LABELS, "seed")], ids=["seed", "all"])
@pytest.mark.parametrize("stored", FORMATS.values(), ids=FORMATS.keys())
@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_dtype_of_a_label_changes_no_number(name, stored, columns, expected):
    runs = _runs()
    before = runs.assign(**{column: stored(runs[column]) for column in columns})
    given = before.copy()
    pd.testing.assert_frame_equal(FUNCTIONS[name](given), expected[name])
    pd.testing.assert_frame_equal(given, before)


@pytest.mark.parametrize("stored", FORMATS.values(), ids=FORMATS.keys())
def test_the_dtype_of_a_summary_changes_no_number(stored):
    table = summarize(_runs().assign(connectome="6_6_2", protocol="published"), compare_with_paper=True)
    given = table.assign(**{column: stored(table[column]) for column in (*LABELS, "metric", "runs", "diverged")})
    assert format_table(given) == format_table(table)
    numbers = given.assign(runs=given["runs"].astype("Int64"), mean=given["mean"].astype("Float64"))
    numbers = numbers.assign(paper_diverged=False)
    wanted = compare_means(table.assign(paper_diverged=numbers["paper_diverged"], diverged=table["diverged"]))
    pd.testing.assert_frame_equal(compare_means(numbers.assign(diverged=table["diverged"])), wanted)


def test_incomplete_blocks_are_left_out_whatever_the_block_is_stored_as():
    """Five of six seeds have a run in each cell; a category used to let the sixth in."""
    grid = [(w, d, s) for w in ("W", "W*") for d in ("D", "D*") for s in range(6)][:-1]
    runs = pd.DataFrame(grid, columns=["W", "D", "seed"])
    runs["accuracy"] = 0.5 + 0.1 * (runs["W"] == "W*") + 0.05 * np.sin(np.arange(23.0) ** 2)
    model = aligned_rank_model(runs, "accuracy", factors=("W", "D"))
    assert (model.n, model.dropped) == (20, 3)
    other = aligned_rank_model(runs.astype({"seed": "category"}), "accuracy", factors=("W", "D"))
    assert (other.n, other.dropped) == (20, 3)
    pd.testing.assert_frame_equal(other.table, model.table)


def test_numpy_columns():
    frame = pd.DataFrame(
        {
            "whole": pd.array([1, 2, 3], dtype="Int64"),
            "gaps": pd.array([1.5, None, 3.0], dtype="Float64"),
            "flag": pd.array([True, False, True], dtype="boolean"),
            "text": pd.Categorical(["a", None, "b"]),
            "same": [0.5, 1.5, 2.5],
        }
    )
    result = numpy_columns(frame)
    assert result.dtypes.astype(str).tolist() == ["int64", "float64", "bool", "object", "float64"]
    assert math.isnan(result.loc[1, "gaps"])
    assert result.loc[2, "text"] == "b"
    assert frame.dtypes.astype(str).tolist() == ["Int64", "Float64", "boolean", "category", "float64"]


def test_runs_without_a_finite_value_are_counted_in_the_summary():
    runs = _runs()
    table = summarize(runs)
    finite = np.isfinite(runs["entropy"])
    diverged = runs["diverged_epoch"].notna()
    entropy = table[table["metric"] == "entropy"]
    assert entropy["runs"].sum() == finite.sum() < len(runs)
    assert entropy["dropped"].sum() == (~finite & ~diverged).sum() > 0
    assert np.isfinite(entropy["mean"]).all()
    assert np.isfinite(entropy["ci95_high"]).all()
    assert "1 without a finite value" in format_table(table)


@pytest.mark.parametrize(
    ("runs", "message"), [([], "DataFrame, got list"), (pd.DataFrame({"seed": [1]}), "missing: variant")]
)
def test_rejects(runs, message):
    with pytest.raises(ValueError, match=message):
        as_runs(runs, ["variant", "seed"])
