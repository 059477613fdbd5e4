from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from graphcortex._optional import MissingDependencyError
from graphcortex.study import PUBLISHED_VARIANTS
from graphcortex.study.statistics import Design, UnidentifiableDesignError, aligned_rank_model
from graphcortex.study.statistics.factorial import align

pytest.importorskip("statsmodels")

LEVELS = {"W": ("W", "W*", "W!"), "D": ("D", "D*"), "C": ("C", "C*")}


def table(seed=0, seeds=8, **effects) -> pd.DataFrame:
    """A complete factorial with planted effects, e.g. W_star=.3; noise, and an offset that each seed shares."""
    rng = np.random.default_rng(seed)
    rows = []
    for s in range(seeds):
        offset = rng.normal(0, 0.2)
        for w, d, c in itertools.product(*LEVELS.values()):
            value = offset + rng.normal(0, 0.05)
            value += effects.get("W_star", 0) * (w == "W*") + effects.get("D_star", 0) * (d == "D*")
            value += effects.get("both", 0) * (1 if (w == "W*") == (d == "D*") else -1)
            rows.append({"variant": w + d + c, "seed": s, "accuracy": value})
    return pd.DataFrame(rows)


def naive_align(y: np.ndarray, frame: pd.DataFrame, effect: tuple[str, ...]) -> np.ndarray:
    """Wobbrock et al. (2011): y - cell mean + sum over parts of the effect of (-1)^(order - size) * mean of the part's group."""
    frame = frame.assign(y=y)
    result = []
    for _, row in frame.iterrows():
        cell = frame[(frame["W"] == row["W"]) & (frame["D"] == row["D"]) & (frame["C"] == row["C"])]["y"].mean()
        estimate = 0.0
        for size in range(len(effect) + 1):
            for part in itertools.combinations(effect, size):
                group = frame
                for factor in part:
                    group = group[group[factor] == row[factor]]
                estimate += (-1) ** (len(effect) - size) * group["y"].mean()
        result.append(row["y"] - cell + estimate)
    return np.array(result)


@pytest.mark.parametrize("effect", [(0,), (1,), (0, 1), (1, 2), (0, 1, 2)])
def test_alignment_matches_the_formula(effect):
    cells = [cell for cell in itertools.product(*LEVELS.values()) for _ in range(3)]
    frame = pd.DataFrame(cells, columns=["W", "D", "C"])
    y = np.random.default_rng(1).normal(size=len(cells))
    expected = naive_align(y, frame, tuple("WDC"[k] for k in effect))
    np.testing.assert_allclose(align(y, cells, effect, Design.of("WDC", cells)), expected, atol=1e-12)


def test_aligned_values_hold_no_other_effect():
    """The check that Wobbrock et al. advise: every other effect of the aligned values has a sum of squares of 0."""
    cells = [cell for cell in itertools.product(*LEVELS.values()) for _ in range(4)]
    design = Design.of("WDC", cells)
    y = np.random.default_rng(2).normal(size=len(cells))
    for effect, other in itertools.permutations(design.effects, 2):
        aligned = align(y, cells, effect, design)
        assert np.abs(design.columns(other, cells).T @ aligned).max() < 1e-9


def test_one_factor_in_blocks_is_an_analysis_of_variance_of_ranks():
    """One factor has nothing to strip: F is that of two-way sums of squares of the ranks, written out."""
    runs = table(W_star=0.1)
    runs = runs[runs["variant"].isin(["WDC", "W*DC", "W!DC"])]
    model = aligned_rank_model(runs, "accuracy")
    wide = runs.assign(rank=scipy.stats.rankdata(runs["accuracy"])).pivot(
        index="seed", columns="variant", values="rank"
    )
    r = wide.to_numpy()
    between = len(r) * ((r.mean(0) - r.mean()) ** 2).sum()
    left = ((r - r.mean(0) - r.mean(1)[:, None] + r.mean()) ** 2).sum()
    f = (between / 2) / (left / (2 * (len(r) - 1)))
    row = model.table.iloc[0]
    assert (row["effect"], row["df"], row["df_residual"]) == ("W", 2, 14)
    # Aligning on cell means strips nothing here, so ranks are those of the values.
    assert row["f"] == pytest.approx(f, rel=1e-9)
    assert row["p"] == pytest.approx(scipy.stats.f.sf(f, 2, 14), rel=1e-9)
    assert row["partial_eta_squared"] == pytest.approx(between / (between + left), rel=1e-9)


@pytest.mark.parametrize(
    ("planted", "found"),
    [({"W_star": 0.3}, {"W"}), ({"D_star": 0.3}, {"D"}), ({"both": 0.2}, {"W", "D", "W:D"}), ({}, set())],
)
def test_finds_what_was_planted(planted, found):
    p = aligned_rank_model(table(**planted), "accuracy").table.set_index("effect")["p"]
    assert list(p.index) == ["W", "D", "C", "W:D", "W:C", "D:C", "W:D:C"]
    assert found >= set(p.index[p < 1e-4])
    assert (set(found) - {"W", "D"} if "both" in planted else found) <= set(p.index[p < 1e-4])


def test_blocks_take_out_what_seeds_share():
    runs = table(W_star=0.05)
    blocked, plain = (
        aligned_rank_model(runs, "accuracy", block=block).table.set_index("effect") for block in ("seed", None)
    )
    assert blocked.loc["W", "p"] < 0.01 < plain.loc["W", "p"]


def test_runs_that_diverged_are_dropped_with_their_block_and_counted():
    runs = table()
    runs["diverged_epoch"] = np.nan
    runs.loc[0, "diverged_epoch"] = 2
    runs.loc[runs["seed"].eq(1) & runs["variant"].eq("WDC"), "accuracy"] = math.nan
    model = aligned_rank_model(runs, "accuracy")
    assert (model.n, model.dropped) == (6 * 12, 24)
    assert aligned_rank_model(runs, "accuracy", block=None).dropped == 2
    assert "24 dropped" in str(model)
    pd.testing.assert_frame_equal(model.to_dataframe(), model.table)


def test_the_published_design_is_refused_and_its_largest_part_is_not():
    rng = np.random.default_rng(3)
    runs = pd.DataFrame(
        [{"variant": str(v), "seed": s, "accuracy": rng.random()} for v in PUBLISHED_VARIANTS for s in range(5)]
    )
    with pytest.raises(UnidentifiableDesignError, match="16 of 27 cells") as caught:
        aligned_rank_model(runs, "accuracy")
    model = aligned_rank_model(runs, "accuracy", levels=caught.value.complete[0])
    assert list(model.table["effect"]) == ["W", "C", "W:C"]
    assert model.n == 30


def test_a_variant_whose_every_run_diverged_is_a_missing_cell():
    runs = table()
    runs.loc[runs["variant"] == "W*DC", "accuracy"] = math.nan
    with pytest.raises(UnidentifiableDesignError, match=r"1 of 12 cells have no run \(W\*DC\)"):
        aligned_rank_model(runs, "accuracy")


def test_factors_may_be_columns():
    runs = table(W_star=0.3)
    runs["arm"] = np.where(runs["variant"].str.startswith("W*"), "star", "plain")
    runs["real"] = runs["variant"].str.contains(r"D\*")
    p = aligned_rank_model(runs, "accuracy", factors=("arm", "real"), block=None).table.set_index("effect")["p"]
    assert p["arm"] < 1e-4 < p["real"]


def test_values_that_are_all_equal_have_no_effect():
    runs = table()
    runs["accuracy"] = 0.5
    assert (aligned_rank_model(runs, "accuracy").table["p"] == 1).all()


BAD = {
    "no such metric": ({"metric": "speed"}, r"none of \['speed'\]"),
    "no such factor": ({"factors": ("Q",)}, "none of"),
    "no factors": ({"factors": ()}, "must have the columns"),
    "no such level": ({"levels": {"W": ("W", "W?")}}, r"levels of W must be among .*W\?"),
    "level of no factor": ({"levels": {"Q": ("W",)}}, "factor in levels must be one of"),
    "one cell": ({"levels": {"W": ("W",), "D": ("D",), "C": ("C",)}}, "two levels with runs"),
}


@pytest.mark.parametrize(("options", "message"), BAD.values(), ids=BAD.keys())
def test_rejects(options, message):
    with pytest.raises(ValueError, match=message):
        aligned_rank_model(table(), **{"metric": "accuracy", **options})


def test_rejects_several_runs_in_a_cell_of_a_block_and_too_few_runs():
    runs = table()
    with pytest.raises(ValueError, match="one run per cell"):
        aligned_rank_model(pd.concat([runs, runs]), "accuracy")
    with pytest.raises(ValueError, match="more runs than that"):
        aligned_rank_model(runs[runs["seed"] == 0], "accuracy")


def test_says_how_to_get_statsmodels(monkeypatch):
    def missing(module, extra, purpose):
        raise MissingDependencyError(f"{purpose} needs statsmodels: pip install 'graphcortex-rnn[{extra}]'")

    monkeypatch.setattr("graphcortex.study.statistics.factorial.require", missing)
    with pytest.raises(MissingDependencyError, match=r"graphcortex-rnn\[study\]"):
        aligned_rank_model(table(), "accuracy")
